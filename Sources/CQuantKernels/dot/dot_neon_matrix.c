// The NEON level of CPUs with byte matrix products: two rows with two tokens over eight columns by one `smmla`.
//
// Only products of many tokens differ from the plain NEON level; few tokens are bound by unpacking weights.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "neon_delegate.h"

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

const cdk_kernels cdk_neon_matrix = {
    "neon-i8mm",         plain_quantize_256,   plain_quantize_32,
    matrix_multiply_integer, plain_multiply_float, plain_decode_row,
};

#pragma clang attribute pop
#endif
