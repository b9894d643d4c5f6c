// Weights from their blocks to bytes in NEON registers, four rows side by side, and the properties of each type.

#ifndef NEON_UNPACK_H
#define NEON_UNPACK_H

#include <arm_neon.h>

#include "dot_common.h"

#define INLINE static inline __attribute__((always_inline))
// Before a loop whose counter must be a constant in its body: shifts and lanes.
#define UNROLLED _Pragma("clang loop unroll(full)")

INLINE int8x16_t signed_bytes(uint8x16_t v) { return vreinterpretq_s8_u8(v); }

// How codes come out of `code_256` and `codes_32`: larger than the true code by this.
INLINE int code_offset(int type) {
  switch (type) {
    case T_Q3_K: return 4;
    case T_Q6_K: return 32;
    case T_Q4_0: return 8;
    case T_Q5_0: return 16;
    default: return 0;
  }
}

INLINE int has_mins(int type) {
  return type == T_Q2_K || type == T_Q4_K || type == T_Q5_K || type == T_Q4_1 || type == T_Q5_1;
}

// Whether scales belong to 16 weights instead of 32.
INLINE int has_groups_of_16(int type) { return type == T_Q2_K || type == T_Q3_K || type == T_Q6_K; }

// A quarter of a block of 256 weights: the registers that hold the bits of 64 codes. Where scales belong to 32
// weights, these are two groups next to each other; else four groups, every second one of a half of the block.
typedef struct {
  uint8x16_t v[4];
} quarter;

INLINE quarter load_quarter(const int type, const uint8_t *s, const int i) {
  quarter w;
  const int half = i / 2, part = i % 2;
  switch (type) {
    case T_Q2_K: w.v[0] = vld1q_u8(s + 16 + 32 * half + 16 * part); break;
    case T_Q3_K:
      w.v[0] = vld1q_u8(s + 32 + 32 * half + 16 * part);
      w.v[1] = vld1q_u8(s + 16 * part);
      break;
    case T_Q6_K:
      w.v[0] = vld1q_u8(s + 64 * half + 16 * part);
      w.v[1] = vld1q_u8(s + 64 * half + 32 + 16 * part);
      w.v[2] = vld1q_u8(s + 128 + 32 * half + 16 * part);
      break;
    case T_Q4_K:
      w.v[0] = vld1q_u8(s + 16 + 32 * i);
      w.v[1] = vld1q_u8(s + 32 + 32 * i);
      break;
    case T_Q5_K:
      w.v[0] = vld1q_u8(s + 48 + 32 * i);
      w.v[1] = vld1q_u8(s + 64 + 32 * i);
      w.v[2] = vld1q_u8(s + 16);
      w.v[3] = vld1q_u8(s + 32);
      break;
    default:
      w.v[0] = vld1q_u8(s + 8 + 32 * i);
      w.v[1] = vld1q_u8(s + 24 + 32 * i);
  }
  return w;
}

// Which 16 columns of the block the code vector `k` of a quarter belongs to.
INLINE int columns_of(const int type, const int i, const int k) {
  return has_groups_of_16(type) ? 8 * (i / 2) + 2 * k + i % 2 : 4 * i + k;
}

// Bit `from` of every byte moved to bit `to`; other bits are left in.
INLINE uint8x16_t move_bit(uint8x16_t v, const int from, const int to) {
  return from < to ? v << (uint8_t)(to - from) : v >> (uint8_t)(from - to);
}

