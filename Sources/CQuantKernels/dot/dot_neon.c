// The NEON level: eight rows in the lanes of two registers, byte products by `sdot`.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "dot_unpack.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "neon_vector.h"

#define TILE_TOKENS 64

// Eight rows and 256 columns: `codes[k][h]` holds columns 4k to 4k + 3 of rows 4h to 4h + 3.
typedef struct {
  int8x16_t codes[64][2];
  int32x4_t scales[16][2];
  int32x4_t mins[16][2];
  float32x4_t d[2];
  float32x4_t dmin[2];
} neon_tile;

INLINE void fill_256(const int type, const uint8_t *s, size_t row_bytes, size_t last, neon_tile *tile) {
  int32_t *codes = (int32_t *)tile->codes, *scales = (int32_t *)tile->scales, *mins = (int32_t *)tile->mins;
  float *d = (float *)tile->d, *dmin = (float *)tile->dmin;
  for (size_t r = 0; r < 8; r++) {
    super_block w;
    unpack_256(type, s + (r < last ? r : last) * row_bytes, &w);
    for (size_t k = 0; k < 64; k++) memcpy(codes + 8 * k + r, w.code + 4 * k, 4);
    for (size_t j = 0; j < 16; j++) {
      scales[8 * j + r] = w.scale[j];
      mins[8 * j + r] = w.min[j];
    }
    d[r] = w.d;
    dmin[r] = w.dmin;
  }
}

// The dot products of 16 columns of four rows.
INLINE int32x4_t dot_16(const int8x16_t w[][2], int h, int8x16_t x) {
  int32x4_t sum = vdupq_n_s32(0);
  sum = vdotq_laneq_s32(sum, w[0][h], x, 0);
  sum = vdotq_laneq_s32(sum, w[1][h], x, 1);
  sum = vdotq_laneq_s32(sum, w[2][h], x, 2);
  return vdotq_laneq_s32(sum, w[3][h], x, 3);
}

INLINE void store_rows(const float32x4_t y[2], size_t rows, float *out) {
  memcpy(out, y, 4 * (rows < 8 ? rows : 8));
}

INLINE void tile_256(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                     const cdk_token *tokens, size_t count, size_t first_row) {
  const size_t step = block_bytes(type);
  const int has_mins = type == T_Q2_K || type == T_Q4_K || type == T_Q5_K;
  neon_tile tile;
  int32x4_t isum[TILE_TOKENS][2];
  float32x4_t y[TILE_TOKENS][2];
  for (size_t r0 = 0; r0 < rows; r0 += 8) {
    for (size_t t = 0; t < count; t++) y[t][0] = y[t][1] = vdupq_n_f32(0);
    for (size_t b = 0; b < columns / 256; b++) {
      fill_256(type, weights + r0 * row_bytes + b * step, row_bytes, rows - r0 < 8 ? rows - r0 - 1 : 7, &tile);
      for (size_t t = 0; t < count; t++) isum[t][0] = isum[t][1] = vdupq_n_s32(0);
      for (size_t g = 0; g < 16; g++)
        for (size_t t = 0; t < count; t++) {
          int8x16_t x = vld1q_s8(tokens[t].codes + 256 * b + 16 * g);
          for (int h = 0; h < 2; h++)
            isum[t][h] = vmlaq_s32(isum[t][h], dot_16(&tile.codes[4 * g], h, x), tile.scales[g][h]);
        }
      for (size_t t = 0; t < count; t++) {
        const int16_t *sums = tokens[t].sums + SUMS_256 * b;
        for (int h = 0; h < 2; h++) {
          float dx = tokens[t].scales[b];
          y[t][h] = vfmaq_f32(y[t][h], vmulq_n_f32(tile.d[h], dx), vcvtq_f32_s32(isum[t][h]));
          if (has_mins) {
            int32x4_t msum = vdupq_n_s32(0);
            for (size_t j = 0; j < 16; j++) msum = vmlaq_n_s32(msum, tile.mins[j][h], sums[j]);
            y[t][h] = vfmsq_f32(y[t][h], vmulq_n_f32(tile.dmin[h], dx), vcvtq_f32_s32(msum));
          }
        }
      }
    }
    for (size_t t = 0; t < count; t++) store_rows(y[t], rows - r0, tokens[t].y + first_row + r0);
  }
}

