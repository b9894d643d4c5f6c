// The NEON level: byte products by `sdot`. Few tokens meet weights where these are unpacked, many meet tiles.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "neon_delegate.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define NEON_DOT 1
#define NEON_MATRIX 0
#include "neon_gemm.h"
#include "neon_vector.h"

static void neon_multiply_band(const cdk_band *band) {
  if (band->token_count < tile_pays_from(band->type)) multiply_vectors(band);
  else gemm(band);
}

static void neon_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  do_steps(bands, shares, share_count, share, neon_multiply_band);
}

const cdk_kernels cdk_neon = {
    "neon", plain_quantize_256, plain_quantize_32, neon_multiply_bands, plain_multiply_float, plain_decode_row,
};

#pragma clang attribute pop
#endif
