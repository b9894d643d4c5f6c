// Products of many tokens with eight rows at a time: weights unpacked once per tile, rows in lanes.
//
// A tile holds, for every four columns, one register with four codes of each of eight rows. A token's four
// codes are broadcast against it, so sums stay one row per 32-bit lane and nothing is added across lanes.

#ifndef AVX2_TILE_H
#define AVX2_TILE_H

#include "avx2_vector.h"

// Tokens per pass; their codes of one super-block (16 KB) stay in the first cache.
#define TILE_TOKENS 64

// Which operand of the byte products is the unsigned one.
enum {
  // Weights; tokens are signed codes.
  UNSIGNED_WEIGHTS,
  // Tokens, biased by 128; weights are signed, and 128 times their sum is subtracted.
  UNSIGNED_TOKENS,
  // |weight|, with the weight's sign moved to the token.
  WEIGHT_MAGNITUDES,
};

INLINE int tile_operand(const int type) {
  switch (type) {
    case T_Q3_K:
    case T_Q6_K:
    case T_Q4_0:
    case T_Q5_0:
    case T_MXFP4: return UNSIGNED_TOKENS;
    case T_Q8_0:
    case T_IQ4_NL:
    case T_IQ4_XS: return WEIGHT_MAGNITUDES;
    default: return UNSIGNED_WEIGHTS;
  }
}

// How many pair products can be added in 16 bits: n * 2 * |weight| * |token| < 2^15.
INLINE int tile_chain(const int type) {
  switch (type) {
    case T_Q4_K:          // 8 * 2 * 15 * 127
    case T_Q4_1:          //
    case T_Q4_0: return 8;  // 8 * 2 * 8 * 255
    case T_Q2_K:          // 4 * 2 * 3 * 127, groups of 16
    case T_Q3_K:          // 4 * 2 * 4 * 255, groups of 16
    case T_Q5_K:          // 4 * 2 * 31 * 127
    case T_Q5_1:          //
    case T_Q5_0:          // 4 * 2 * 16 * 255
    case T_MXFP4: return 4;  // 4 * 2 * 12 * 255
    case T_Q6_K: return 2;   // 2 * 2 * 32 * 255
    default: return 1;       // 2 * 128 * 127
  }
}

INLINE __m256i broadcast_4(const void *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm256_set1_epi32(v);
}

// The pair products of columns 4k to 4k + 3 with eight rows; `x` are biased or signed codes, as the operand asks.
INLINE __m256i quad_products(const int operand, const __m256i *w, const uint8_t *x, int k) {
  __m256i v = broadcast_4(x + 4 * k);
  switch (operand) {
    case UNSIGNED_WEIGHTS: return _mm256_maddubs_epi16(w[k], v);
    case UNSIGNED_TOKENS: return _mm256_maddubs_epi16(v, w[k]);
    default: return _mm256_maddubs_epi16(_mm256_abs_epi8(w[k]), _mm256_sign_epi8(v, w[k]));
  }
}

INLINE __m256i chain_products(const int operand, const int n, const __m256i *w, const uint8_t *x, int k) {
  __m256i v[8];
  for (int i = 0; i < n; i++) v[i] = quad_products(operand, w, x, k + i);
  for (int width = n / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) v[i] = _mm256_add_epi16(v[i], v[i + width]);
  return v[0];
}

// Dot products of 4 * quads columns of one group, times its scales.
INLINE __m256i tile_dot(const int type, const int quads, const __m256i *w, const uint8_t *x, __m256i scales) {
  const int operand = tile_operand(type), n = tile_chain(type) < quads ? tile_chain(type) : quads;
  __m256i sum = _mm256_madd_epi16(chain_products(operand, n, w, x, 0), scales);
  for (int k = n; k < quads; k += n)
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(chain_products(operand, n, w, x, k), scales));
  return sum;
}

INLINE const uint8_t *tile_codes(const int type, const cdk_token *token) {
  return tile_operand(type) == UNSIGNED_TOKENS ? token->biased : (const uint8_t *)token->codes;
}

// Codes of zero tokens: their products are what the bias adds.
static const uint8_t biased_zeros[32] = {
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128};

