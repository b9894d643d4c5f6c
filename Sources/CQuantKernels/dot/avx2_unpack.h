// Weights from their blocks to bytes in AVX2 registers, and the properties of each type.
//
// Included inside a region whose functions have at least the AVX2, FMA and F16C targets.

#ifndef AVX2_UNPACK_H
#define AVX2_UNPACK_H

#include <immintrin.h>

#include "dot_common.h"

#define INLINE static inline __attribute__((always_inline))

// How codes come out of `load_256` and `load_32`: unsigned, larger than the true code by `code_offset`, or
// signed (the IQ4 and MXFP4 tables, Q8_0).
INLINE int code_offset(int type) {
  switch (type) {
    case T_Q3_K: return 4;
    case T_Q6_K: return 32;
    case T_Q4_0: return 8;
    case T_Q5_0: return 16;
    default: return 0;
  }
}

INLINE int has_signed_codes(int type) {
  return type == T_Q8_0 || type == T_IQ4_NL || type == T_IQ4_XS || type == T_MXFP4;
}

INLINE int has_mins(int type) {
  return type == T_Q2_K || type == T_Q4_K || type == T_Q5_K || type == T_Q4_1 || type == T_Q5_1;
}

// Whether scales belong to 16 weights instead of 32.
INLINE int has_groups_of_16(int type) { return type == T_Q2_K || type == T_Q3_K || type == T_Q6_K; }

// 256 weights of one row.
typedef struct {
  // q[i]: codes of columns 32i to 32i + 31.
  __m256i q[8];
  // One scale per group: 16 values, or 8 in the low half.
  __m256i scales;
  // One minimum per group, in the same way.
  __m256i mins;
  uint16_t d;
  uint16_t dmin;
} wide_block;

INLINE __m256i low_bits(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

// Bit `from` of every byte moved to bit `to`, the others cleared.
INLINE __m256i move_bit(__m256i v, int from, int to) {
  v = from <= to ? _mm256_slli_epi16(v, to - from) : _mm256_srli_epi16(v, from - to);
  return low_bits(v, 1 << to);
}

INLINE __m256i load_bytes(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

INLINE __m256i load_nibbles(const uint8_t *p) {
  __m128i x = _mm_loadu_si128((const __m128i *)p);
  return low_bits(_mm256_set_m128i(_mm_srli_epi16(x, 4), x), 15);
}

INLINE __m256i look_up(const int8_t table[16], __m256i index) {
  __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
  return _mm256_shuffle_epi8(t, index);
}

INLINE void load_256(const int type, const uint8_t *s, wide_block *b) {
  b->mins = _mm256_setzero_si256();
  b->dmin = 0;
  switch (type) {
    case T_Q2_K: {
      __m128i sm = _mm_loadu_si128((const __m128i *)s);
      __m128i low = _mm_set1_epi8(15);
      b->scales = _mm256_cvtepu8_epi16(_mm_and_si128(sm, low));
      b->mins = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(sm, 4), low));
      for (int h = 0; h < 2; h++) {
        __m256i v = load_bytes(s + 16 + 32 * h);
        for (int k = 0; k < 4; k++) b->q[4 * h + k] = low_bits(_mm256_srli_epi16(v, 2 * k), 3);
      }
      b->d = read_u16(s + 80);
      b->dmin = read_u16(s + 82);
      break;
    }
    case T_Q3_K: {
      uint8_t u[16];
      unpack_scales_q3(s + 96, u);
      __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)u));
      b->scales = _mm256_sub_epi16(wide, _mm256_set1_epi16(32));
      __m256i high = load_bytes(s);
      for (int h = 0; h < 2; h++) {
        __m256i v = load_bytes(s + 32 + 32 * h);
        for (int k = 0; k < 4; k++)
          b->q[4 * h + k] =
              _mm256_or_si256(low_bits(_mm256_srli_epi16(v, 2 * k), 3), move_bit(high, 4 * h + k, 2));
      }
      b->d = read_u16(s + 108);
      break;
    }
    case T_Q4_K:
    case T_Q5_K: {
      uint64_t sc, m;
      unpack_scales_6bit(s + 4, &sc, &m);
      b->scales = _mm256_castsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)sc)));
      b->mins = _mm256_castsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)m)));
      const uint8_t *qs = s + (type == T_Q4_K ? 16 : 48);
      for (int j = 0; j < 4; j++) {
        __m256i v = load_bytes(qs + 32 * j);
        b->q[2 * j] = low_bits(v, 15);
        b->q[2 * j + 1] = low_bits(_mm256_srli_epi16(v, 4), 15);
      }
      if (type == T_Q5_K) {
        __m256i high = load_bytes(s + 16);
        for (int i = 0; i < 8; i++) b->q[i] = _mm256_or_si256(b->q[i], move_bit(high, i, 4));
      }
      b->d = read_u16(s);
      b->dmin = read_u16(s + 2);
      break;
    }
    case T_Q6_K:
      b->scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(s + 192)));
      for (int h = 0; h < 2; h++) {
        __m256i low0 = load_bytes(s + 64 * h), low1 = load_bytes(s + 64 * h + 32);
        __m256i high = load_bytes(s + 128 + 32 * h);
        __m256i *q = b->q + 4 * h;
        q[0] = _mm256_or_si256(low_bits(low0, 15), low_bits(_mm256_slli_epi16(high, 4), 48));
        q[1] = _mm256_or_si256(low_bits(low1, 15), low_bits(_mm256_slli_epi16(high, 2), 48));
        q[2] = _mm256_or_si256(low_bits(_mm256_srli_epi16(low0, 4), 15), low_bits(high, 48));
        q[3] = _mm256_or_si256(
            low_bits(_mm256_srli_epi16(low1, 4), 15), low_bits(_mm256_srli_epi16(high, 2), 48));
      }
      b->d = read_u16(s + 208);
      break;
    case T_IQ4_XS: {
      uint8_t u[8];
      unpack_scales_iq4_xs(s, u);
      __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)u));
      b->scales = _mm256_castsi128_si256(_mm_sub_epi16(wide, _mm_set1_epi16(32)));
      for (int j = 0; j < 8; j++) b->q[j] = look_up(iq4_values, load_nibbles(s + 8 + 16 * j));
      b->d = read_u16(s);
      break;
    }
    default: break;
  }
}

