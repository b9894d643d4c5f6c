// The AVX-512 level: sixteen rows in lanes, byte products by VNNI.

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

#pragma clang attribute push(                                                                                   \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

#define DOT_4(sum, u, s) ((vi)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(u), (__m512i)(s)))
#define DOT_2(sum, a, b) ((vi)_mm512_dpwssd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#define PACK(a, b) ((vs)_mm512_packs_epi32((__m512i)(a), (__m512i)(b)))
#define SHUFFLE_BYTES(v, index) ((vi)_mm512_shuffle_epi8((__m512i)(v), (__m512i)(index)))
#define PICK_16(v, index) ((vs)_mm512_permutexvar_epi16((__m512i)(index), _mm512_zextsi256_si512(v)))
#define LOOK_UP(table, index)                                                                                   \
  ((vi)_mm512_shuffle_epi8(                                                                                     \
      _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(table))), (__m512i)(index)))
#define SPREAD_BITS(bits, byte) ((vi)_mm512_maskz_set1_epi8((__mmask64)(bits), byte))
#define LEVEL cdk_avx512
#define LEVEL_NAME "avx512"
#include "wide_tile.inc.h"

#pragma clang attribute pop
#endif
