#include "check_levels.h"

static const cbc_level *table(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CQK_LEVEL_AVX2:
    case CQK_LEVEL_WIDE_AVX2: return &cbc_level_avx2;
    case CQK_LEVEL_AVX512: return &cbc_level_avx512;
#endif
    default: return &cbc_level_portable;
  }
}

int cbc_reach(int level, int type, const void *blocks, ptrdiff_t block_count, ptrdiff_t value_count, float *reach) {
  return table(level)->reach(type, blocks, block_count, value_count, reach);
}

void cbc_compare(int level, const float *x, const float *y, ptrdiff_t count, ptrdiff_t block_length, float *errors,
                 cbc_sums *sums) {
  table(level)->compare(x, y, count, block_length, errors, sums);
}
