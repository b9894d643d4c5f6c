// What all levels of the dot kernels share: type ids, block sizes, tables, half-precision reading.

#ifndef DOT_COMMON_H
#define DOT_COMMON_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../include/CDotKernels.h"

// Every multiply-add below is either written as a fused one or meant to be rounded twice.
#pragma clang fp contract(off)

enum {
  T_F32 = 0, T_F16 = 1, T_Q4_0 = 2, T_Q4_1 = 3, T_Q5_0 = 6, T_Q5_1 = 7, T_Q8_0 = 8, T_Q2_K = 10, T_Q3_K = 11,
  T_Q4_K = 12, T_Q5_K = 13, T_Q6_K = 14, T_IQ4_NL = 20, T_IQ4_XS = 23, T_BF16 = 30, T_MXFP4 = 39,
};

enum {
  B_Q4_0 = 18, B_Q4_1 = 20, B_Q5_0 = 22, B_Q5_1 = 24, B_Q8_0 = 34, B_Q2_K = 84, B_Q3_K = 110, B_Q4_K = 144,
  B_Q5_K = 176, B_Q6_K = 210, B_IQ4_NL = 18, B_IQ4_XS = 136, B_MXFP4 = 17,
};

// Activation sums per super-block: 16 of 16 codes, then 8 of 32.
#define SUMS_256 24

// Groups whose largest magnitude is below this count as zero; 127 / magnitude stays finite above it.
#define TINY_MAGNITUDE 0x1p-100f

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// E2M1 values, doubled; the scale is halved to match.
static const int8_t mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static inline uint16_t read_u16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return v;
}

static inline uint32_t read_u32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

static inline float float_of_u32(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

// binary16 to binary32, exact; signalling NaNs become quiet, as the hardware instruction does it.
static inline float float_of_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16;
  uint32_t m = h & 0x7FFF;
  if (m >= 0x7C00) return float_of_u32(sign | 0x7F800000 | (m << 13) | (m > 0x7C00 ? 0x400000 : 0));
  if (m >= 0x400) return float_of_u32(sign | ((m << 13) + 0x38000000));
  float tiny = (float)m * 0x1p-24f;
  uint32_t bits;
  memcpy(&bits, &tiny, 4);
  return float_of_u32(sign | bits);
}