// The code vector `k`, 0 to 3, of a quarter.
INLINE int8x16_t code_256(const int type, const quarter *w, const int i, const int k, int8x16_t table) {
  const uint8x16_t fifteen = vdupq_n_u8(15);
  uint8x16_t q;
  switch (type) {
    case T_Q2_K: q = w->v[0] >> (uint8_t)(2 * k) & vdupq_n_u8(3); break;
    case T_Q3_K:
      q = w->v[0] >> (uint8_t)(2 * k);
      q = vbslq_u8(vdupq_n_u8(4), move_bit(w->v[1], 4 * (i / 2) + k, 2), q) & vdupq_n_u8(7);
      break;
    case T_Q6_K:
      // The lower four bits are in v[0] and v[1] by turns, the upper two in v[2].
      if (k == 0) q = vsliq_n_u8(w->v[0], w->v[2], 4) & vdupq_n_u8(63);
      else if (k == 1) q = vbslq_u8(vdupq_n_u8(48), w->v[2] << (uint8_t)2, w->v[1]) & vdupq_n_u8(63);
      else q = vbslq_u8(vdupq_n_u8(48), w->v[2] >> (uint8_t)(2 * k - 4), w->v[k - 2] >> (uint8_t)4);
      break;
    case T_Q4_K:
      q = k < 2 ? w->v[k] & fifteen : w->v[k - 2] >> (uint8_t)4;
      break;
    case T_Q5_K:
      // The fifth bits of group j are the bits j of v[2] and v[3].
      q = k < 2 ? w->v[k] & fifteen : w->v[k - 2] >> (uint8_t)4;
      q = vbslq_u8(vdupq_n_u8(16), move_bit(w->v[2 + k % 2], 2 * i + k / 2, 4), q);
      break;
    default:
      return vqtbl1q_s8(table, k % 2 ? w->v[k / 2] >> (uint8_t)4 : w->v[k / 2] & fifteen);
  }
  return signed_bytes(q);
}

// Four by four: word c of register r becomes word r of register c.
INLINE void transpose_words(const uint32x4_t r[4], uint32x4_t out[4]) {
  uint64x2_t a = vreinterpretq_u64_u32(vtrn1q_u32(r[0], r[1])), b = vreinterpretq_u64_u32(vtrn2q_u32(r[0], r[1]));
  uint64x2_t c = vreinterpretq_u64_u32(vtrn1q_u32(r[2], r[3])), d = vreinterpretq_u64_u32(vtrn2q_u32(r[2], r[3]));
  out[0] = vreinterpretq_u32_u64(vtrn1q_u64(a, c));
  out[1] = vreinterpretq_u32_u64(vtrn1q_u64(b, d));
  out[2] = vreinterpretq_u32_u64(vtrn2q_u64(a, c));
  out[3] = vreinterpretq_u32_u64(vtrn2q_u64(b, d));
}

INLINE uint32x4_t load_words(const uint8_t *s) { return vreinterpretq_u32_u8(vld1q_u8(s)); }

INLINE uint32x2_t load_two_words(const uint8_t *s) { return vreinterpret_u32_u8(vld1_u8(s)); }

INLINE uint32x4_t bytes_of(uint8_t v) { return vreinterpretq_u32_u8(vdupq_n_u8(v)); }

// The low or high 16 bits of each word as binary16.
INLINE float32x4_t low_halves(uint32x4_t v) { return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(v))); }
INLINE float32x4_t high_halves(uint32x4_t v) { return vcvt_f32_f16(vreinterpret_f16_u16(vshrn_n_u32(v, 16))); }