INLINE void tile_32(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                    const cdk_token *tokens, size_t count, size_t first_row) {
  const size_t step = block_bytes(type);
  const int has_mins = type == T_Q4_1 || type == T_Q5_1;
  float32x4_t y[TILE_TOKENS][2];
  for (size_t r0 = 0; r0 < rows; r0 += 8) {
    for (size_t t = 0; t < count; t++) y[t][0] = y[t][1] = vdupq_n_f32(0);
    for (size_t b = 0; b < columns / 32; b++) {
      int8x16_t codes[8][2];
      float32x4_t d[2], m[2];
      for (size_t r = 0; r < 8; r++) {
        small_block w;
        size_t row = r0 + r < rows ? r0 + r : rows - 1;
        unpack_32(type, weights + row * row_bytes + b * step, &w);
        for (size_t k = 0; k < 8; k++) memcpy((int32_t *)codes + 8 * k + r, w.code + 4 * k, 4);
        ((float *)d)[r] = w.d;
        ((float *)m)[r] = w.m;
      }
      for (size_t t = 0; t < count; t++) {
        int8x16_t x0 = vld1q_s8(tokens[t].codes + 32 * b), x1 = vld1q_s8(tokens[t].codes + 32 * b + 16);
        float dx = tokens[t].scales[b];
        for (int h = 0; h < 2; h++) {
          int32x4_t sum = vaddq_s32(dot_16(codes, h, x0), dot_16(codes + 4, h, x1));
          y[t][h] = vfmaq_f32(y[t][h], vmulq_n_f32(d[h], dx), vcvtq_f32_s32(sum));
          if (has_mins) y[t][h] = vfmaq_f32(y[t][h], m[h], vdupq_n_f32(dx * (float)tokens[t].sums[b]));
        }
      }
    }
    for (size_t t = 0; t < count; t++) store_rows(y[t], rows - r0, tokens[t].y + first_row + r0);
  }
}

#define DEFINE_VECTOR(NAME, WIDTH, COUNT)                                                                       \
  static __attribute__((noinline)) void vector_##NAME##_##COUNT(                                                \
      const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, const cdk_token *tokens, size_t first) { \
    vector_##WIDTH(T_##NAME, COUNT, w, row_bytes, rows, columns, tokens, first);                                \
  }
#define DEFINE(NAME, WIDTH)                                                                                     \
  static void tile_##NAME(const uint8_t *w, size_t row_bytes, size_t rows, size_t columns,                      \
                          const cdk_token *tokens, size_t count, size_t first_row) {                            \
    tile_##WIDTH(T_##NAME, w, row_bytes, rows, columns, tokens, count, first_row);                              \
  }
#define DEFINE_256(NAME) DEFINE(NAME, 256) DEFINE_VECTOR(NAME, 256, 1) DEFINE_VECTOR(NAME, 256, 2)
#define DEFINE_32(NAME) DEFINE(NAME, 32) DEFINE_VECTOR(NAME, 32, 1) DEFINE_VECTOR(NAME, 32, 2)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void neon_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_token *tokens, size_t token_count) {
  const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
  if (token_count < 4) {
    for (size_t t = 0; t < token_count; t += 2) {
      switch (type + (token_count - t > 1 ? 64 : 0)) {
#define CASE(NAME)                                                                                \
  case T_##NAME: vector_##NAME##_1(w, row_bytes, rows, columns, tokens + t, first_row); break;    \
  case 64 + T_##NAME: vector_##NAME##_2(w, row_bytes, rows, columns, tokens + t, first_row); break;
        FOR_TYPES_256(CASE)
        FOR_TYPES_32(CASE)
#undef CASE
        default: break;
      }
    }
    return;
  }
  for (size_t t0 = 0; t0 < token_count; t0 += TILE_TOKENS) {
    size_t n = token_count - t0 < TILE_TOKENS ? token_count - t0 : TILE_TOKENS;
    switch (type) {
#define CASE(NAME) case T_##NAME: tile_##NAME(w, row_bytes, rows, columns, tokens + t0, n, first_row); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
}

// Sixteen partial sums in four registers.
static void neon_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                size_t columns, const cdk_float_token *tokens, size_t token_count) {
  float32x4_t sums[TILE_TOKENS][4];
  for (size_t t0 = 0; t0 < token_count; t0 += TILE_TOKENS) {
    size_t count = token_count - t0 < TILE_TOKENS ? token_count - t0 : TILE_TOKENS;
    for (size_t r = first_row; r < first_row + rows; r++) {
      const uint8_t *row = (const uint8_t *)weights + r * row_bytes;
      memset(sums, 0, count * sizeof sums[0]);
      for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
        float w[FLOAT_COLUMNS];
        size_t n = decode_columns(&cdk_portable, type, row, first, columns, w);
        for (size_t t = 0; t < count; t++) {
          const float *x = tokens[t0 + t].x + first;
          float32x4_t p[4] = {sums[t][0], sums[t][1], sums[t][2], sums[t][3]};
          for (size_t c = 0; c < n; c += 16)
            for (size_t k = 0; k < 4; k++)
              p[k] = vfmaq_f32(p[k], vld1q_f32(w + c + 4 * k), vld1q_f32(x + c + 4 * k));
          memcpy(sums[t], p, sizeof p);
        }
      }
      for (size_t t = 0; t < count; t++) {
        float32x4_t a = vaddq_f32(vaddq_f32(sums[t][0], sums[t][2]), vaddq_f32(sums[t][1], sums[t][3]));
        float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
        tokens[t0 + t].y[r] = vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
      }
    }
  }
}

static void neon_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                              float *scales) {
  cdk_portable.quantize_256(x, count, codes, biased, sums, scales);
}

static void neon_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                             float *scales) {
  cdk_portable.quantize_32(x, count, codes, biased, sums, scales);
}

static void neon_decode_row(int type, const void *row, size_t columns, float *out) {
  cdk_portable.decode_row(type, row, columns, out);
}

const cdk_kernels cdk_neon = {
    "neon", neon_quantize_256, neon_quantize_32, neon_multiply_integer, neon_multiply_float, neon_decode_row,
};

#pragma clang attribute pop
#endif
