// What the products of one token have in common with 512-bit vectors.
//
// Included by wide_tile.inc.h, after its macros.

typedef int16_t vs __attribute__((ext_vector_type(32)));
typedef int32_t vh __attribute__((ext_vector_type(8)));

#ifdef NEEDS_WIDE_SHUFFLES
typedef uint8_t vb __attribute__((ext_vector_type(64)));

INLINE vi wide_shuffle(vi v, vi index) {
  vb from = (vb)v, at = (vb)index, out;
  for (int k = 0; k < 64; k++) out[k] = at[k] & 128 ? 0 : from[k / 16 * 16 + at[k] % 16];
  return (vi)out;
}

INLINE vs wide_pack(vi a, vi b) {
  vs out;
  for (int k = 0; k < 32; k++) out[k] = (int16_t)(k / 4 % 2 == 0 ? a : b)[4 * (k / 8) + k % 4];
  return out;
}

INLINE vs wide_pick(__m256i v, vs index) {
  int16_t from[16];
  memcpy(from, &v, sizeof from);
  vs out;
  for (int k = 0; k < 32; k++) out[k] = from[index[k] & 15];
  return out;
}

INLINE vi wide_spread_bits(uint64_t bits, int byte) {
  vb out;
  for (int k = 0; k < 64; k++) out[k] = (uint8_t)((bits >> k & 1) ? byte : 0);
  return (vi)out;
}

INLINE vi wide_look_up(const uint8_t *table, vi index) {
  vb at = (vb)index, out;
  for (int k = 0; k < 64; k++) out[k] = table[at[k] & 15];
  return (vi)out;
}
#endif

// `iq4_values`, larger by 128.
static const uint8_t wide_iq4_values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

// How much larger than the true codes those are that have no sign: a power of two.
INLINE int wide_excess(const int type) { return has_signed_codes(type) ? 128 : code_offset(type); }

// Two vectors of 32 bytes one behind the other.
INLINE vi wide_pair(__m256i low, __m256i high) {
  vi v;
  memcpy(&v, &low, 32);
  memcpy((char *)&v + 32, &high, 32);
  return v;
}

INLINE vi wide_bytes(const int byte) { return (vi)(0x01010101 * byte); }

// 16 bytes each from four places into the quarters of a vector.
INLINE vi wide_quarters(const uint8_t *s, const size_t step) {
  typedef int32_t four __attribute__((ext_vector_type(4)));
  four q[4];
  for (size_t k = 0; k < 4; k++) memcpy(&q[k], s + k * step, 16);
  return __builtin_shufflevector(
      __builtin_shufflevector(q[0], q[1], 0, 1, 2, 3, 4, 5, 6, 7),
      __builtin_shufflevector(q[2], q[3], 0, 1, 2, 3, 4, 5, 6, 7), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// Lane a, b, c, d of each quarter.
#define IN_QUARTERS(v, a, b, c, d)                                                                              \
  __builtin_shufflevector(v, v, a, b, c, d, 4 + (a), 4 + (b), 4 + (c), 4 + (d), 8 + (a), 8 + (b), 8 + (c),      \
                          8 + (d), 12 + (a), 12 + (b), 12 + (c), 12 + (d))
// Lanes a and b of each quarter of v, then c and d of those of w.
#define FROM_BOTH(v, w, a, b, c, d)                                                                             \
  __builtin_shufflevector(v, w, a, b, 16 + (c), 16 + (d), 4 + (a), 4 + (b), 20 + (c), 20 + (d), 8 + (a),        \
                          8 + (b), 24 + (c), 24 + (d), 12 + (a), 12 + (b), 28 + (c), 28 + (d))
#define QUARTERS(a, b, c, d) ((vi){a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d})

INLINE vi wide_right(vi v, vi bits) {
  typedef uint32_t vu __attribute__((ext_vector_type(16)));
  return (vi)((vu)v >> (vu)bits);
}

INLINE vi wide_left(vi v, vi bits) {
  typedef uint32_t vu __attribute__((ext_vector_type(16)));
  return (vi)((vu)v << (vu)bits);
}

// How far the bits of a byte are moved to the left and which of them are wanted then, as the matrix of AFFINE.
INLINE int64_t wide_matrix(const int left, const int mask) {
  int64_t out = 0;
#pragma clang loop unroll(full)
  for (int to = 0; to < 8; to++) {
    const int from = to - left;
    if ((mask >> to & 1) && from >= 0 && from < 8) out |= (int64_t)(1ull << (8 * (7 - to) + from));
  }
  return out;
}

// Bits of bytes moved to the left, as far as said for each quarter, and of these the ones of `mask`.
INLINE vi wide_moved(vi v, const int a, const int b, const int c, const int d, const int mask) {
  if (a == 0 && b == 0 && c == 0 && d == 0) return v & wide_bytes(mask);
#ifdef AFFINE
  const int64_t m[4] = {wide_matrix(a, mask), wide_matrix(b, mask), wide_matrix(c, mask), wide_matrix(d, mask)};
  typedef int64_t eight __attribute__((ext_vector_type(8)));
  return AFFINE(v, ((eight){m[0], m[0], m[1], m[1], m[2], m[2], m[3], m[3]}));
#else
  const vi left = {a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d};
  if (a >= 0 && b >= 0 && c >= 0 && d >= 0) return wide_left(v, left) & wide_bytes(mask);
  if (a <= 0 && b <= 0 && c <= 0 && d <= 0) return wide_right(v, -left) & wide_bytes(mask);
  return (wide_left(v, left & 31) | wide_right(v, -left & 31)) & wide_bytes(mask);
#endif
}

INLINE vi wide_high_nibbles(vi v) { return wide_moved(v, -4, -4, -4, -4, 15); }
