// Which levels this CPU can run.

#include "dot_common.h"

#if defined(__x86_64__)
static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

int cdk_level_count(void) { return 2; }

const cdk_kernels *cdk_level(int index) {
  switch (index) {
    case 0: return &cdk_portable;
#if defined(__x86_64__)
    case 1: return has_avx2() ? &cdk_avx2 : NULL;
#endif
    default: return NULL;
  }
}
