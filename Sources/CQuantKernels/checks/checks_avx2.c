// Eight lanes a register.
#if defined(__x86_64__)
#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#define CHECK_LEVEL cbc_level_avx2
#include "checks.inc.h"

#pragma clang attribute pop
#endif
