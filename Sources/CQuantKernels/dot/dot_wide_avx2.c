// The code of the AVX-512 level on AVX2: slow, there so that its logic is tested everywhere.

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

// Functions with wide vectors are all inlined, so no vector is passed in either convention.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// What the VNNI instruction computes, one byte of each lane at a time.
#define BYTE_PRODUCT(u, s, k) ((((u) >> (8 * (k))) & 255) * (((s) << (24 - 8 * (k))) >> 24))
#define DOT_4(sum, u, s)                                                                                        \
  ((sum) + BYTE_PRODUCT(u, s, 0) + BYTE_PRODUCT(u, s, 1) + BYTE_PRODUCT(u, s, 2) + BYTE_PRODUCT(u, s, 3))
#define DOT_2(sum, a, b)                                                                                        \
  ((sum) + (((vi)(a) << 16) >> 16) * (((vi)(b) << 16) >> 16) + ((vi)(a) >> 16) * ((vi)(b) >> 16))
#define PAIRS(a, b) DOT_2((vi)0, a, b)
#define PACK(a, b) wide_pack(a, b)
#define SHUFFLE_BYTES(v, index) wide_shuffle(v, index)
#define PICK_16(v, index) wide_pick(v, index)
#define LOOK_UP(table, index) wide_look_up(table, index)
#define SPREAD_BITS(bits, byte) wide_spread_bits(bits, byte)
#define NEEDS_WIDE_SHUFFLES
#define LEVEL cdk_wide_avx2
#define LEVEL_NAME "wide-avx2"
#include "wide_tile.inc.h"

#pragma clang attribute pop
#endif
