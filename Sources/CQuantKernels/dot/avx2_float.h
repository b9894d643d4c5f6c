// Decoding to f32, f32 products and the quantization of activations.

#ifndef AVX2_FLOAT_H
#define AVX2_FLOAT_H

#include "avx2_unpack.h"

INLINE void floats_of_codes(__m256i q, __m256 f[4]) {
  __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
  f[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
  f[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
  f[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
  f[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
}

INLINE void decode_256(const int type, const uint8_t *s, size_t columns, float *out) {
  const __m256i offset = _mm256_set1_epi8((char)code_offset(type));
  const int wide_groups = !has_groups_of_16(type);
  for (size_t b = 0; b < columns / 256; b++) {
    wide_block w;
    load_256(type, s + b * block_bytes(type), &w);
    int16_t scales[16], mins[16];
    _mm256_storeu_si256((__m256i *)scales, w.scales);
    _mm256_storeu_si256((__m256i *)mins, w.mins);
    float d = _cvtsh_ss(w.d), dmin = _cvtsh_ss(w.dmin);
    for (int i = 0; i < 8; i++) {
      __m256 f[4];
      floats_of_codes(_mm256_sub_epi8(w.q[i], offset), f);
      for (int k = 0; k < 4; k++) {
        int group = wide_groups ? i : 2 * i + k / 2;
        __m256 v = _mm256_mul_ps(_mm256_set1_ps(d * (float)scales[group]), f[k]);
        if (has_mins(type)) v = _mm256_sub_ps(v, _mm256_set1_ps(dmin * (float)mins[group]));
        _mm256_storeu_ps(out + 256 * b + 32 * (size_t)i + 8 * (size_t)k, v);
      }
    }
  }
}

INLINE void decode_32(const int type, const uint8_t *s, size_t columns, float *out) {
  const __m256i offset = _mm256_set1_epi8((char)code_offset(type));
  for (size_t b = 0; b < columns / 32; b++, s += block_bytes(type)) {
    __m256 f[4], d = _mm256_set1_ps(scale_32(type, s)), m = _mm256_set1_ps(min_32(type, s));
    floats_of_codes(_mm256_sub_epi8(load_32(type, s), offset), f);
    for (int k = 0; k < 4; k++) {
      __m256 v = _mm256_mul_ps(d, f[k]);
      if (has_mins(type)) v = _mm256_add_ps(v, m);
      _mm256_storeu_ps(out + 32 * b + 8 * (size_t)k, v);
    }
  }
}

static void decode_f16(const uint8_t *s, size_t columns, float *out) {
  size_t i = 0;
  for (; i + 8 <= columns; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(s + 2 * i))));
  for (; i < columns; i++) out[i] = _cvtsh_ss(read_u16(s + 2 * i));
}

static void decode_bf16(const uint8_t *s, size_t columns, float *out) {
  size_t i = 0;
  for (; i + 8 <= columns; i += 8) {
    __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(s + 2 * i)));
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)));
  }
  for (; i < columns; i++) out[i] = float_of_u32((uint32_t)read_u16(s + 2 * i) << 16);
}

// Sixteen partial sums as two registers, added in the fixed tree.
INLINE float tree_sum(__m256 low, __m256 high) {
  __m256 a = _mm256_add_ps(low, high);
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

// Tokens per pass of the float products.
#define FLOAT_TOKENS 126

// The partial sums of eight rows with the tokens of a pass.
typedef struct {
  __m256 sums[8][FLOAT_TOKENS][2];
} float_sums;

// Adds columns of up to 2 rows, the token's from `first` on, with up to 3 tokens: 12 accumulators fill the register
// file.
INLINE void float_block(const int rows, const int count, const float_columns *w, size_t first,
                        const cdk_float_token *tokens, float_sums *out, size_t row, size_t token) {
  __m256 acc[2][3][2];
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < count; t++)
      for (int h = 0; h < 2; h++) acc[r][t][h] = out->sums[row + (size_t)r][token + (size_t)t][h];
  const float *x[3];
  for (int t = 0; t < count; t++) x[t] = tokens[token + (size_t)t].x + first;
  const float *from = w->values + row * w->stride;
  for (size_t c = 0; c < w->count; c += 16)
    for (size_t h = 0; h < 2; h++) {
      __m256 wv[2];
      for (int r = 0; r < rows; r++) wv[r] = _mm256_loadu_ps(from + (size_t)r * w->stride + c + 8 * h);
      for (int t = 0; t < count; t++) {
        __m256 xv = _mm256_loadu_ps(x[t] + c + 8 * h);
        for (int r = 0; r < rows; r++) acc[r][t][h] = _mm256_fmadd_ps(wv[r], xv, acc[r][t][h]);
      }
    }
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < count; t++)
      for (int h = 0; h < 2; h++) out->sums[row + (size_t)r][token + (size_t)t][h] = acc[r][t][h];
}