// Unpacked weights of eight rows and 256 columns.
typedef struct {
  __m256i codes[64];
  // Scales and minimums: the value of row r twice, in 16-bit lanes 2r and 2r + 1.
  int32_t scales[16][8];
  int32_t mins[16][8];
  uint16_t d[8];
  uint16_t dmin[8];
} wide_tile;

INLINE int32_t twice(int16_t v) { return (int32_t)((uint32_t)(uint16_t)v * 0x10001u); }

INLINE void fill_tile(const int type, const uint8_t *s, size_t row_bytes, size_t last, wide_tile *tile) {
  __m256i rows[8][8];
  const int groups = has_groups_of_16(type) ? 16 : 8;
#pragma clang loop unroll(disable)
  for (size_t r = 0; r < 8; r++) {
    wide_block w;
    load_256(type, s + (r < last ? r : last) * row_bytes, &w);
    for (int i = 0; i < 8; i++) {
      __m256i q = w.q[i];
      if (code_offset(type)) q = _mm256_sub_epi8(q, _mm256_set1_epi8((char)code_offset(type)));
      rows[i][r] = q;
    }
    int16_t v[16];
    _mm256_storeu_si256((__m256i *)v, w.scales);
    for (int j = 0; j < groups; j++) tile->scales[j][r] = twice(v[j]);
    if (has_mins(type)) {
      // Minimums in pairs of groups, to be multiplied with pairs of activation sums.
      _mm256_storeu_si256((__m256i *)v, w.mins);
      for (int j = 0; j < groups / 2; j++) memcpy(&tile->mins[j][r], v + 2 * j, 4);
      tile->dmin[r] = w.dmin;
    }
    tile->d[r] = w.d;
  }
  for (int i = 0; i < 8; i++) transpose_8x8(rows[i], tile->codes + 8 * i);
}

INLINE __m256i load_i(const void *p) { return _mm256_load_si256((const __m256i *)p); }

INLINE void tile_256(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                     const cdk_token *tokens, size_t count, float *const *out) {
  const size_t step = block_bytes(type);
  const int operand = tile_operand(type), wide_groups = !has_groups_of_16(type);
  const int groups = wide_groups ? 8 : 16;
  const uint8_t *x[TILE_TOKENS];
  for (size_t t = 0; t < count; t++) x[t] = tile_codes(type, tokens + t);
  __attribute__((aligned(64))) wide_tile tile[2];
  __m256i isum[TILE_TOKENS][2];
  __m256 y[TILE_TOKENS][2];
  for (size_t r0 = 0; r0 < rows; r0 += 16) {
    for (size_t t = 0; t < count; t++) y[t][0] = y[t][1] = _mm256_setzero_ps();
    for (size_t b = 0; b < columns / 256; b++) {
      for (size_t h = 0; h < 2; h++) {
        // Rows behind the end repeat the last one; their results are not stored.
        size_t first = r0 + 8 * h < rows ? r0 + 8 * h : rows - 1;
        size_t last = rows - first < 8 ? rows - first - 1 : 7;
        fill_tile(type, weights + first * row_bytes + b * step, row_bytes, last, &tile[h]);
      }
      for (size_t t = 0; t < count; t++) isum[t][0] = isum[t][1] = _mm256_setzero_si256();
      __m256i bias[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
      for (size_t i = 0; i < 16; i++) {
        size_t group = wide_groups ? i / 2 : i;
        __m256i w0[4], w1[4];
        for (size_t k = 0; k < 4; k++) {
          w0[k] = tile[0].codes[4 * i + k];
          w1[k] = tile[1].codes[4 * i + k];
        }
        __m256i s0 = load_i(tile[0].scales[group]), s1 = load_i(tile[1].scales[group]);
        if (operand == UNSIGNED_TOKENS) {
          bias[0] = _mm256_add_epi32(bias[0], tile_dot(type, 4, w0, biased_zeros, s0));
          bias[1] = _mm256_add_epi32(bias[1], tile_dot(type, 4, w1, biased_zeros, s1));
        }
        size_t offset = 256 * b + 16 * i;
        for (size_t t = 0; t < count; t++) {
          const uint8_t *here = x[t] + offset;
          isum[t][0] = _mm256_add_epi32(isum[t][0], tile_dot(type, 4, w0, here, s0));
          isum[t][1] = _mm256_add_epi32(isum[t][1], tile_dot(type, 4, w1, here, s1));
        }
      }
      for (size_t h = 0; h < 2; h++) {
        __m256 dw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)tile[h].d));
        __m256 mw = _mm256_setzero_ps();
        if (has_mins(type)) mw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)tile[h].dmin));
        for (size_t t = 0; t < count; t++) {
          __m256 dx = _mm256_set1_ps(tokens[t].scales[b]);
          __m256i sum = operand == UNSIGNED_TOKENS ? _mm256_sub_epi32(isum[t][h], bias[h]) : isum[t][h];
          __m256 v = _mm256_fmadd_ps(_mm256_mul_ps(dw, dx), _mm256_cvtepi32_ps(sum), y[t][h]);
          if (has_mins(type)) {
            const int16_t *sums = tokens[t].sums + SUMS_256 * b + (wide_groups ? 16 : 0);
            __m256i msum = _mm256_madd_epi16(load_i(tile[h].mins[0]), broadcast_4(sums));
            for (int j = 1; j < groups / 2; j++)
              msum = _mm256_add_epi32(
                  msum, _mm256_madd_epi16(load_i(tile[h].mins[j]), broadcast_4(sums + 2 * j)));
            v = _mm256_fnmadd_ps(_mm256_mul_ps(mw, dx), _mm256_cvtepi32_ps(msum), v);
          }
          y[t][h] = v;
        }
      }
    }
    for (size_t t = 0; t < count; t++) {
      store_rows(y[t][0], rows - r0, out[t] + r0);
      if (r0 + 8 < rows) store_rows(y[t][1], rows - r0 - 8, out[t] + r0 + 8);
    }
  }
}

