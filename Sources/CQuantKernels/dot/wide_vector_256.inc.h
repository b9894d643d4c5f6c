// Products of one token with super-blocks, four at a time: what they have besides codes is decoded for the four
// together, block k in quarter k of a vector.
//
// Included by wide_tile.inc.h. The order of all f32 operations is that of avx2_vector.h. CPUs have two units for
// 512-bit vectors, one of which shuffles, so their instructions are what counts.

// A token as super-blocks want it: repeated, so that four blocks from any place on lie behind one another.
typedef struct {
  __attribute__((aligned(64))) int8_t codes[256 * (MOST_BLOCKS + 3)];
  // The sums of groups as 128 times `high` plus `low`, at the place of the byte that is to be multiplied.
  __attribute__((aligned(64))) int8_t low[16 * (MOST_BLOCKS + 3)];
  __attribute__((aligned(64))) int8_t high[16 * (MOST_BLOCKS + 3)];
  // What the products of sums start with, in the first lane of each block.
  __attribute__((aligned(64))) int32_t start[4 * (MOST_BLOCKS + 3)];
  // Each block's scale for eight rows.
  __attribute__((aligned(64))) float scales[8 * (MOST_BLOCKS + 3)];
  // After how many blocks the first one comes again; at least four.
  size_t period;
  arranged_state state;
} wide_token;

// How much larger than the true scale the byte is that sums are multiplied by.
INLINE int wide_scale_offset(const int type) {
  switch (type) {
    case T_Q3_K:
    case T_IQ4_XS: return 32;
    case T_Q6_K: return 128;
    default: return 0;
  }
}

// Which 16 columns are at place `piece` of the four vectors that `wide_codes_of` gives.
INLINE size_t wide_order(const int type, const size_t piece) {
  const size_t v = piece / 4, quarter = piece % 4;
  switch (type) {
    case T_Q4_K:
    case T_Q5_K: return 4 * quarter + v;
    case T_Q2_K:
    case T_Q3_K: return 2 * v + quarter % 2 + 8 * (quarter / 2);
    case T_IQ4_XS: return 2 * (4 * (v / 2) + quarter) + v % 2;
    default: return piece;
  }
}

// Arranges `blocks` blocks of a token from block `first` on.
INLINE void wide_arrange(const int type, const cdk_token *token, size_t first, size_t blocks, wide_token *out) {
  const size_t groups = has_groups_of_16(type) ? 16 : 8, place = has_mins(type) ? 16 - groups : 0;
  out->period = blocks < 4 ? (3 + blocks) / blocks * blocks : blocks;
  for (size_t i = 0, b = first; i < out->period + 3; i++, b = b + 1 < first + blocks ? b + 1 : first) {
#pragma clang loop unroll(full)
    for (size_t piece = 0; piece < 16; piece++)
      memcpy(out->codes + 256 * i + 16 * piece, token->codes + 256 * b + 16 * wide_order(type, piece), 16);
    const int16_t *sums = token->sums + SUMS_256 * b + (groups == 8 ? 16 : 0);
    int32_t total = 0;
    memset(out->low + 16 * i, 0, 16);
    memset(out->high + 16 * i, 0, 16);
    memset(out->start + 4 * i, 0, 16);
    for (size_t g = 0; g < groups; g++) {
      const int high = (sums[g] + 64) >> 7;
      out->high[16 * i + place + g] = (int8_t)high;
      out->low[16 * i + place + g] = (int8_t)(sums[g] - 128 * high);
      total += sums[g];
    }
    out->start[4 * i] = -wide_scale_offset(type) * total;
    for (size_t r = 0; r < 8; r++) out->scales[8 * i + r] = token->scales[b];
  }
}

// Bytes below 64, less 32.
INLINE vi wide_less_32(vi v) {
  typedef int8_t bytes __attribute__((ext_vector_type(64)));
  return (vi)((bytes)v - (int8_t)32);
}

// What four blocks have besides their codes.
typedef struct {
  // A byte for each group: its scale.
  vi scales;
  // The bytes that sums of codes are multiplied by, each at its place in `wide_token`: minimums, or the scales, larger
  // by `wide_scale_offset`.
  vi factors;
  // d, and dmin if there is one, as they are in the block: see `wide_d_is_high`.
  vi d;
} wide_heads;

