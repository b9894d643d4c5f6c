// The NEON level: byte products by `sdot`. Few tokens meet weights where these are unpacked, many meet tiles.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "dot_unpack.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define NEON_MATRIX 0
#include "neon_gemm.h"
#include "neon_vector.h"

// Below this many tokens, weights are not worth arranging in tiles.
#define FEW_TOKENS 4

#define DEFINE(NAME, WIDTH, COUNT)                                                                              \
  static __attribute__((noinline)) void vector_##NAME##_##COUNT(                                                \
      const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, const cdk_token *tokens, size_t first) { \
    vector_##WIDTH(T_##NAME, COUNT, w, row_bytes, rows, columns, tokens, first);                                \
  }
#define DEFINE_256(NAME) DEFINE(NAME, 256, 1) DEFINE(NAME, 256, 2)
#define DEFINE_32(NAME) DEFINE(NAME, 32, 1) DEFINE(NAME, 32, 2)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void neon_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_token *tokens, size_t token_count) {
  const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
  if (token_count >= FEW_TOKENS) {
    gemm(type, w, row_bytes, rows, columns, tokens, token_count, first_row);
    return;
  }
  for (size_t t = 0; t < token_count; t += VECTOR_TOKENS) {
    switch (2 * type + (token_count - t > 1)) {
#define CASE(NAME)                                                                                    \
  case 2 * T_##NAME: vector_##NAME##_1(w, row_bytes, rows, columns, tokens + t, first_row); break;    \
  case 2 * T_##NAME + 1: vector_##NAME##_2(w, row_bytes, rows, columns, tokens + t, first_row); break;
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
