// Eight lanes in AVX2 registers.
#if defined(__x86_64__)
#pragma clang fp contract(off)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#define ANY(mask) (_mm256_movemask_ps((__m256)(mask)) != 0)
#define IQ4_NEAREST "iq4_avx2.inc.h"
#define LANES 8
#define LEVEL cqk_level_avx2
#define LEVEL_NAME "avx2"
#include "lanes/level.inc.h"

#pragma clang attribute pop
#endif
