// The block checks, written once and compiled for every level.
//
// Reaches are made of products of two numbers and of maxima, and sums run over sixteen fixed lanes, whatever the
// width of the registers: that is why all levels return the same bits.

#include <math.h>
#include <string.h>

#include "check_levels.h"

#define INLINE static inline __attribute__((always_inline))

typedef float vf16 __attribute__((ext_vector_type(16)));

INLINE float bits_to_float(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

// The magnitude of a binary16 number; infinity for NaNs, too.
INLINE float half_magnitude(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  uint32_t m = h & 0x7FFFu;
  float normal = bits_to_float((m << 13) + 0x38000000u);
  float tiny = (float)m * 5.9604644775390625e-8f;
  float value = m < 0x400 ? tiny : normal;
  return m >= 0x7C00 ? INFINITY : value;
}

INLINE float larger(float a, float b) { return a > b ? a : b; }

// A scale times a small whole number; stays infinite when the number is 0.
INLINE float product(float scale, int factor) { return scale == INFINITY ? INFINITY : scale * (float)factor; }

INLINE int larger_i(int a, int b) { return a > b ? a : b; }

// One half scale per block, at a fixed place.
static void reach_half(const uint8_t *b, ptrdiff_t blocks, int size, int offset, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++) reach[i] = half_magnitude(b + i * size + offset);
}

// Two half scales at the front: scale and minimum. The scale times the largest code is of the size of the minimum.
static void reach_pair(const uint8_t *b, ptrdiff_t blocks, int size, int codes, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += size)
    reach[i] = larger(product(half_magnitude(b), codes), half_magnitude(b + 2));
}

static void reach_q2_k(const uint8_t *b, ptrdiff_t blocks, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += 84) {
    int scale = 0, min = 0;
    for (int j = 0; j < 16; j++) {
      scale = larger_i(scale, b[j] & 15);
      min = larger_i(min, b[j] >> 4);
    }
    reach[i] = larger(product(half_magnitude(b + 80), 3 * scale), product(half_magnitude(b + 82), min));
  }
}

static void reach_q3_k(const uint8_t *b, ptrdiff_t blocks, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += 110) {
    const uint8_t *s = b + 96;
    int most = 0;
    for (int j = 0; j < 16; j++) {
      int u = (j < 8 ? s[j] & 15 : s[j - 8] >> 4) | (((s[8 + j % 4] >> (2 * (j / 4))) & 3) << 4);
      most = larger_i(most, u < 32 ? 32 - u : u - 32);
    }
    reach[i] = product(half_magnitude(b + 108), most);
  }
}

// Q4_K and Q5_K have the same twelve bytes of scales and minima.
static void reach_q45_k(const uint8_t *b, ptrdiff_t blocks, int size, int codes, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += size) {
    const uint8_t *s = b + 4;
    int scale = 0, min = 0;
    for (int j = 0; j < 4; j++) {
      scale = larger_i(scale, s[j] & 63);
      min = larger_i(min, s[j + 4] & 63);
      scale = larger_i(scale, (s[j + 8] & 15) | ((s[j] >> 6) << 4));
      min = larger_i(min, (s[j + 8] >> 4) | ((s[j + 4] >> 6) << 4));
    }
    reach[i] = larger(product(half_magnitude(b), codes * scale), product(half_magnitude(b + 2), min));
  }
}

static void reach_q6_k(const uint8_t *b, ptrdiff_t blocks, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += 210) {
    int most = 0;
    for (int j = 0; j < 16; j++) {
      int scale = (int8_t)b[192 + j];
      most = larger_i(most, scale < 0 ? -scale : scale);
    }
    reach[i] = product(half_magnitude(b + 208), most);
  }
}

static void reach_iq4_xs(const uint8_t *b, ptrdiff_t blocks, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += 136) {
    int high = b[2] | (b[3] << 8), most = 0;
    for (int j = 0; j < 8; j++) {
      int ls = ((b[4 + j / 2] >> (4 * (j % 2))) & 15) | (((high >> (2 * j)) & 3) << 4);
      most = larger_i(most, ls < 32 ? 32 - ls : ls - 32);
    }
    reach[i] = product(half_magnitude(b), most);
  }
}

// A power of two of its own; blocks whose codes are all zero reach nowhere, whatever the exponent says.
static void reach_mxfp4(const uint8_t *b, ptrdiff_t blocks, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++, b += 17) {
    int codes = 0;
    for (int j = 1; j < 17; j++) codes |= b[j] & 0x77;
    float scale = bits_to_float(b[0] < 2 ? 0x00200000u << b[0] : (uint32_t)(b[0] - 1) << 23);
    reach[i] = b[0] == 255 ? INFINITY : codes == 0 ? 0 : scale;
  }
}

// Magnitudes compare like their bits, and the bits of NaNs are above those of infinity.
INLINE float reach_of_bits(uint32_t most) { return bits_to_float(most > 0x7F800000u ? 0x7F800000u : most); }

static void reach_f32(const uint8_t *b, ptrdiff_t blocks, ptrdiff_t values, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++) {
    ptrdiff_t left = values - i * 32, count = left < 32 ? left : 32;
    uint32_t most = 0;
    if (count == 32) {
      for (int j = 0; j < 32; j++) {
        uint32_t u;
        memcpy(&u, b + 4 * (i * 32 + j), 4);
        u &= 0x7FFFFFFFu;
        most = u > most ? u : most;
      }
    } else {
      for (ptrdiff_t j = 0; j < count; j++) {
        uint32_t u;
        memcpy(&u, b + 4 * (i * 32 + j), 4);
        u &= 0x7FFFFFFFu;
        most = u > most ? u : most;
      }
    }
    reach[i] = reach_of_bits(most);
  }
}

