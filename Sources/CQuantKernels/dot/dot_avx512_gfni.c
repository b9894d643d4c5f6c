// The AVX-512 level where bits of bytes can be moved in one instruction (GFNI).

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

#pragma clang attribute push(                                                                                   \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,gfni"))), apply_to = function)

#include "avx512_products.inc.h"
#define AFFINE(v, matrix) ((vi)_mm512_gf2p8affine_epi64_epi8((__m512i)(v), (__m512i)(matrix), 0))
#define LEVEL cdk_avx512_gfni
#define LEVEL_NAME "avx512"
#include "wide_tile.inc.h"

#pragma clang attribute pop
#endif