// The fifth bits of 32 codes as bytes of 0 or 16.
INLINE __m256i spread_high_bits(uint32_t high) {
  const __m256i pick = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
  __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)high), pick), bit);
  return low_bits(_mm256_cmpeq_epi8(v, bit), 16);
}

// 32 weights of one row as codes.
INLINE __m256i load_32(const int type, const uint8_t *s) {
  switch (type) {
    case T_Q4_0: return load_nibbles(s + 2);
    case T_Q4_1: return load_nibbles(s + 4);
    case T_Q5_0: return _mm256_or_si256(load_nibbles(s + 6), spread_high_bits(read_u32(s + 2)));
    case T_Q5_1: return _mm256_or_si256(load_nibbles(s + 8), spread_high_bits(read_u32(s + 4)));
    case T_Q8_0: return load_bytes(s + 2);
    case T_IQ4_NL: return look_up(iq4_values, load_nibbles(s + 2));
    default: return look_up(mxfp4_values, load_nibbles(s + 1));
  }
}

INLINE float scale_32(const int type, const uint8_t *s) {
  return type == T_MXFP4 ? float_of_e8m0_half(s[0]) : _cvtsh_ss(read_u16(s));
}

INLINE float min_32(const int type, const uint8_t *s) {
  return type == T_Q4_1 || type == T_Q5_1 ? _cvtsh_ss(read_u16(s + 2)) : 0;
}

// The scales, and minimums behind them, of one block in each of eight rows; a loop over the rows puts them here.
typedef union {
  uint16_t halves[8];
  uint32_t pairs[8];
  uint8_t exponents[8];
} scales_of_8;

INLINE void collect_scale(const int type, const uint8_t *s, scales_of_8 *raw, size_t r) {
  if (type == T_MXFP4) raw->exponents[r] = s[0];
  else memcpy(has_mins(type) ? (void *)&raw->pairs[r] : (void *)&raw->halves[r], s, has_mins(type) ? 4 : 2);
}

// As `float_of_e8m0_half`.
INLINE __m256 floats_of_e8m0_half(__m256i e) {
  __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}

typedef struct {
  __m256 d;
  // Zero where the type has none.
  __m256 m;
} collected_scales;

INLINE collected_scales collected(const int type, const scales_of_8 *raw) {
  collected_scales out = {.m = _mm256_setzero_ps()};
  if (type == T_MXFP4) {
    out.d = floats_of_e8m0_half(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)raw->exponents)));
  } else if (has_mins(type)) {
    const __m256i low_then_high = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    __m256i v = _mm256_loadu_si256((const __m256i *)raw->pairs);
    v = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, low_then_high), 0xD8);
    out.d = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
    out.m = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
  } else {
    out.d = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)raw->halves));
  }
  return out;
}

// The sums of eight vectors' low and high halves, vector r in lane r.
typedef struct {
  __m256i low;
  __m256i high;
} lane_sums;

INLINE lane_sums lane_sums_of_8(const __m256i v[8]) {
  __m256i t[4];
  for (int i = 0; i < 4; i++)
    t[i] = _mm256_add_epi32(
        _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]), _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
  __m256i a = _mm256_add_epi32(_mm256_unpacklo_epi64(t[0], t[1]), _mm256_unpackhi_epi64(t[0], t[1]));
  __m256i b = _mm256_add_epi32(_mm256_unpacklo_epi64(t[2], t[3]), _mm256_unpackhi_epi64(t[2], t[3]));
  return (lane_sums){_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)};
}

// The sums of eight vectors' lanes, vector r in lane r.
INLINE __m256i sums_of_8(const __m256i v[8]) {
  lane_sums sums = lane_sums_of_8(v);
  return _mm256_add_epi32(sums.low, sums.high);
}

// Turns eight rows of eight dwords into eight columns.
INLINE void transpose_8x8(const __m256i r[8], __m256i out[8]) {
  __m256i t[8], u[8];
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; i++) {
    u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    out[i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x20);
    out[4 + i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x31);
  }
}

#endif