INLINE uint16_t most_of_halves(const uint8_t *b, ptrdiff_t count) {
  uint16_t most = 0;
  for (ptrdiff_t j = 0; j < count; j++) {
    uint16_t u;
    memcpy(&u, b + 2 * j, 2);
    u &= 0x7FFFu;
    most = u > most ? u : most;
  }
  return most;
}

static void reach_16(const uint8_t *b, ptrdiff_t blocks, ptrdiff_t values, int is_half, float *reach) {
  for (ptrdiff_t i = 0; i < blocks; i++) {
    ptrdiff_t left = values - i * 32;
    // The constant lets the compiler make straight vector code of the usual case.
    uint16_t most = left >= 32 ? most_of_halves(b + 64 * i, 32) : most_of_halves(b + 64 * i, left);
    if (is_half) {
      uint8_t bytes[2];
      memcpy(bytes, &most, 2);
      reach[i] = half_magnitude(bytes);
    } else {
      reach[i] = reach_of_bits((uint32_t)most << 16);
    }
  }
}

static int reach_any(int type, const uint8_t *b, ptrdiff_t blocks, ptrdiff_t values, float *reach) {
  switch (type) {
    case 0: reach_f32(b, blocks, values, reach); return 1;
    case 1: reach_16(b, blocks, values, 1, reach); return 1;
    case 30: reach_16(b, blocks, values, 0, reach); return 1;
    case 2: case 20: reach_half(b, blocks, 18, 0, reach); return 1;   // Q4_0, IQ4_NL
    case 3: reach_pair(b, blocks, 20, 15, reach); return 1;               // Q4_1
    case 6: reach_half(b, blocks, 22, 0, reach); return 1;            // Q5_0
    case 7: reach_pair(b, blocks, 24, 31, reach); return 1;               // Q5_1
    case 8: reach_half(b, blocks, 34, 0, reach); return 1;            // Q8_0
    case 10: reach_q2_k(b, blocks, reach); return 1;
    case 11: reach_q3_k(b, blocks, reach); return 1;
    case 12: reach_q45_k(b, blocks, 144, 15, reach); return 1;
    case 13: reach_q45_k(b, blocks, 176, 31, reach); return 1;
    case 14: reach_q6_k(b, blocks, reach); return 1;
    case 16: reach_half(b, blocks, 66, 0, reach); return 1;           // IQ2_XXS
    case 17: reach_half(b, blocks, 74, 0, reach); return 1;           // IQ2_XS
    case 18: reach_half(b, blocks, 98, 0, reach); return 1;           // IQ3_XXS
    case 19: reach_half(b, blocks, 50, 0, reach); return 1;           // IQ1_S
    case 21: reach_half(b, blocks, 110, 0, reach); return 1;          // IQ3_S
    case 22: reach_half(b, blocks, 82, 0, reach); return 1;           // IQ2_S
    case 23: reach_iq4_xs(b, blocks, reach); return 1;
    case 34: reach_half(b, blocks, 54, 52, reach); return 1;          // TQ1_0
    case 35: reach_half(b, blocks, 66, 64, reach); return 1;          // TQ2_0
    case 39: reach_mxfp4(b, blocks, reach); return 1;
    case 41: reach_half(b, blocks, 18, 0, reach); return 1;           // Q1_0
    case 42: reach_half(b, blocks, 18, 0, reach); return 1;           // Q2_0
    default: return 0;
  }
}

// The sum of sixteen lanes, in one fixed order.
INLINE double lane_sum(const vf16 *v) {
  float lane[16];
  memcpy(lane, v, sizeof lane);
  double sum = 0;
  for (int i = 0; i < 16; i++) sum += (double)lane[i];
  return sum;
}

static void compare_all(const float *x, const float *y, ptrdiff_t count, ptrdiff_t block_length, float *errors,
                        cbc_sums *sums) {
  cbc_sums total = *sums;
  for (ptrdiff_t start = 0; start < count; start += block_length, errors++) {
    ptrdiff_t length = count - start < block_length ? count - start : block_length;
    vf16 xx = 0, yy = 0, xy = 0, ee = 0;
    ptrdiff_t i = 0;
    for (; i + 16 <= length; i += 16) {
      vf16 a, b;
      memcpy(&a, x + start + i, sizeof a);
      memcpy(&b, y + start + i, sizeof b);
      vf16 d = a - b;
      xx += a * a;
      yy += b * b;
      xy += a * b;
      ee += d * d;
    }
    if (i < length) {
      vf16 a = 0, b = 0;
      memcpy(&a, x + start + i, (size_t)(length - i) * 4);
      memcpy(&b, y + start + i, (size_t)(length - i) * 4);
      vf16 d = a - b;
      xx += a * a;
      yy += b * b;
      xy += a * b;
      ee += d * d;
    }
    double error = lane_sum(&ee);
    *errors = (float)error;
    total.xx += lane_sum(&xx);
    total.yy += lane_sum(&yy);
    total.xy += lane_sum(&xy);
    total.ee += error;
  }
  *sums = total;
}

const cbc_level CHECK_LEVEL = {.reach = reach_any, .compare = compare_all};
