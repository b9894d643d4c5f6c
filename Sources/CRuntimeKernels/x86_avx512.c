// AVX-512.
#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#define CRK_SCORE_QUERIES 8
#define CRK_GATHER_QUERIES 8
#define CRK_COLUMNS 4
#define CRK_TABLE crk_level_avx512
#include "lanes.h"
#pragma clang attribute pop
#endif