static inline float float_of_e8m0_half(uint8_t e) {
  return float_of_u32(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

// The 6-bit scales and minimums of Q4_K and Q5_K as eight bytes each.
static inline void unpack_scales_6bit(const uint8_t *s, uint64_t *scales, uint64_t *mins) {
  uint32_t a = read_u32(s), b = read_u32(s + 4), c = read_u32(s + 8);
  uint32_t sc_high = (c & 0x0F0F0F0F) | ((a >> 2) & 0x30303030);
  uint32_t m_high = ((c >> 4) & 0x0F0F0F0F) | ((b >> 2) & 0x30303030);
  *scales = (a & 0x3F3F3F3F) | (uint64_t)sc_high << 32;
  *mins = (b & 0x3F3F3F3F) | (uint64_t)m_high << 32;
}

// The 16 six-bit scales of Q3_K, still biased by 32, as bytes.
static inline void unpack_scales_q3(const uint8_t *s, uint8_t out[16]) {
  uint32_t a = read_u32(s), b = read_u32(s + 4), c = read_u32(s + 8);
  uint32_t v[4] = {
      (a & 0x0F0F0F0F) | ((c << 4) & 0x30303030),
      (b & 0x0F0F0F0F) | ((c << 2) & 0x30303030),
      ((a >> 4) & 0x0F0F0F0F) | (c & 0x30303030),
      ((b >> 4) & 0x0F0F0F0F) | ((c >> 2) & 0x30303030),
  };
  memcpy(out, v, 16);
}

// The eight biased scales of IQ4_XS.
static inline void unpack_scales_iq4_xs(const uint8_t *block, uint8_t out[8]) {
  uint16_t high = read_u16(block + 2);
  for (int j = 0; j < 8; j++) {
    uint8_t low = (uint8_t)((block[4 + j / 2] >> (4 * (j & 1))) & 15);
    out[j] = (uint8_t)(low | (((high >> (2 * j)) & 3) << 4));
  }
}

// The quantized types, for definitions and switches.
#define FOR_TYPES_256(X) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_XS)
#define FOR_TYPES_32(X) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q8_0) X(IQ4_NL) X(MXFP4)

static inline size_t block_bytes(int type) {
  switch (type) {
    case T_Q4_0: return B_Q4_0;
    case T_Q4_1: return B_Q4_1;
    case T_Q5_0: return B_Q5_0;
    case T_Q5_1: return B_Q5_1;
    case T_Q8_0: return B_Q8_0;
    case T_Q2_K: return B_Q2_K;
    case T_Q3_K: return B_Q3_K;
    case T_Q4_K: return B_Q4_K;
    case T_Q5_K: return B_Q5_K;
    case T_Q6_K: return B_Q6_K;
    case T_IQ4_NL: return B_IQ4_NL;
    case T_IQ4_XS: return B_IQ4_XS;
    case T_MXFP4: return B_MXFP4;
    default: return 0;
  }
}

static inline int is_256(int type) {
  return type == T_Q2_K || type == T_Q3_K || type == T_Q4_K || type == T_Q5_K || type == T_Q6_K ||
         type == T_IQ4_XS;
}

// Columns that the float products decode at a time: a multiple of all block lengths, and little enough for
// eight rows of them to stay in the first cache.
#define FLOAT_COLUMNS 512

// The bytes of a row before a column that is a multiple of the block length.
static inline size_t bytes_before(int type, size_t column) {
  if (type == T_F32) return 4 * column;
  if (type == T_F16 || type == T_BF16) return 2 * column;
  return column / (is_256(type) ? 256 : 32) * block_bytes(type);
}

// Decodes `count` columns from a multiple of FLOAT_COLUMNS on, with zeros up to a multiple of 16, and returns
// that multiple.
static inline size_t decode_columns(const cdk_kernels *kernels, int type, const uint8_t *row, size_t first,
                                    size_t columns, float *out) {
  size_t count = columns - first < FLOAT_COLUMNS ? columns - first : FLOAT_COLUMNS;
  size_t padded = (count + 15) / 16 * 16;
  kernels->decode_row(type, row + bytes_before(type, first), count, out);
  for (size_t i = count; i < padded; i++) out[i] = 0;
  return padded;
}

// Columns of some rows as floats, the rows `stride` values apart.
typedef struct {
  const float *values;
  size_t stride;
  // A multiple of 16: zeros follow the last column.
  size_t count;
} float_columns;

// Columns of `rows` rows from a multiple of FLOAT_COLUMNS on: those of f32 where they are, others decoded to `room`,
// which has FLOAT_COLUMNS for each row.
static inline float_columns float_columns_of(const cdk_kernels *kernels, int type, const uint8_t *row, size_t row_bytes,
                                             size_t rows, size_t first, size_t columns, float *room) {
  const size_t count = columns - first < FLOAT_COLUMNS ? columns - first : FLOAT_COLUMNS;
  if (type == T_F32 && count % 16 == 0 && ((uintptr_t)row | row_bytes) % sizeof(float) == 0)
    return (float_columns){(const float *)(const void *)row + first, row_bytes / sizeof(float), count};
  float_columns out = {room, FLOAT_COLUMNS, 0};
  for (size_t r = 0; r < rows; r++)
    out.count = decode_columns(kernels, type, row + r * row_bytes, first, columns, room + r * FLOAT_COLUMNS);
  return out;
}

extern const cdk_kernels cdk_portable;
#if defined(__x86_64__)
extern const cdk_kernels cdk_avx2;
extern const cdk_kernels cdk_avx512;
extern const cdk_kernels cdk_avx512_gfni;
extern const cdk_kernels cdk_wide_avx2;
#endif
#if defined(__aarch64__)
extern const cdk_kernels cdk_neon_plain;
extern const cdk_kernels cdk_neon;
extern const cdk_kernels cdk_neon_matrix;
#endif

#endif
