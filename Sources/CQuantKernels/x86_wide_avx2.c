// Sixteen lanes in pairs of AVX2 registers: the logic of the AVX-512 level, for tests.
#if defined(__x86_64__)
#pragma clang fp contract(off)
#include <immintrin.h>
// All of these functions are inlined; no vector is passed in memory.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

typedef int wide_mask __attribute__((ext_vector_type(16)));
static inline __attribute__((always_inline)) int any_of_wide(wide_mask m) {
  return _mm256_movemask_ps((__m256)m.lo) != 0 || _mm256_movemask_ps((__m256)m.hi) != 0;
}

#define ANY(mask) any_of_wide(mask)
#define LANES 16
#define LEVEL cqk_level_wide_avx2
#define LEVEL_NAME "wide-avx2"
#include "lanes/level.inc.h"

#pragma clang attribute pop
#endif