INLINE float32x4_t gather_halves(const uint8_t *const s[4], size_t at) {
  uint16x4_t h = vdup_n_u16(0);
  h = vld1_lane_u16((const uint16_t *)(const void *)(s[0] + at), h, 0);
  h = vld1_lane_u16((const uint16_t *)(const void *)(s[1] + at), h, 1);
  h = vld1_lane_u16((const uint16_t *)(const void *)(s[2] + at), h, 2);
  h = vld1_lane_u16((const uint16_t *)(const void *)(s[3] + at), h, 3);
  return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

// What the blocks of four rows have besides codes; rows are lanes.
typedef struct {
  // Scales by type: byte k of scales[j] belongs to group 4j + k, before `group_scale` has seen it.
  uint32x4_t scales[4];
  // Minimums: byte k of mins[j] belongs to group 4j + k.
  uint32x4_t mins[4];
  float32x4_t d, dmin;
} four_heads;

INLINE four_heads load_heads(const int type, const uint8_t *const s[4]) {
  four_heads h;
  uint32x4_t v[4], t[4];
  if (type == T_IQ4_XS) {
    uint32x4_t a = vcombine_u32(load_two_words(s[0]), load_two_words(s[1]));
    uint32x4_t b = vcombine_u32(load_two_words(s[2]), load_two_words(s[3]));
    t[0] = vuzp1q_u32(a, b);
    t[1] = vuzp2q_u32(a, b);
    h.d = low_halves(t[0]);
    // Nibbles of even and of odd groups, and the two upper bits of all eight.
    h.scales[0] = t[1];
    h.scales[1] = vshrq_n_u32(t[0], 16);
    return h;
  }
  const size_t at = type == T_Q6_K ? 192 : type == T_Q3_K ? 94 : 0;
  UNROLLED
  for (int r = 0; r < 4; r++) v[r] = load_words(s[r] + at);
  if (type == T_Q3_K) {
    // Scales are at 96; two bytes before them are read instead of two behind the block.
    UNROLLED
    for (int r = 0; r < 4; r++)
      v[r] = vreinterpretq_u32_u8(vextq_u8(vreinterpretq_u8_u32(v[r]), vreinterpretq_u8_u32(v[r]), 2));
  }
  transpose_words(v, t);
  const uint32x4_t low = bytes_of(15), top = bytes_of(0x30);
  switch (type) {
    case T_Q2_K:
      UNROLLED
      for (int j = 0; j < 4; j++) {
        h.scales[j] = t[j] & low;
        h.mins[j] = vreinterpretq_u32_u8(vreinterpretq_u8_u32(t[j]) >> (uint8_t)4);
      }
      h.d = gather_halves(s, 80);
      h.dmin = gather_halves(s, 82);
      break;
    case T_Q3_K:
      h.scales[0] = (t[0] & low) | (vshlq_n_u32(t[2], 4) & top);
      h.scales[1] = (t[1] & low) | (vshlq_n_u32(t[2], 2) & top);
      h.scales[2] = (vshrq_n_u32(t[0], 4) & low) | (t[2] & top);
      h.scales[3] = (vshrq_n_u32(t[1], 4) & low) | (vshrq_n_u32(t[2], 2) & top);
      h.d = low_halves(t[3]);
      break;
    case T_Q6_K:
      UNROLLED
      for (int j = 0; j < 4; j++) h.scales[j] = t[j];
      h.d = gather_halves(s, 208);
      break;
    default:
      h.d = low_halves(t[0]);
      h.dmin = high_halves(t[0]);
      h.scales[0] = t[1] & bytes_of(63);
      h.mins[0] = t[2] & bytes_of(63);
      h.scales[1] = (t[3] & low) | (vshrq_n_u32(t[1], 2) & top);
      h.mins[1] = (vshrq_n_u32(t[3], 4) & low) | (vshrq_n_u32(t[2], 2) & top);
  }
  return h;
}

// The scales of group g of four rows; the true ones.
INLINE int32x4_t group_scale(const int type, const four_heads *h, const int g) {
  if (type == T_IQ4_XS) {
    uint32x4_t low = vshrq_n_u32(h->scales[0] << (uint32_t)(28 - 4 * g), 28);
    uint32x4_t high = h->scales[1] >> (uint32_t)(2 * g) & 3u;
    return vreinterpretq_s32_u32(vsliq_n_u32(low, high, 4)) - 32;
  }
  const int k = g % 4;
  uint32x4_t v = h->scales[g / 4];
  if (type == T_Q6_K) return vreinterpretq_s32_u32(v << (uint32_t)(24 - 8 * k)) >> 24;
  int32x4_t u = vreinterpretq_s32_u32(v >> (uint32_t)(8 * k) & 255u);
  return type == T_Q3_K ? u - 32 : u;
}

INLINE int32x4_t group_min(const four_heads *h, const int g) {
  return vreinterpretq_s32_u32(h->mins[g / 4] >> (uint32_t)(8 * (g % 4)) & 255u);
}

// The codes of a block of 32 weights.
INLINE void codes_32(const int type, const uint8_t *s, int8x16_t table, int8x16_t q[2]) {
  if (type == T_Q8_0) {
    q[0] = vld1q_s8((const int8_t *)s + 2);
    q[1] = vld1q_s8((const int8_t *)s + 18);
    return;
  }
  uint8x16_t v = vld1q_u8(s + block_bytes(type) - 16), low = v & vdupq_n_u8(15), high = vshrq_n_u8(v, 4);
  if (type == T_IQ4_NL || type == T_MXFP4) {
    q[0] = vqtbl1q_s8(table, low);
    q[1] = vqtbl1q_s8(table, high);
    return;
  }
  if (type == T_Q5_0 || type == T_Q5_1) {
    // Every byte of the fifth bits eight times, then one bit of each.
    const uint8x16_t spread = vcombine_u8(vdup_n_u8(0), vdup_n_u8(1)), two = vdupq_n_u8(2);
    const uint8x16_t bits = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)), fifth = vdupq_n_u8(16);
    uint8x16_t h = vreinterpretq_u8_u32(vdupq_n_u32(read_u32(s + (type == T_Q5_0 ? 2 : 4))));
    low |= vtstq_u8(vqtbl1q_u8(h, spread), bits) & fifth;
    high |= vtstq_u8(vqtbl1q_u8(h, spread | two), bits) & fifth;
  }
  q[0] = signed_bytes(low);
  q[1] = signed_bytes(high);
}