INLINE wide_heads wide_heads_of(const int type, const uint8_t *s) {
  const size_t step = block_bytes(type);
  wide_heads out;
  switch (type) {
    case T_Q2_K: {
      vi v = wide_quarters(s, step);
      out.scales = v & wide_bytes(15);
      out.factors = wide_right(v, (vi)4) & wide_bytes(15);
      out.d = wide_quarters(s + 68, step);
      break;
    }
    case T_Q3_K: {
      // 14 bytes: twelve of scales, then d.
      out.d = wide_quarters(s + 94, step);
      vi v = SHUFFLE_BYTES(out.d, QUARTERS(0x05040302, 0x09080706, 0x0D0C0B0A, (int)0x80808080));
      vi low = wide_right(IN_QUARTERS(v, 0, 1, 0, 1), QUARTERS(0, 0, 4, 4)) & wide_bytes(15);
      vi high = wide_left(IN_QUARTERS(v, 2, 2, 2, 2), QUARTERS(4, 2, 0, 0));
      out.factors = low | (wide_right(high, QUARTERS(0, 0, 0, 2)) & wide_bytes(0x30));
      out.scales = wide_less_32(out.factors);
      break;
    }
    case T_Q4_K:
    case T_Q5_K: {
      // d and dmin, then twelve bytes with eight scales and eight minimums.
      vi v = wide_quarters(s, step);
      vi low = wide_right(IN_QUARTERS(v, 1, 1, 2, 2), QUARTERS(0, 2, 0, 2));
      vi high = wide_right(IN_QUARTERS(v, 3, 3, 3, 3), QUARTERS(0, 0, 0, 4));
      out.scales = out.factors = (low & QUARTERS(0x3F3F3F3F, 0x30303030, 0x3F3F3F3F, 0x30303030)) |
                                 (high & QUARTERS(0, 0x0F0F0F0F, 0, 0x0F0F0F0F));
      out.d = v;
      break;
    }
    case T_Q6_K:
      out.scales = wide_quarters(s + 192, step);
      out.factors = out.scales ^ wide_bytes(0x80);
      out.d = wide_quarters(s + 194, step);
      break;
    default: {
      // IQ4_XS: d, eight pairs of high bits, eight nibbles.
      vi v = wide_quarters(s, step);
      vi low = SHUFFLE_BYTES(v, QUARTERS(0x05050404, 0x07070606, (int)0x80808080, (int)0x80808080));
      vi high = SHUFFLE_BYTES(v, QUARTERS(0x02020202, 0x03030303, (int)0x80808080, (int)0x80808080));
      out.factors = (low & (vi)0x000F000F) | (wide_right(low, (vi)4) & (vi)0x0F000F00) |
                    (wide_left(high, (vi)4) & (vi)0x30) | (wide_left(high, (vi)2) & (vi)0x3000) |
                    (high & (vi)0x300000) | (wide_right(high, (vi)2) & (vi)0x30000000);
      out.scales = wide_less_32(out.factors);
      out.d = v;
    }
  }
  return out;
}

// Quarter k of a vector, four times or alone.
INLINE vi wide_repeated(vi v, const int k) {
  switch (k) {
    case 0: return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    case 1: return __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    case 2: return __builtin_shufflevector(v, v, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11);
    default: return __builtin_shufflevector(v, v, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15);
  }
}

INLINE __m128i wide_quarter(vi v, const int k) {
  v = wide_repeated(v, k);
  __m128i out;
  memcpy(&out, &v, sizeof out);
  return out;
}

// 16 bytes in each quarter.
INLINE vi wide_same(const uint8_t *s) {
  typedef int32_t four __attribute__((ext_vector_type(4)));
  four v;
  memcpy(&v, s, sizeof v);
  return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}

