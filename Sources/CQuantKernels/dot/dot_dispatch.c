// Which table of functions a level gets on this CPU.

#include "../include/CQuantKernels.h"
#include "dot_common.h"

#if defined(__x86_64__)
static int has_fma(void) { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }
#endif

const cdk_kernels *cdk_kernels_of(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CQK_LEVEL_AVX2: return has_fma() ? &cdk_avx2 : &cdk_portable;
    case CQK_LEVEL_WIDE_AVX2: return has_fma() ? &cdk_wide_avx2 : &cdk_portable;
    case CQK_LEVEL_AVX512:
      if (!has_fma()) return &cdk_portable;
      return __builtin_cpu_supports("avx512vnni") ? &cdk_avx512 : &cdk_avx2;
#endif
    default: return &cdk_portable;
  }
}
