// The NEON level of CPUs with byte matrix products: two rows with two tokens over eight columns by one `smmla`.
//
// Only products of many tokens differ from the plain NEON level; few tokens are bound by unpacking weights.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "dot_common.h"

#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

#define NEON_MATRIX 1
#include "neon_gemm.h"

static void matrix_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                    size_t columns, const cdk_token *tokens, size_t token_count) {
  if (token_count < tile_pays_from(type)) {
    cdk_neon.multiply_integer(type, weights, row_bytes, first_row, rows, columns, tokens, token_count);
  } else {
    const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
    gemm(type, w, row_bytes, rows, columns, tokens, token_count, first_row);
  }
}

static void matrix_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_float_token *tokens, size_t token_count) {
  cdk_neon.multiply_float(type, weights, row_bytes, first_row, rows, columns, tokens, token_count);
}

static void matrix_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                                float *scales) {
  cdk_neon.quantize_256(x, count, codes, biased, sums, scales);
}

static void matrix_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                               float *scales) {
  cdk_neon.quantize_32(x, count, codes, biased, sums, scales);
}

static void matrix_decode_row(int type, const void *row, size_t columns, float *out) {
  cdk_neon.decode_row(type, row, columns, out);
}

const cdk_kernels cdk_neon_matrix = {
    "neon-i8mm",         matrix_quantize_256,   matrix_quantize_32,
    matrix_multiply_integer, matrix_multiply_float, matrix_decode_row,
};

#pragma clang attribute pop
#endif
