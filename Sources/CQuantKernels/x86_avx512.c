// Sixteen lanes in AVX-512 registers.
#if defined(__x86_64__)
#pragma clang fp contract(off)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define ANY(mask) (_mm512_movepi32_mask((__m512i)(mask)) != 0)
#define LANES 16
#define LEVEL cqk_level_avx512
#define LEVEL_NAME "avx512"
#include "lanes/level.inc.h"

#pragma clang attribute pop
#endif