// The table that codes of the type index, anything for other types.
INLINE int8x16_t code_table(const int type) { return vld1q_s8(type == T_MXFP4 ? mxfp4_values : iq4_values); }

// The scales and minimums of a block of four rows; moves on to the next one.
typedef struct {
  float32x4_t d, m;
} four_scales;

INLINE four_scales scales_32(const int type, const uint8_t *s[4], size_t step) {
  four_scales r;
  uint32x4_t v = vdupq_n_u32(0);
#define FOUR_ROWS(LANE) LANE(0) LANE(1) LANE(2) LANE(3)
  if (type == T_MXFP4) {
    uint8x16_t bytes = vdupq_n_u8(0);
#define LANE(R) bytes = vld1q_lane_u8(s[R], bytes, 4 * R); s[R] += step;
    FOUR_ROWS(LANE)
#undef LANE
    uint32x4_t e = vreinterpretq_u32_u8(bytes);
    // 2^(e - 128): the exponent one lower, or a subnormal number for the two smallest.
    uint32x4_t tiny = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
    r.d = vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), tiny, vshlq_n_u32(e - 1, 23)));
  } else if (has_mins(type)) {
#define LANE(R) v = vld1q_lane_u32((const uint32_t *)(const void *)s[R], v, R); s[R] += step;
    FOUR_ROWS(LANE)
#undef LANE
    r.d = low_halves(v);
    r.m = high_halves(v);
  } else {
    uint16x4_t h = vdup_n_u16(0);
#define LANE(R) h = vld1_lane_u16((const uint16_t *)(const void *)s[R], h, R); s[R] += step;
    FOUR_ROWS(LANE)
#undef LANE
    r.d = vcvt_f32_f16(vreinterpret_f16_u16(h));
  }
#undef FOUR_ROWS
  return r;
}

// Four rows from row `first` on; the last one of `rows` stands in for those that are missing.
INLINE void four_rows(const uint8_t *weights, size_t row_bytes, size_t rows, size_t first,
                              const uint8_t *s[4]) {
  for (size_t r = 0; r < 4; r++) s[r] = weights + (first + r < rows ? first + r : rows - 1) * row_bytes;
}

// The sums of four registers' lanes, register r in lane r.
INLINE int32x4_t lane_sums(const int32x4_t v[4]) {
  return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

#endif
