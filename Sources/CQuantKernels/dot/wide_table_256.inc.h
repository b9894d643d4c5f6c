// Products of one token with super-blocks, second half: the sums of blocks become results, eight rows at a time.
//
// Included by wide_tile.inc.h. What the blocks of a row gave lies one behind the other; to be added up in the order of
// avx2_vector.h, they are turned around, so that rows are in the lanes.

// Blocks of a row that are kept until the f32 sums take them, and the longest period of a token's copies.
#define MOST_BLOCKS 32
// Vectors that hold four blocks' sums for each of eight rows; a row's last four may reach over its end.
#define TABLE_QUADS (2 * MOST_BLOCKS + 1)

// What the f32 sums need of four blocks, one in each quarter: partial sums of products, in four lanes, or in two and
// what the minimums take away in the other two; and `wide_heads.d`.
typedef struct {
  vi sums;
  vi d;
} wide_quad;

// The quads of a tile's rows, one behind the other; a row may begin at any quarter.
typedef struct {
  vi sums[TABLE_QUADS];
  vi d[TABLE_QUADS];
} wide_table;

// Whether d is in the upper half of each quarter of `wide_heads.d`, and whether it is the second of a pair there.
INLINE int wide_d_is_high(const int type) { return type == T_Q2_K || type == T_Q3_K || type == T_Q6_K; }
INLINE int wide_d_is_second(const int type) { return type == T_Q3_K || type == T_Q6_K; }

// 16-bit values of each quarter of v, and from 8 on of w.
#define WORD(i, q) ((i) < 8 ? 8 * (q) + (i) : 24 + 8 * (q) + (i))
#define WORDS_OF(q, a, b, c, d, e, f, g, h)                                                                     \
  WORD(a, q), WORD(b, q), WORD(c, q), WORD(d, q), WORD(e, q), WORD(f, q), WORD(g, q), WORD(h, q)
#define WORDS(v, w, ...)                                                                                        \
  ((vi)__builtin_shufflevector(                                                                                 \
      (vs)(v), (vs)(w), WORDS_OF(0, __VA_ARGS__), WORDS_OF(1, __VA_ARGS__), WORDS_OF(2, __VA_ARGS__),           \
      WORDS_OF(3, __VA_ARGS__)))

// Four quads' values at the place of d, then those behind them, as 16-bit values in each quarter.
INLINE vi wide_d_of_4(const int type, const uint8_t *at, size_t stride) {
  vi v[4];
  for (size_t r = 0; r < 4; r++) v[r] = wide_load(at + r * stride);
  if (wide_d_is_high(type)) {
    vi a = WORDS(v[0], v[1], 4, 12, 5, 13, 6, 14, 7, 15), b = WORDS(v[2], v[3], 4, 12, 5, 13, 6, 14, 7, 15);
    return WORDS(a, b, 4, 5, 12, 13, 6, 7, 14, 15);
  }
  vi a = WORDS(v[0], v[1], 0, 8, 1, 9, 2, 10, 3, 11), b = WORDS(v[2], v[3], 0, 8, 1, 9, 2, 10, 3, 11);
  return WORDS(a, b, 0, 1, 8, 9, 2, 3, 10, 11);
}

// Lanes 0 and 1, then 2 and 3 of each quarter together, of a, then of b.
INLINE vi wide_add_pairs(vi a, vi b) {
  return FROM_BOTH(a, b, 0, 2, 0, 2) + FROM_BOTH(a, b, 1, 3, 1, 3);
}

// The sums of four quads, row after row in each quarter, and what their minimums take away.
INLINE void wide_totals_of_4(const int type, const uint8_t *at, size_t stride, vi *sums, vi *mins) {
  vi v[4];
  for (size_t r = 0; r < 4; r++) v[r] = wide_load(at + r * stride);
  if (has_mins(type)) {
    vi a = wide_add_pairs(v[0], v[1]), b = wide_add_pairs(v[2], v[3]);
    *sums = FROM_BOTH(a, b, 0, 2, 0, 2);
    *mins = FROM_BOTH(a, b, 1, 3, 1, 3);
  } else {
    *sums = wide_add_pairs(wide_add_pairs(v[0], v[1]), wide_add_pairs(v[2], v[3]));
  }
}

// Sixteen half-precision numbers in two quarters of a vector, from quarter 2 * i on.
INLINE vf wide_floats_of_halves(vi v, const int i) {
  typedef __fp16 halves __attribute__((ext_vector_type(16)));
  vh part = i ? v.hi : v.lo;
  return __builtin_convertvector((halves)part, vf);
}

// Eight lanes of four rows each from quarters 2 * i and 2 * i + 1 of two vectors, as numbers.
INLINE vf wide_floats_of_rows(vi low, vi high, const int i) {
  vi v = i ? __builtin_shufflevector(low, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
           : __builtin_shufflevector(low, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  return __builtin_convertvector(v, vf);
}

// Adds the blocks of eight rows to their results, rows in lanes. A row has `stride` quarters of the table.
INLINE __m256 wide_add_blocks(const int type, const wide_table *table, size_t stride, size_t blocks,
                              const float *scales, __m256 y) {
  const size_t row = 16 * stride;
  for (size_t b = 0; b < blocks; b += 4) {
    const uint8_t *at = (const uint8_t *)table->sums + 16 * b, *d_at = (const uint8_t *)table->d + 16 * b;
    vi sums[2], mins[2];
    for (size_t h = 0; h < 2; h++) wide_totals_of_4(type, at + 4 * h * row, row, sums + h, mins + h);
    vi d_low = wide_d_of_4(type, d_at, row), d_high = wide_d_of_4(type, d_at + 4 * row, row);
    vi first = WORDS(d_low, d_high, 0, 1, 2, 3, 8, 9, 10, 11), second = WORDS(d_low, d_high, 4, 5, 6, 7, 12, 13, 14, 15);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++) {
      vf dx = (vf)wide_load(scales + 8 * b + 16 * (size_t)i);
      vf d = dx * wide_floats_of_halves(wide_d_is_second(type) ? second : first, i);
      vf sum = wide_floats_of_rows(sums[0], sums[1], i);
      vf dmin = (vf)0.0f, min = dmin;
      if (has_mins(type)) {
        dmin = dx * wide_floats_of_halves(second, i);
        min = wide_floats_of_rows(mins[0], mins[1], i);
      }
#pragma clang loop unroll(full)
      for (int k = 0; k < 2; k++) {
        if (b + 2 * (size_t)i + (size_t)k >= blocks) break;
        y = _mm256_fmadd_ps((__m256)(k ? d.hi : d.lo), (__m256)(k ? sum.hi : sum.lo), y);
        if (has_mins(type)) y = _mm256_fnmadd_ps((__m256)(k ? dmin.hi : dmin.lo), (__m256)(k ? min.hi : min.lo), y);
      }
    }
  }
  return y;
}
