// Vectors of LANES floats and the few operations the searches need.
//
// Included once by each level file, after LANES is defined. All code below this
// point is written once and compiled for every level, with the same operations in
// the same order in every lane; levels differ in the number of lanes only. That is
// why all of them return the same bits.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../floor_log2.h"

#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((ext_vector_type(LANES)));
typedef int32_t vi __attribute__((ext_vector_type(LANES)));
typedef uint16_t vh __attribute__((ext_vector_type(LANES)));
typedef uint8_t vb __attribute__((ext_vector_type(LANES)));
typedef float vf4 __attribute__((ext_vector_type(4)));
typedef float vf8 __attribute__((ext_vector_type(8)));

// 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low mantissa bits.
#define MAGIC 12582912.0f
// Below this, a block counts as empty.
#define EPS 1e-15f

INLINE vf min_f(vf a, vf b) { return a < b ? a : b; }
INLINE vf max_f(vf a, vf b) { return a > b ? a : b; }
INLINE vi min_i(vi a, vi b) { return a < b ? a : b; }
INLINE vi max_i(vi a, vi b) { return a > b ? a : b; }
INLINE vf abs_f(vf a) { return __builtin_elementwise_abs(a); }
INLINE vf sqrt_f(vf a) { return __builtin_elementwise_sqrt(a); }
INLINE vf float_of(vi a) { return __builtin_convertvector(a, vf); }

// The reference's rounding, defined for every input including infinities and NaN.
INLINE vi round_i(vf v) {
  vf t = v + MAGIC;
  return ((vi)t & 0x7FFFFF) - 0x400000;
}

INLINE vi round_clamped_i(vf v, int low, int high) {
  return max_i((vi)low, min_i((vi)high, round_i(v)));
}

// Limits for numbers near MAGIC. They are positive, so they are ordered like their bits: integer limits leave the
// units that add free. SSE2 has no instruction for those.
#if defined(__x86_64__) && LANES == 4
INLINE vf at_least(vf t, vf low) { return max_f(t, low); }
INLINE vf at_most(vf t, vf high) { return min_f(t, high); }
#else
INLINE vf at_least(vf t, vf low) { return (vf)max_i((vi)t, (vi)low); }
INLINE vf at_most(vf t, vf high) { return (vf)min_i((vi)t, (vi)high); }
#endif

// round_clamped_i as a float, for |v| < 2^22 only: there the sum is ordered like the integers.
INLINE vf round_clamped_f(vf v, int low, int high) {
  const vf magic = (vf)cqk_magic;
  vf t = at_least(v + magic, magic + (float)low);
  return at_most(t, magic + (float)high) - magic;
}

// Truncation to int32 as x86 does it: everything out of range becomes INT32_MIN.
INLINE vi truncate_i(vf v) {
  vi inside = abs_f(v) < 2147483648.0f;
  return inside ? __builtin_convertvector(inside ? v : (vf)0.0f, vi) : (vi)INT32_MIN;
}

INLINE int all(vi mask) { return !ANY(~mask); }

// Four codes of each lane as four bytes, the first one lowest.
INLINE vi pack4(vi a, vi b, vi c, vi d) {
  return a | (b << 8) | (c << 16) | (d << 24);
}

INLINE uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}

INLINE float float_of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

// binary32 to binary16: nearest even, gradual underflow, NaN payload dropped.
INLINE vi half_of(vf v) {
  vi bits = (vi)v;
  vi sign = (bits >> 16) & 0x8000;
  vi x = bits & 0x7FFFFFFF;
  vi tiny = (vi)((vf)x + 0.5f) - 0x3F000000;
  vi normal = (x + ((x >> 13) & 1) + 0xFFF - 0x38000000) >> 13;
  vi h = x < 0x38800000 ? tiny : normal;
  h = x >= 0x477FF000 ? (vi)0x7C00 : h;
  h = x > 0x7F800000 ? (vi)0x7E00 : h;
  return h | sign;
}

// binary16 to binary32, exact; signalling NaNs become quiet.
INLINE vf float_of_half(vi h) {
  vi m = h & 0x7FFF;
  vi normal = (m << 13) + 0x38000000;
  vi tiny = (vi)(float_of(m) * 5.9604644775390625e-8f);
  vi special = (m << 13) | 0x7F800000;
  special = m > 0x7C00 ? special | 0x400000 : special;
  vi r = m < 0x400 ? tiny : normal;
  r = m >= 0x7C00 ? special : r;
  return (vf)(r | ((h & 0x8000) << 16));
}