static void float_blocks(const float_columns *w, size_t rows, const cdk_float_token *tokens, size_t count,
                         size_t first, float_sums *out) {
  for (size_t t = 0; t < count; t += 3) {
    size_t here = count - t < 3 ? count - t : 3;
    for (size_t r = 0; r < rows; r += 2) {
      if (r + 1 < rows) {
        if (here == 3) float_block(2, 3, w, first, tokens, out, r, t);
        else if (here == 2) float_block(2, 2, w, first, tokens, out, r, t);
        else float_block(2, 1, w, first, tokens, out, r, t);
      } else {
        if (here == 3) float_block(1, 3, w, first, tokens, out, r, t);
        else if (here == 2) float_block(1, 2, w, first, tokens, out, r, t);
        else float_block(1, 1, w, first, tokens, out, r, t);
      }
    }
  }
}

// Quantizes a group of `n` values, 32 or 256.
INLINE void quantize_group(const int n, const float *x, int8_t *codes, uint8_t *biased,
                           float *scale) {
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  // Compared as integers, so that NaN is the largest of all.
  __m256i top = _mm256_setzero_si256();
  for (int i = 0; i < n; i += 8)
    top = _mm256_max_epi32(top, _mm256_castps_si256(_mm256_and_ps(_mm256_loadu_ps(x + i), no_sign)));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
  uint32_t bits = (uint32_t)_mm_cvtsi128_si32(m);
  float magnitude = float_of_u32(bits), inverse = 0;
  *scale = 0;
  if (bits >= 0x7F800000) {
    *scale = NAN;
  } else if (magnitude >= TINY_MAGNITUDE) {
    *scale = magnitude / 127.0f;
    inverse = 127.0f / magnitude;
  }
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int i = 0; i < n; i += 32) {
    __m256i v[4];
    for (int k = 0; k < 4; k++) {
      __m256 f = inverse == 0 ? _mm256_setzero_ps() : _mm256_loadu_ps(x + i + 8 * k);
      v[k] = _mm256_cvtps_epi32(_mm256_mul_ps(f, factor));
    }
    __m256i p = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    p = _mm256_permutevar8x32_epi32(p, order);
    _mm256_storeu_si256((__m256i *)(codes + i), p);
    _mm256_storeu_si256((__m256i *)(biased + i), _mm256_xor_si256(p, _mm256_set1_epi8((char)128)));
  }
}

// Sums of 32 codes, four times eight; of 16 in each half.
INLINE void code_sums(const int8_t *codes, int16_t halves[2]) {
  __m256i q = load_bytes((const uint8_t *)codes);
  __m256i s = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), q), _mm256_set1_epi16(1));
  for (int h = 0; h < 2; h++) {
    __m128i v = h ? _mm256_extracti128_si256(s, 1) : _mm256_castsi256_si128(s);
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4E));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0xB1));
    halves[h] = (int16_t)_mm_cvtsi128_si32(v);
  }
}

static void avx2_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased,
                              int16_t *sums, float *scales) {
  for (size_t b = 0; b < count / 256; b++) {
    size_t at = 256 * b;
    quantize_group(256, x + at, codes + at, biased + at, scales + b);
    int16_t *s = sums + SUMS_256 * b;
    for (int j = 0; j < 8; j++) {
      code_sums(codes + at + 32 * (size_t)j, s + 2 * j);
      s[16 + j] = (int16_t)(s[2 * j] + s[2 * j + 1]);
    }
  }
}

static void avx2_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased,
                             int16_t *sums, float *scales) {
  for (size_t b = 0; b < count / 32; b++) {
    size_t at = 32 * b;
    quantize_group(32, x + at, codes + at, biased + at, scales + b);
    int16_t halves[2];
    code_sums(codes + at, halves);
    sums[b] = (int16_t)(halves[0] + halves[1]);
  }
}

#endif
