// The AVX-512 level: sixteen rows in lanes, byte products by VNNI.

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

#pragma clang attribute push(                                                                                   \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

#include "avx512_products.inc.h"
#define LEVEL cdk_avx512
#define LEVEL_NAME "avx512"
#include "wide_tile.inc.h"

#pragma clang attribute pop
#endif
