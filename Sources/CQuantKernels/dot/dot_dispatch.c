// Which table of functions a level gets on this CPU.

#include "../include/CQuantKernels.h"
#include "dot_common.h"

#if defined(__x86_64__)
static int has_fma(void) { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }
#endif

#if defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
// Byte dot products are optional before ARMv8.4; this is their bit in the hardware capabilities.
static int has_dot_products(void) { return (getauxval(AT_HWCAP) >> 20) & 1; }
#else
static int has_dot_products(void) { return 1; }
#endif
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
#if defined(__aarch64__)
    case CQK_LEVEL_NEON: return has_dot_products() ? &cdk_neon : &cdk_portable;
#endif
    default: return &cdk_portable;
  }
}