INLINE void tile_32(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                    const cdk_token *tokens, size_t count, float *const *out) {
  const size_t step = block_bytes(type);
  const int operand = tile_operand(type);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 y[TILE_TOKENS];
  for (size_t r0 = 0; r0 < rows; r0 += 8) {
    const uint8_t *row[8];
    for (size_t r = 0; r < 8; r++)
      row[r] = weights + (r0 + (r0 + r < rows ? r : rows - r0 - 1)) * row_bytes;
    for (size_t t = 0; t < count; t++) y[t] = _mm256_setzero_ps();
    for (size_t b = 0; b < columns / 32; b++) {
      __m256i q[8], w[8];
      scales_of_8 raw;
      for (size_t r = 0; r < 8; r++) {
        const uint8_t *s = row[r] + b * step;
        q[r] = load_32(type, s);
        if (code_offset(type)) q[r] = _mm256_sub_epi8(q[r], _mm256_set1_epi8((char)code_offset(type)));
        collect_scale(type, s, &raw, r);
      }
      transpose_8x8(q, w);
      __m256i bias = _mm256_setzero_si256();
      if (operand == UNSIGNED_TOKENS) bias = tile_dot(type, 8, w, biased_zeros, ones);
      const collected_scales scales = collected(type, &raw);
      for (size_t t = 0; t < count; t++) {
        __m256i sum = tile_dot(type, 8, w, tile_codes(type, tokens + t) + 32 * b, ones);
        if (operand == UNSIGNED_TOKENS) sum = _mm256_sub_epi32(sum, bias);
        float dx = tokens[t].scales[b];
        __m256 v = _mm256_fmadd_ps(_mm256_mul_ps(scales.d, _mm256_set1_ps(dx)), _mm256_cvtepi32_ps(sum), y[t]);
        if (has_mins(type)) v = _mm256_fmadd_ps(scales.m, _mm256_set1_ps(dx * (float)tokens[t].sums[b]), v);
        y[t] = v;
      }
    }
    for (size_t t = 0; t < count; t++) store_rows(y[t], rows - r0, out[t] + r0);
  }
}

#endif
