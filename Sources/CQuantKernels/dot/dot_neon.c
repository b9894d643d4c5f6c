// The NEON level: byte products by `sdot`. Few tokens meet weights where these are unpacked, many meet tiles.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "dot_common.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define NEON_MATRIX 0
#include "neon_float.h"
#include "neon_gemm.h"
#include "neon_vector.h"

#define DEFINE(NAME, WIDTH, COUNT)                                                                              \
  static __attribute__((noinline)) void vector_##NAME##_##COUNT(                                                \
      const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, const cdk_token *tokens, size_t first) { \
    vector_##WIDTH(T_##NAME, COUNT, w, row_bytes, rows, columns, tokens, first);                                \
  }
#define DEFINE_256(NAME) DEFINE(NAME, 256, 1) DEFINE(NAME, 256, 2)
#define DEFINE_32(NAME) DEFINE(NAME, 32, 1) DEFINE(NAME, 32, 2)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)
#undef DEFINE_256
#undef DEFINE_32

#define DEFINE_DECODE(NAME, WIDTH)                                                                  \
  static __attribute__((noinline)) void decode_##NAME(const uint8_t *s, size_t columns, float *out) { \
    decode_##WIDTH(T_##NAME, s, columns, out);                                                      \
  }
#define DEFINE_256(NAME) DEFINE_DECODE(NAME, 256)
#define DEFINE_32(NAME) DEFINE_DECODE(NAME, 32)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void neon_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_token *tokens, size_t token_count) {
  const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
  if (token_count >= tile_pays_from(type)) {
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

static void neon_decode_row(int type, const void *row, size_t columns, float *out) {
  switch (type) {
#define CASE(NAME) case T_##NAME: decode_##NAME(row, columns, out); break;
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
#undef CASE
    case T_F32: memcpy(out, row, 4 * columns); break;
    case T_F16: decode_f16(row, columns, out); break;
    case T_BF16: decode_bf16(row, columns, out); break;
    default: break;
  }
}

static void neon_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                size_t columns, const cdk_float_token *tokens, size_t token_count) {
  float_sums sums;
  float w[FLOAT_ROWS * FLOAT_COLUMNS];
  for (size_t t0 = 0; t0 < token_count; t0 += FLOAT_TOKENS) {
    size_t count = token_count - t0 < FLOAT_TOKENS ? token_count - t0 : FLOAT_TOKENS;
    for (size_t r0 = 0; r0 < rows; r0 += FLOAT_ROWS) {
      size_t n = rows - r0 < FLOAT_ROWS ? rows - r0 : FLOAT_ROWS;
      const uint8_t *row = (const uint8_t *)weights + (first_row + r0) * row_bytes;
      for (size_t r = 0; r < n; r++) memset(sums.v[r], 0, count * sizeof sums.v[r][0]);
      for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
        size_t padded = 0;
        for (size_t r = 0; r < n; r++)
          padded = decode_columns(&cdk_neon, type, row + r * row_bytes, first, columns, w + r * FLOAT_COLUMNS);
        float_blocks(w, n, tokens + t0, count, first, padded, &sums);
      }
      for (size_t t = 0; t < count; t++)
        for (size_t r = 0; r < n; r++) tokens[t0 + t].y[first_row + r0 + r] = tree_sum(sums.v[r][t]);
    }
  }
}

const cdk_kernels cdk_neon = {
    "neon", neon_quantize_256, neon_quantize_32, neon_multiply_integer, neon_multiply_float, neon_decode_row,
};

#pragma clang attribute pop
#endif
