// Inner loops of block quantization, in several levels that return the same bits.
#ifndef CQUANTKERNELS_H
#define CQUANTKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CBlockChecks.h"
#include "CDotKernels.h"

enum {
  CQK_LEVEL_PORTABLE = 0,
  CQK_LEVEL_AVX2 = 1,
  CQK_LEVEL_AVX512 = 2,
  CQK_LEVEL_NEON = 3,
  CQK_LEVEL_WIDE_AVX2 = 4,
  CQK_LEVEL_COUNT = 5
};

enum {
  CQK_Q4_0 = 0,
  CQK_Q4_1 = 1,
  CQK_Q5_0 = 2,
  CQK_Q5_1 = 3,
  CQK_Q8_0 = 4,
  CQK_Q2_K = 5,
  CQK_Q3_K = 6,
  CQK_Q4_K = 7,
  CQK_Q5_K = 8,
  CQK_Q6_K = 9,
  CQK_IQ4_NL = 10,
  CQK_IQ4_XS = 11,
  CQK_MXFP4 = 12,
  CQK_FORMAT_COUNT = 13
};

enum {
  CQK_FROM_F32 = 0,
  CQK_FROM_F16 = 1,
  CQK_FROM_BF16 = 2,
  CQK_FROM_E4M3 = 3,
  CQK_FROM_E5M2 = 4,
  CQK_SOURCE_COUNT = 5
};

/// True when this machine can run the level.
bool cqk_level_available(int level);

/// Quantizes row_count rows of row_length values; importance has row_length values or is NULL.
void cqk_quantize(int level, int format, const float *rows, ptrdiff_t row_count, ptrdiff_t row_length,
                  const float *importance, void *out);

/// Decodes block_count blocks.
void cqk_dequantize(int level, int format, const void *blocks, ptrdiff_t block_count, float *out);

/// Converts count values to f32.
void cqk_widen(int level, int source, const void *from, ptrdiff_t count, float *to);

/// Converts count values to binary16, nearest even.
void cqk_narrow_f16(int level, const float *from, ptrdiff_t count, void *to);

/// Converts count values to bfloat16, nearest even.
void cqk_narrow_bf16(int level, const float *from, ptrdiff_t count, void *to);

/// The index of the first NaN or infinity, or count.
ptrdiff_t cqk_first_non_finite(int level, const float *values, ptrdiff_t count);

/// MLX's affine codes of groups of size values (32, 64 or 128): bits 2, 3, 4, 5, 6 or 8. Each group gets size * bits / 8
/// bytes of codes, a scale and a bias; those of f32, to be stored in the type that the weights had.
void cqk_group_affine(int level, int bits, ptrdiff_t size, const float *values, ptrdiff_t groups, void *codes,
                      float *scales, float *biases);

/// MLX's mxfp4 of groups of 32 values: 16 bytes of codes and an exponent each. The weights had a type (CQK_FROM_F32,
/// _F16 or _BF16), in which MLX computes.
void cqk_group_mxfp4(int level, int type, const float *values, ptrdiff_t groups, void *codes, void *scales);

/// MLX's nvfp4 of groups of 16 values: 8 bytes of codes and an E4M3 scale each.
void cqk_group_nvfp4(int level, int type, const float *values, ptrdiff_t groups, void *codes, void *scales);

/// Makes floats of codes of 2, 3, 4, 5, 6 or 8 bits, the first one in the lowest bits; count is a multiple of 8.
void cqk_unpack_codes(int bits, const void *from, ptrdiff_t count, float *to);

/// x becomes -exp(x), the same bits everywhere.
void cqk_negate_exponential(float *values, ptrdiff_t count);

/// Turns a matrix of rows x columns elements of size bytes (1, 2, 4 or 8) into one of columns x rows, bit for bit.
/// Pitches are the elements from the start of one row to that of the next; addresses need no alignment.
void cqk_transpose(ptrdiff_t size, const void *from, ptrdiff_t from_pitch, ptrdiff_t rows, ptrdiff_t columns,
                   void *to, ptrdiff_t to_pitch);

/// floor(log2f(value)) of a positive finite number, log2f being the nearest float: the definition of MXFP4 scales.
int cqk_floor_log2(float value);

#endif
