// The NEON level of CPUs without byte dot products (before ARMv8.2), and what the levels above it have in common with
// it: decoding, f32 products and the quantizing of activations.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "bands.h"

#define NEON_DOT 0
#include "neon_activations.h"
#include "neon_float.h"
#include "neon_vector.h"

static void plain_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  do_steps(bands, shares, share_count, share, multiply_vectors);
}

const cdk_kernels cdk_neon_plain = {
    "neon-plain", neon_quantize_256, neon_quantize_32, plain_multiply_bands, neon_multiply_float, neon_decode_row,
};
#endif
