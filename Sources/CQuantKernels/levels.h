// The table of functions that one kernel level consists of.
#ifndef CQK_LEVELS_H
#define CQK_LEVELS_H

#include "include/CQuantKernels.h"

typedef struct {
  const char *name;
  void (*quantize[CQK_FORMAT_COUNT])(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length,
                                     const float *importance, uint8_t *out);
  void (*dequantize[CQK_FORMAT_COUNT])(const uint8_t *blocks, ptrdiff_t block_count, float *out);
  void (*widen[CQK_SOURCE_COUNT])(const void *from, ptrdiff_t count, float *to);
  void (*narrow_f16)(const float *from, ptrdiff_t count, uint8_t *to);
  void (*narrow_bf16)(const float *from, ptrdiff_t count, uint8_t *to);
  ptrdiff_t (*first_non_finite)(const float *values, ptrdiff_t count);
  void (*group_affine)(int bits, ptrdiff_t size, const float *values, ptrdiff_t groups, uint8_t *codes,
                       float *scales, float *biases);
  void (*group_mxfp4)(int type, const float *values, ptrdiff_t groups, uint8_t *codes, uint8_t *scales);
  void (*group_nvfp4)(int type, const float *values, ptrdiff_t groups, uint8_t *codes, uint8_t *scales);
} cqk_level;

// 1.5 * 2^23 in memory: as a constant it would occupy two registers, since compilers subtract it by adding its
// negative.
extern float cqk_magic;

extern const cqk_level cqk_level_portable;
#if defined(__x86_64__)
extern const cqk_level cqk_level_avx2;
extern const cqk_level cqk_level_avx512;
// The 16-lane code compiled for AVX2: slower than 8 lanes, there so that its logic is tested everywhere.
extern const cqk_level cqk_level_wide_avx2;
#endif

#endif
