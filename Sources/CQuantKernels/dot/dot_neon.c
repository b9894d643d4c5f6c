// The NEON level: byte products by `sdot`. Few tokens meet weights where these are unpacked, many meet tiles.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "neon_delegate.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define NEON_DOT 1
#define NEON_MATRIX 0
#include "neon_gemm.h"
#include "neon_vector.h"

static void neon_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_token *tokens, size_t token_count) {
  if (token_count < tile_pays_from(type)) {
    multiply_vectors(type, weights, row_bytes, first_row, rows, columns, tokens, token_count);
  } else {
    const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
    gemm(type, w, row_bytes, rows, columns, tokens, token_count, first_row);
  }
}

const cdk_kernels cdk_neon = {
    "neon", plain_quantize_256, plain_quantize_32, neon_multiply_integer, plain_multiply_float, plain_decode_row,
};

#pragma clang attribute pop
#endif