INLINE vi bfloat_of(vf v) {
  vi bits = (vi)v;
  vi rounded = (vi)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF;
  vi quiet = ((bits >> 16) & 0xFFFF) | 0x40;
  return (bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded;
}

#if LANES == 4
INLINE void transpose_tile(const float *const *lane, float *out) {
  vf4 a, b, c, d;
  memcpy(&a, lane[0], 16);
  memcpy(&b, lane[1], 16);
  memcpy(&c, lane[2], 16);
  memcpy(&d, lane[3], 16);
  vf4 ac0 = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac1 = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  vf4 bd0 = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd1 = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  vf4 r0 = __builtin_shufflevector(ac0, bd0, 0, 4, 1, 5), r1 = __builtin_shufflevector(ac0, bd0, 2, 6, 3, 7);
  vf4 r2 = __builtin_shufflevector(ac1, bd1, 0, 4, 1, 5), r3 = __builtin_shufflevector(ac1, bd1, 2, 6, 3, 7);
  memcpy(out, &r0, 16);
  memcpy(out + LANES, &r1, 16);
  memcpy(out + 2 * LANES, &r2, 16);
  memcpy(out + 3 * LANES, &r3, 16);
}
#define TILE 4
#else
// Eight lanes by eight columns; the results lie LANES floats apart.
INLINE void transpose_tile(const float *const *lane, float *out) {
  vf8 r[8], s[8], t[8];
  for (int i = 0; i < 8; i++) memcpy(&r[i], lane[i], 32);
  for (int i = 0; i < 8; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int h = 0; h < 8; h += 4) {
    t[h] = __builtin_shufflevector(s[h], s[h + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    t[h + 1] = __builtin_shufflevector(s[h], s[h + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    t[h + 2] = __builtin_shufflevector(s[h + 1], s[h + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    t[h + 3] = __builtin_shufflevector(s[h + 1], s[h + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    vf8 low = __builtin_shufflevector(t[i], t[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    vf8 high = __builtin_shufflevector(t[i], t[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    memcpy(out + i * LANES, &low, 32);
    memcpy(out + (i + 4) * LANES, &high, 32);
  }
}
#define TILE 8
#endif

// out[e] holds element e of every lane. n is a multiple of TILE.
static __attribute__((noinline)) void load_lanes(const float *const *lane, int n, vf *out) {
  for (int b = 0; b < LANES; b += TILE)
    for (int e = 0; e < n; e += TILE) {
      const float *p[TILE];
      for (int i = 0; i < TILE; i++) p[i] = lane[b + i] + e;
      transpose_tile(p, (float *)out + (ptrdiff_t)e * LANES + b);
    }
}

// One 32-bit word (or its low half) of each of the first `valid` lanes, `stride` bytes apart.
INLINE void store_words(uint8_t *out, ptrdiff_t stride, int valid, vi word) {
  int32_t t[LANES];
  memcpy(t, &word, sizeof t);
  for (int b = 0; b < valid; b++) memcpy(out + b * stride, &t[b], 4);
}

INLINE void store_halves(uint8_t *out, ptrdiff_t stride, int valid, vi word) {
  int32_t t[LANES];
  memcpy(t, &word, sizeof t);
  for (int b = 0; b < valid; b++) {
    uint16_t h = (uint16_t)t[b];
    memcpy(out + b * stride, &h, 2);
  }
}

// A group of LANES blocks: where their values and weights are. Lanes past the end repeat the last block.
typedef struct {
  int valid;
  const float *x[LANES];
  const float *w[LANES];
} block_group;

INLINE block_group group_at(const float *x, const float *w, ptrdiff_t first, ptrdiff_t blocks,
                            ptrdiff_t per_row, int n) {
  block_group g;
  ptrdiff_t left = blocks - first;
  g.valid = left < LANES ? (int)left : LANES;
  for (int b = 0; b < LANES; b++) {
    ptrdiff_t k = first + (b < g.valid ? b : g.valid - 1);
    g.x[b] = x + k * n;
    g.w[b] = w ? w + (k % per_row) * n : x;
  }
  return g;
}
