// The NEON level of CPUs without byte dot products (before ARMv8.2), and what the levels above it have in common with
// it: decoding, f32 products and the quantizing of activations.

#if defined(__aarch64__)
#include <arm_neon.h>

#include "dot_common.h"

#define NEON_DOT 0
#include "neon_activations.h"
#include "neon_float.h"
#include "neon_vector.h"

const cdk_kernels cdk_neon_plain = {
    "neon-plain", neon_quantize_256, neon_quantize_32, multiply_vectors, neon_multiply_float, neon_decode_row,
};
#endif
