// Which table of functions a level gets on this CPU.

#include "../include/CQuantKernels.h"
#include "dot_common.h"

#if defined(__x86_64__)
static int has_fma(void) { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }
#endif

#if defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
// Byte dot products are optional before ARMv8.4, byte matrix products before 8.6; these are their bits in the hardware
// capabilities.
static int has_dot_products(void) { return (getauxval(AT_HWCAP) >> 20) & 1; }
static int has_matrix_products(void) { return (getauxval(AT_HWCAP2) >> 13) & 1; }
#elif defined(__APPLE__)
#include <sys/sysctl.h>
// Every Apple CPU that runs macOS has dot products; matrix products came with the M2.
static int has_dot_products(void) { return 1; }
// Asked once: the answer cannot change, so that two threads which ask first write the same.
static int has_matrix_products(void) {
  static _Atomic int known = -1;
  if (known < 0) {
    int has = 0;
    size_t size = sizeof has;
    known = sysctlbyname("hw.optional.arm.FEAT_I8MM", &has, &size, NULL, 0) == 0 && has;
  }
  return known;
}
#else
static int has_dot_products(void) { return 0; }
static int has_matrix_products(void) { return 0; }
#endif
#endif

const cdk_kernels *cdk_kernels_of(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CQK_LEVEL_AVX2: return has_fma() ? &cdk_avx2 : &cdk_portable;
    case CQK_LEVEL_WIDE_AVX2: return has_fma() ? &cdk_wide_avx2 : &cdk_portable;
    case CQK_LEVEL_AVX512:
      if (!has_fma()) return &cdk_portable;
      if (!__builtin_cpu_supports("avx512vnni")) return &cdk_avx2;
      return __builtin_cpu_supports("gfni") ? &cdk_avx512_gfni : &cdk_avx512;
#endif
#if defined(__aarch64__)
    case CQK_LEVEL_NEON:
      if (!has_dot_products()) return &cdk_neon_plain;
      return has_matrix_products() ? &cdk_neon_matrix : &cdk_neon;
#endif
    default: return &cdk_portable;
  }
}

const cdk_kernels *cdk_avx512_without_gfni(void) {
#if defined(__x86_64__)
  if (has_fma() && __builtin_cpu_supports("avx512vnni")) return &cdk_avx512;
#endif
  return NULL;
}

// How far ahead `cdk_sum_lines` asks for memory: for the second cache, which has more room for lines on their way than
// the first one, and from there for the first one. Two places are read in turn. All of that was measured: whole lines, one
// place, one or no distance give 2 to 10 percent less.
#define SUM_FAR 16384
#define SUM_NEAR 1152

uint64_t cdk_sum_lines(const void *bytes, size_t count) {
  const size_t half = count / 128 * 64;
  const char *p = bytes;
  uint64_t sum = 0;
  for (size_t i = 0; i < half; i += 64) {
    for (size_t k = 0; k < 2; k++) {
      const char *line = p + k * half + i;
      __builtin_prefetch(line + SUM_FAR, 0, 2);
      __builtin_prefetch(line + SUM_NEAR, 0, 3);
      uint64_t word;
      memcpy(&word, line, sizeof word);
      sum += word;
    }
  }
  if (count / 64 % 2) {
    uint64_t word;
    memcpy(&word, p + 2 * half, sizeof word);
    sum += word;
  }
  return sum;
}
