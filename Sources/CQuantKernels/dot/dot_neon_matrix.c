// The NEON level of CPUs with byte matrix products: two rows with two tokens over eight columns by one `smmla`.
//
// Only products of many tokens differ from the plain NEON level; few tokens are bound by unpacking weights.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "neon_delegate.h"

#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

#define NEON_MATRIX 1
#include "neon_gemm.h"

static void matrix_multiply_band(const cdk_band *band) {
  if (band->token_count < tile_pays_from(band->type)) cdk_multiply_band(&cdk_neon, *band);
  else gemm(band);
}

static void matrix_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  do_steps(bands, shares, share_count, share, matrix_multiply_band);
}

const cdk_kernels cdk_neon_matrix = {
    "neon-i8mm", plain_quantize_256, plain_quantize_32, matrix_multiply_bands, plain_multiply_float, plain_decode_row,
};

#pragma clang attribute pop
#endif
