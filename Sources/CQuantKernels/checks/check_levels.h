// The table of functions that one level of the block checks consists of.
#ifndef CBC_LEVELS_H
#define CBC_LEVELS_H

#include "../include/CQuantKernels.h"

typedef struct {
  int (*reach)(int type, const uint8_t *blocks, ptrdiff_t block_count, ptrdiff_t value_count, float *reach);
  void (*compare)(const float *x, const float *y, ptrdiff_t count, ptrdiff_t block_length, float *errors,
                  cbc_sums *sums);
} cbc_level;

extern const cbc_level cbc_level_portable;
#if defined(__x86_64__)
extern const cbc_level cbc_level_avx2;
extern const cbc_level cbc_level_avx512;
#endif

#endif
