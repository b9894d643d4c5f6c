// Sixteen lanes a register.
#if defined(__x86_64__)
#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define CHECK_LEVEL cbc_level_avx512
#include "checks.inc.h"

#pragma clang attribute pop
#endif
