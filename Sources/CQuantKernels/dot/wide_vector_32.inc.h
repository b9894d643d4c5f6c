// Sums of eight blocks of 32 with 512-bit vectors: two blocks of bytes or four of nibbles in one.
//
// Included by wide_tile.inc.h; `vector_32` makes products of it.

// `mxfp4_values`, larger by 16.
static const uint8_t wide_mxfp4_values[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

// How much larger than the true codes those of `wide_totals_of` are.
INLINE int wide_offset_32(const int type) { return type == T_MXFP4 ? 16 : wide_excess(type); }

// Nibbles: the first 16 columns of four blocks, then their other ones.
INLINE size_t wide_order_32(const int type, const size_t piece) {
  if (type == T_Q8_0) return piece;
  return 8 * (piece / 8) + 2 * (piece % 4) + piece / 4 % 2;
}

// Where a block's nibbles begin.
INLINE size_t wide_nibbles_at(const int type) { return block_bytes(type) - 16; }

// The products of four blocks, one in the lanes of each quarter.
INLINE vi wide_quad_products(const int type, const uint8_t *s, const int8_t *x) {
  const size_t step = block_bytes(type);
  vi v = wide_quarters(s + wide_nibbles_at(type), step);
  vi q[2] = {v & wide_bytes(15), wide_high_nibbles(v)};
  if (type == T_Q5_0 || type == T_Q5_1) {
    uint64_t bits[2] = {0, 0};
    for (size_t k = 0; k < 4; k++) {
      const uint8_t *high = s + k * step + (type == T_Q5_0 ? 2 : 4);
      for (size_t h = 0; h < 2; h++) bits[h] |= (uint64_t)read_u16(high + 2 * h) << (16 * k);
    }
    for (size_t h = 0; h < 2; h++) q[h] |= SPREAD_BITS(bits[h], 16);
  }
  if (type == T_IQ4_NL || type == T_MXFP4) {
    for (size_t h = 0; h < 2; h++) q[h] = LOOK_UP(type == T_IQ4_NL ? wide_iq4_values : wide_mxfp4_values, q[h]);
  }
  return DOT_4(DOT_4((vi)0, q[0], wide_load(x)), q[1], wide_load(x + 64));
}

// Lanes 0 and 2, then 1 and 3 of each quarter together, of a and b in turn.
INLINE vi wide_add_halves(vi a, vi b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
         __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}

INLINE __m256i wide_totals_of(const int type, const uint8_t *s, const int8_t *x) {
  const size_t step = block_bytes(type);
  vh totals;
  if (type == T_Q8_0) {
    vi v[4];
    for (size_t i = 0; i < 4; i++) {
      vi codes = wide_pair(load_bytes(s + 2 * i * step + 2), load_bytes(s + (2 * i + 1) * step + 2));
      v[i] = DOT_4((vi)0, codes ^ wide_bytes(0x80), wide_load(x + 64 * i));
    }
    vi a = wide_add_halves(v[0], v[1]), b = wide_add_halves(v[2], v[3]);
    vi sum = FROM_BOTH(a, b, 0, 1, 0, 1) + FROM_BOTH(a, b, 2, 3, 2, 3);
    // Lane i: a quarter of the blocks of v[i].
    sum += __builtin_shufflevector(sum, sum, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    totals = __builtin_shufflevector(sum, sum, 0, 8, 1, 9, 2, 10, 3, 11);
  } else {
    vi sum = wide_add_halves(wide_quad_products(type, s, x), wide_quad_products(type, s + 4 * step, x + 128));
    sum += IN_QUARTERS(sum, 2, 3, 0, 1);
    totals = __builtin_shufflevector(sum, sum, 0, 4, 8, 12, 1, 5, 9, 13);
  }
  return (__m256i)totals;
}