// 256 codes as unsigned bytes, larger than the true ones by `wide_excess`: nibbles and pairs of bits are used
// where they are in the block, so that columns come in the order of the format.
INLINE void wide_codes_of(const int type, const uint8_t *s, vi q[4]) {
  switch (type) {
    case T_Q2_K: {
      vi v = wide_load(s + 16);
      for (int k = 0; k < 4; k++) q[k] = wide_moved(v, -2 * k, -2 * k, -2 * k, -2 * k, 3);
      break;
    }
    case T_Q3_K: {
      vi v = wide_load(s + 32), high = wide_pair(load_bytes(s), load_bytes(s));
      for (int k = 0; k < 4; k++)
        q[k] = wide_moved(v, -2 * k, -2 * k, -2 * k, -2 * k, 3) | wide_moved(high, 2 - k, 2 - k, -2 - k, -2 - k, 4);
      break;
    }
    case T_Q4_K:
    case T_Q5_K: {
      const uint8_t *qs = s + (type == T_Q4_K ? 16 : 48);
      vi v = wide_load(qs), w = wide_load(qs + 64);
      // Each quarter has one group's columns in its low nibbles and the next one's in its high ones.
      vi first = __builtin_shufflevector(v, w, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
      vi second = __builtin_shufflevector(v, w, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
      q[0] = first & wide_bytes(15);
      q[1] = second & wide_bytes(15);
      q[2] = wide_high_nibbles(first);
      q[3] = wide_high_nibbles(second);
      if (type == T_Q4_K) break;
      vi high = wide_same(s + 16), other = wide_same(s + 32);
      q[0] |= wide_moved(high, 4, 2, 0, -2, 16);
      q[1] |= wide_moved(other, 4, 2, 0, -2, 16);
      q[2] |= wide_moved(high, 3, 1, -1, -3, 16);
      q[3] |= wide_moved(other, 3, 1, -1, -3, 16);
      break;
    }
    case T_Q6_K:
      for (int i = 0; i < 2; i++) {
        vi v = wide_load(s + 64 * i), high = wide_pair(load_bytes(s + 128 + 32 * i), load_bytes(s + 128 + 32 * i));
        q[2 * i] = (v & wide_bytes(15)) | wide_moved(high, 4, 4, 2, 2, 48);
        q[2 * i + 1] = wide_high_nibbles(v) | wide_moved(high, 0, 0, -2, -2, 48);
      }
      break;
    case T_IQ4_XS:
      for (int i = 0; i < 2; i++) {
        vi v = wide_load(s + 8 + 64 * i);
        q[2 * i] = LOOK_UP(wide_iq4_values, v & wide_bytes(15));
        q[2 * i + 1] = LOOK_UP(wide_iq4_values, wide_high_nibbles(v));
      }
      break;
    default: break;
  }
}

// Four of eight bytes, with their signs, one in the lanes of each quarter.
INLINE vi wide_quarter_scales(const int i, __m128i scales) {
  vh v = (vh)_mm256_cvtepi8_epi32(scales);
  return i == 0 ? __builtin_shufflevector(v, v, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)
                : __builtin_shufflevector(v, v, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
}

// Which groups the sums of two vectors belong to, as `PACK` orders them: four times that of each quarter of the one,
// then of the other; as 16-bit values, or as bytes with a zero above.
#define HALVES(a, b) a, a, a, a, b, b, b, b
#define BYTES(a, b) a, 128, a, 128, a, 128, a, 128, b, 128, b, 128, b, 128, b, 128
static const uint8_t wide_groups_q4[64] = {BYTES(0, 1), BYTES(2, 3), BYTES(4, 5), BYTES(6, 7)};
static const uint8_t wide_groups_q2[2][64] = {
    {BYTES(0, 2), BYTES(1, 3), BYTES(8, 10), BYTES(9, 11)},
    {BYTES(4, 6), BYTES(5, 7), BYTES(12, 14), BYTES(13, 15)}};
static const int16_t wide_groups_q3[2][32] = {
    {HALVES(0, 2), HALVES(1, 3), HALVES(8, 10), HALVES(9, 11)},
    {HALVES(4, 6), HALVES(5, 7), HALVES(12, 14), HALVES(13, 15)}};
static const int16_t wide_groups_q6[2][32] = {
    {HALVES(0, 4), HALVES(1, 5), HALVES(2, 6), HALVES(3, 7)},
    {HALVES(8, 12), HALVES(9, 13), HALVES(10, 14), HALVES(11, 15)}};

// The products of a block's codes, times the scales of their groups; its scales are in quarter k of `heads`.
INLINE vi wide_products(const int type, const uint8_t *s, const int k, const wide_heads *heads, const int8_t *x) {
  vi q[4], sum = (vi)0;
  wide_codes_of(type, s, q);
  if (type == T_Q4_K || type == T_Q5_K) {
    // At most 8 * 31 * 127 each.
    vi even = DOT_4(DOT_4((vi)0, q[0], wide_load(x)), q[1], wide_load(x + 64));
    vi odd = DOT_4(DOT_4((vi)0, q[2], wide_load(x + 128)), q[3], wide_load(x + 192));
    return PAIRS(PACK(even, odd), SHUFFLE_BYTES(wide_repeated(heads->scales, k), wide_load(wide_groups_q4)));
  }
  if (type == T_IQ4_XS) {
    // Eight products of up to 241 * 127 do not fit in 16 bits; low and high nibbles have their scale in common.
    for (int i = 0; i < 2; i++) {
      vi products = DOT_4((vi)0, q[2 * i], wide_load(x + 128 * i));
      products = DOT_4(products, q[2 * i + 1], wide_load(x + 128 * i + 64));
      sum += products * wide_quarter_scales(i, wide_quarter(heads->scales, k));
    }
    return sum;
  }
  for (int i = 0; i < 2; i++) {
    // At most 4 * 63 * 127 each.
    vi even = DOT_4((vi)0, q[2 * i], wide_load(x + 128 * i));
    vi odd = DOT_4((vi)0, q[2 * i + 1], wide_load(x + 128 * i + 64));
    vs scales;
    if (type == T_Q2_K) {
      scales = (vs)SHUFFLE_BYTES(wide_repeated(heads->scales, k), wide_load(wide_groups_q2[i]));
    } else {
      vs places;
      memcpy(&places, type == T_Q6_K ? wide_groups_q6[i] : wide_groups_q3[i], sizeof places);
      __m128i bytes = type == T_Q6_K ? _mm_loadu_si128((const __m128i *)(s + 192)) : wide_quarter(heads->scales, k);
      scales = PICK_16(_mm256_cvtepi8_epi16(bytes), places);
    }
    sum = i == 0 ? PAIRS(PACK(even, odd), scales) : DOT_2(sum, PACK(even, odd), scales);
  }
  return sum;
}

// The four blocks from one on, of a token: where their codes are, and the first of their `low`.
typedef struct {
  const int8_t *codes;
  const int8_t *low;
} wide_place;

INLINE wide_quad wide_sums_of_4(const int type, const uint8_t *s, prefetch_place ahead, wide_place x) {
  const size_t step = block_bytes(type), lines = (4 * step + 63) / 64;
  const wide_heads heads = wide_heads_of(type, s);
  vi p[4];
#pragma clang loop unroll(full)
  for (size_t k = 0; k < 4; k++) {
#pragma clang loop unroll(full)
    for (size_t line = 0; line < lines; line++)
      if (line % 4 == k) prefetch_line(ahead, 64 * line);
    p[k] = wide_products(type, s + k * step, (int)k, &heads, x.codes + 256 * k);
  }
  // The products of sums, four partial ones each.
  const int8_t *high_sums = x.low + offsetof(wide_token, high) - offsetof(wide_token, low);
  const int8_t *start = x.low + offsetof(wide_token, start) - offsetof(wide_token, low);
  vi low = DOT_4(wide_load(start), heads.factors, wide_load(x.low));
  vi high = wide_left(DOT_4((vi)0, heads.factors, wide_load(high_sums)), (vi)7);
  // Quarter k: the quarters of p[k] together.
  vi a = __builtin_shufflevector(p[0], p[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
         __builtin_shufflevector(p[0], p[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vi c = __builtin_shufflevector(p[2], p[3], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
         __builtin_shufflevector(p[2], p[3], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vi sum = __builtin_shufflevector(a, c, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a, c, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  if (!has_mins(type)) {
    sum -= (low + high) * wide_excess(type);
  } else if (has_groups_of_16(type)) {
    low += high;
    sum = FROM_BOTH(sum, low, 0, 1, 0, 1) + FROM_BOTH(sum, low, 2, 3, 2, 3);
  } else {
    // Eight minimums fill half of a quarter.
    sum = FROM_BOTH(sum, low, 0, 1, 2, 3) + FROM_BOTH(sum, high, 2, 3, 2, 3);
  }
  return (wide_quad){sum, heads.d};
}

// The sums of `count` blocks one behind the other, of each of `streams` places; the first one is the token's first.
INLINE void wide_blocks(const int type, const uint8_t *s, size_t stream_bytes, size_t streams, size_t count,
                        const stream_ahead *ahead, size_t done, const wide_token *x, wide_table *tables,
                        size_t quad) {
  const size_t step = block_bytes(type);
  size_t b = 0;
  uint8_t rest[4 * B_Q6_K];
  for (size_t i = 0; i < count; i += 4, s += 4 * step, done += 4 * step, quad++) {
#pragma clang loop unroll(disable)
    for (size_t j = 0; j < streams; j++) {
      const uint8_t *four = s + j * stream_bytes;
      const prefetch_place to_come = ahead_of(ahead, done, four, j);
      if (count - i < 4) {
        memset(rest, 0, sizeof rest);
        memcpy(rest, four, (count - i) * step);
        four = rest;
      }
      wide_place place = {x->codes + 256 * b, x->low + 16 * b};
      // Keeps the token's vectors from being loaded ahead of this loop, for which there are too many, and sums of two
      // registers out of instructions that multiply what they load: those count as two.
      __asm__ volatile("" : "+r"(place.codes), "+r"(place.low));
      const wide_quad out = wide_sums_of_4(type, four, to_come, place);
      tables[j].sums[quad] = out.sums;
      tables[j].d[quad] = out.d;
    }
    b += 4;
    if (b >= x->period) b -= x->period;
  }
}

// Does the steps of a band, as `vector_256`.
INLINE const cdk_band *wide_vector_256(const int type, const cdk_band *band, band_course *course, int is_expected,
                                       wide_token *arranged) {
  const uint8_t *weights = band_weights(band);
  const size_t step = block_bytes(type), blocks = band->columns / 256, row_bytes = band->row_bytes;
  // Short rows are one stream, so that no group of four is left incomplete.
  const int joined = blocks <= MOST_BLOCKS && row_bytes == blocks * step;
  wide_table tables[STREAMS];
  // Rows that a last tile does not have are added up, too.
  if (band->rows % 8) memset(tables, 0, sizeof tables);
  stream_ahead ahead;
  begin_streams(band, course, is_expected, &ahead);
  for (int is_first = 1; next_step(course, is_first); is_first = 0) {
    const tile_group tiles = tiles_of(course->step, band->rows, ahead.whole);
    set_ahead(band, course, tiles, &ahead);
    const uint8_t *tile = weights + tiles.first * row_bytes;
    for (size_t t = 0; t < band->token_count; t++) {
      const cdk_token *token = band->tokens + t;
      wide_token *x = arranged + t;
      float *out = token->y + band->first_row + tiles.first;
      __m256 y[STREAMS];
      for (size_t j = 0; j < tiles.tiles; j++) y[j] = _mm256_setzero_ps();
      for (size_t b0 = 0; b0 < blocks; b0 += MOST_BLOCKS) {
        const size_t n = blocks - b0 < MOST_BLOCKS ? blocks - b0 : MOST_BLOCKS;
        const size_t stride = joined ? n : (n + 3) / 4 * 4;
        if (!is_arranged(&x->state, type, token, b0)) wide_arrange(type, token, b0, n, x);
        for (size_t r = 0; r < (joined ? 1 : tiles.rows); r++) {
          const size_t done = r * row_bytes + b0 * step;
          wide_blocks(type, tile + done, tiles.apart * row_bytes, tiles.tiles, joined ? tiles.rows * n : n, &ahead, done,
                      x, tables, r * stride / 4);
        }
        for (size_t j = 0; j < tiles.tiles; j++)
          y[j] = wide_add_blocks(type, tables + j, stride, n, x->scales, y[j]);
      }
      for (size_t j = 0; j < tiles.tiles; j++) store_rows(y[j], tiles.rows, out + j * tiles.apart);
    }
  }
  return ahead.behind;
}
