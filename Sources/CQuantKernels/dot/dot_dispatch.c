// Which table of functions a level gets on this CPU.

#include "../include/CQuantKernels.h"
#include "dot_common.h"

#if defined(__x86_64__)
static const cdk_kernels *best_of_avx2(void) {
  return __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") ? &cdk_avx2 : &cdk_portable;
}
#endif

const cdk_kernels *cdk_kernels_of(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CQK_LEVEL_AVX2: return best_of_avx2();
    case CQK_LEVEL_AVX512: return best_of_avx2();
    case CQK_LEVEL_WIDE_AVX2: return best_of_avx2();
#endif
    default: return &cdk_portable;
  }
}
