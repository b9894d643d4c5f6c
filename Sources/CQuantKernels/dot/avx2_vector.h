// Products of one token with eight rows at a time: streams over the weights, codes used where they are unpacked.
//
// A row is read from its beginning to its end; walking eight rows side by side reaches half of memory's bandwidth.
// What the f32 sums need of a block (integer sums, scales) waits in a small table until all eight rows have it,
// since there the rows are the lanes.

#ifndef AVX2_VECTOR_H
#define AVX2_VECTOR_H

#include "avx2_unpack.h"
#include "streams.h"

// 16-bit sums of code pairs; `x` are signed codes. Products of up to 63 * 127 twice stay below 2^15, and
// so do those of two signed codes up to 127.
INLINE __m256i pair_products(const int is_signed, __m256i q, __m256i x) {
  if (is_signed) return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
  return _mm256_maddubs_epi16(q, x);
}

// The scale of group pair i in every 16-bit lane: its low half belongs to columns 0-15, its high half to 16-31.
INLINE __m256i scale_of(__m256i arranged, int i) {
  return _mm256_shuffle_epi8(arranged, _mm256_set1_epi16((short)((2 * i + 1) << 8 | 2 * i)));
}

INLINE __m256i arrange_scales(const int type, __m256i scales) {
  if (!has_groups_of_16(type)) return _mm256_permute2x128_si256(scales, scales, 0);
  // Even groups to the low half, odd ones to the high half.
  const __m256i split = _mm256_setr_epi8(
      0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(scales, split), 0xD8);
}

INLINE void store_rows(__m256 y, size_t rows, float *out) {
  if (rows >= 8) {
    _mm256_storeu_ps(out, y);
  } else {
    float lanes[8];
    _mm256_storeu_ps(lanes, y);
    for (size_t r = 0; r < rows; r++) out[r] = lanes[r];
  }
}

// What a token was arranged as, to be used for the next band, too.
typedef struct {
  const int8_t *codes;
  int type;
  size_t first;
} arranged_state;

// Whether a token is arranged for a type from block `first` on; if not, the caller does so.
INLINE int is_arranged(arranged_state *state, int type, const cdk_token *token, size_t first) {
  if (state->codes == token->codes && state->type == type && state->first == first) return 1;
  *state = (arranged_state){token->codes, type, first};
  return 0;
}

// What the f32 sums need of a block in one row: integer sums, still in lanes.
typedef struct {
  __m256i products;
  __m256i mins;
  uint16_t d;
  uint16_t dmin;
} block_sums;

// The minimums' part of a block, and what a constant offset of its codes adds to the products.
INLINE void add_offsets(const int type, const int offset_bits, const wide_block *w, const int16_t *sums,
                        block_sums *out) {
  __m256i sums16 = _mm256_loadu_si256((const __m256i *)sums);
  __m128i sums32 = _mm_loadu_si128((const __m128i *)(sums + 16));
  if (offset_bits) {
    __m256i c = has_groups_of_16(type)
                    ? _mm256_madd_epi16(w->scales, sums16)
                    : _mm256_zextsi128_si256(_mm_madd_epi16(_mm256_castsi256_si128(w->scales), sums32));
    out->products = _mm256_sub_epi32(out->products, _mm256_slli_epi32(c, offset_bits));
  }
  if (has_mins(type)) {
    out->mins = has_groups_of_16(type)
                    ? _mm256_madd_epi16(w->mins, sums16)
                    : _mm256_zextsi128_si256(_mm_madd_epi16(_mm256_castsi256_si128(w->mins), sums32));
  }
  out->d = w->d;
  out->dmin = w->dmin;
}

INLINE block_sums narrow_sums_of(const int type, const uint8_t *s, const int8_t *x, const int16_t *sums) {
  wide_block w;
  load_256(type, s, &w);
  __m256i arranged = arrange_scales(type, w.scales);
  __m256i even = _mm256_setzero_si256(), odd = even;
  for (int i = 0; i < 8; i++) {
    __m256i p = pair_products(has_signed_codes(type), w.q[i], load_bytes((const uint8_t *)x + 32 * i));
    p = _mm256_madd_epi16(p, scale_of(arranged, i));
    if (i & 1) odd = _mm256_add_epi32(odd, p); else even = _mm256_add_epi32(even, p);
  }
  block_sums out = {.products = _mm256_add_epi32(even, odd)};
  add_offsets(type, code_offset(type) == 4 ? 2 : code_offset(type) ? 5 : 0, &w, sums, &out);
  return out;
}

INLINE __m128i half_sums(__m256i v) {
  return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

// Blocks of 256 columns that a table holds.
#define TABLE_BLOCKS 16

// What waits of a tile's blocks, at 8 * block + row: eight lanes of products, or four of products and four of minimums.
typedef struct {
  __m256i sums[8 * TABLE_BLOCKS];
  uint16_t d[8 * TABLE_BLOCKS];
  uint16_t dmin[8 * TABLE_BLOCKS];
} table_256;

// The sums of `blocks` blocks of row `r` of a tile.
INLINE void sum_row_256(const int type, const uint8_t *s, size_t blocks, const int8_t *x, const int16_t *sums,
                        size_t r, const stream_ahead *ahead, size_t done, size_t stream, table_256 *table) {
  const size_t step = block_bytes(type);
#pragma clang loop unroll(disable)
  for (size_t b = 0; b < blocks; b++, s += step, x += 256, sums += SUMS_256, done += step) {
    prefetch_block(ahead_of(ahead, done, s, stream), step);
    block_sums block = narrow_sums_of(type, s, x, sums);
    if (has_mins(type)) {
      __m128i *halves = (__m128i *)&table->sums[8 * b + r];
      halves[0] = half_sums(block.products);
      halves[1] = has_groups_of_16(type) ? half_sums(block.mins) : _mm256_castsi256_si128(block.mins);
      table->dmin[8 * b + r] = block.dmin;
    } else {
      table->sums[8 * b + r] = block.products;
    }
    table->d[8 * b + r] = block.d;
  }
}

INLINE __m256 add_blocks_256(const int type, const table_256 *table, size_t blocks, const float *scales, __m256 y) {
  for (size_t b = 0; b < blocks; b++) {
    __m256 dx = _mm256_set1_ps(scales[b]);
    __m256 dw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(table->d + 8 * b)));
    lane_sums sums = lane_sums_of_8(table->sums + 8 * b);
    if (has_mins(type)) {
      y = _mm256_fmadd_ps(_mm256_mul_ps(dw, dx), _mm256_cvtepi32_ps(sums.low), y);
      __m256 mw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(table->dmin + 8 * b)));
      y = _mm256_fnmadd_ps(_mm256_mul_ps(mw, dx), _mm256_cvtepi32_ps(sums.high), y);
    } else {
      __m256i sum = _mm256_add_epi32(sums.low, sums.high);
      y = _mm256_fmadd_ps(_mm256_mul_ps(dw, dx), _mm256_cvtepi32_ps(sum), y);
    }
  }
  return y;
}

// Does the steps of a band; what it returns says whether the next band's first lines were asked for.
INLINE const cdk_band *vector_256(const int type, const cdk_band *band, band_course *course, int is_expected) {
  const uint8_t *weights = band_weights(band);
  const size_t step = block_bytes(type), blocks = band->columns / 256, row_bytes = band->row_bytes;
  table_256 tables[STREAMS];
  // Rows that a last tile does not have are added up, too.
  if (band->rows % 8) memset(tables, 0, sizeof tables);
  stream_ahead ahead;
  begin_streams(band, course, is_expected, &ahead);
  for (int is_first = 1; next_step(course, is_first); is_first = 0) {
    const tile_group tiles = tiles_of(course->step, band->rows, ahead.whole);
    set_ahead(band, course, tiles, &ahead);
    for (size_t t = 0; t < band->token_count; t++) {
      const cdk_token *token = band->tokens + t;
      float *out = token->y + band->first_row + tiles.first;
      __m256 y[STREAMS];
      for (size_t j = 0; j < tiles.tiles; j++) y[j] = _mm256_setzero_ps();
      for (size_t b0 = 0; b0 < blocks; b0 += TABLE_BLOCKS) {
        size_t n = blocks - b0 < TABLE_BLOCKS ? blocks - b0 : TABLE_BLOCKS;
        for (size_t r = 0; r < tiles.rows; r++)
          for (size_t j = 0; j < tiles.tiles; j++)
            sum_row_256(type, weights + (tiles.first + j * tiles.apart + r) * row_bytes + b0 * step, n,
                        token->codes + 256 * b0, token->sums + SUMS_256 * b0, r, &ahead, r * row_bytes + b0 * step, j,
                        &tables[j]);
        for (size_t j = 0; j < tiles.tiles; j++)
          y[j] = add_blocks_256(type, &tables[j], n, token->scales + b0, y[j]);
      }
      for (size_t j = 0; j < tiles.tiles; j++) store_rows(y[j], tiles.rows, out + j * tiles.apart);
    }
  }
  return ahead.behind;
}

// Blocks of 32 columns that a table holds, and how many of them are summed at a time.
#define TABLE_BLOCKS_32 64
#define BLOCKS_AT_ONCE 8

// What waits of a tile's blocks: integer sums of each row's, the scales of each block's rows.
typedef struct {
  int32_t sums[8][TABLE_BLOCKS_32];
  scales_of_8 scales[TABLE_BLOCKS_32];
} table_32;

// A token as products want it.
typedef struct {
  __attribute__((aligned(64))) int8_t codes[32 * TABLE_BLOCKS_32];
  // What the sum of a block is too large by.
  int32_t excess[TABLE_BLOCKS_32];
  arranged_state state;
} token_32;

// The sums of products of eight blocks from `s` on with 256 codes.
typedef __m256i (*totals_of_8)(const int type, const uint8_t *s, const int8_t *x);
// The order in which `totals_of_8` wants the codes: which 16 columns come at place `piece`.
typedef size_t (*piece_order)(const int type, const size_t piece);

// Arranges `blocks` blocks of a token from block `first` on; zeros follow up to a whole group.
INLINE void arrange_32(const int type, const piece_order order, const int offset, const cdk_token *token, size_t first,
                       size_t blocks, token_32 *out) {
  memset(out->excess, 0, sizeof out->excess);
  for (size_t b = 0; b < blocks; b++) out->excess[b] = offset * token->sums[first + b];
  for (size_t b = 0; b < blocks; b += BLOCKS_AT_ONCE) {
#pragma clang loop unroll(full)
    for (size_t piece = 0; piece < 16; piece++) {
      const size_t at = 32 * b + 16 * order(type, piece);
      int8_t *to = out->codes + 32 * b + 16 * piece;
      if (at < 32 * blocks) memcpy(to, token->codes + 32 * first + at, 16);
      else memset(to, 0, 16);
    }
  }
}

INLINE void sum_row_32(const int type, const totals_of_8 totals_of, const uint8_t *s, size_t blocks, const token_32 *x,
                       size_t r, const stream_ahead *ahead, size_t done, size_t stream, table_32 *table) {
  const size_t step = block_bytes(type);
  uint8_t rest[BLOCKS_AT_ONCE * B_Q8_0];
  for (size_t b = 0; b < blocks; b += BLOCKS_AT_ONCE, s += BLOCKS_AT_ONCE * step, done += BLOCKS_AT_ONCE * step) {
    prefetch_block(ahead_of(ahead, done, s, stream), BLOCKS_AT_ONCE * step);
    const uint8_t *eight = s;
    if (blocks - b < BLOCKS_AT_ONCE) {
      memset(rest, 0, sizeof rest);
      memcpy(rest, s, (blocks - b) * step);
      eight = rest;
    }
    __m256i excess = _mm256_loadu_si256((const __m256i *)(x->excess + b));
    __m256i sums = _mm256_sub_epi32(totals_of(type, eight, x->codes + 32 * b), excess);
    _mm256_storeu_si256((__m256i *)(table->sums[r] + b), sums);
    for (size_t k = 0; k < BLOCKS_AT_ONCE; k++) collect_scale(type, eight + k * step, &table->scales[b + k], r);
  }
}

INLINE __m256 add_blocks_32(const int type, const table_32 *table, size_t blocks, const float *scales,
                            const int16_t *xsums, __m256 y) {
  for (size_t b0 = 0; b0 < blocks; b0 += BLOCKS_AT_ONCE) {
    __m256i rows[8], sums[8];
    for (size_t r = 0; r < 8; r++) rows[r] = _mm256_loadu_si256((const __m256i *)(table->sums[r] + b0));
    transpose_8x8(rows, sums);
    size_t end = blocks - b0 < BLOCKS_AT_ONCE ? blocks : b0 + BLOCKS_AT_ONCE;
    for (size_t b = b0; b < end; b++) {
      const collected_scales w = collected(type, &table->scales[b]);
      __m256 scale = _mm256_mul_ps(w.d, _mm256_set1_ps(scales[b]));
      y = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(sums[b - b0]), y);
      if (has_mins(type)) y = _mm256_fmadd_ps(w.m, _mm256_set1_ps(scales[b] * (float)xsums[b]), y);
    }
  }
  return y;
}

// Does the steps of a band, as `vector_256`. `offset` is how much larger than the true codes those of `totals_of` are.
INLINE const cdk_band *vector_32(const int type, const totals_of_8 totals_of, const piece_order order, const int offset,
                                 const cdk_band *band, band_course *course, int is_expected, token_32 *arranged) {
  const uint8_t *weights = band_weights(band);
  const size_t step = block_bytes(type), blocks = band->columns / 32, row_bytes = band->row_bytes;
  table_32 tables[STREAMS];
  // Rows that a last tile does not have are added up, too.
  if (band->rows % 8) memset(tables, 0, sizeof tables);
  stream_ahead ahead;
  begin_streams(band, course, is_expected, &ahead);
  for (int is_first = 1; next_step(course, is_first); is_first = 0) {
    const tile_group tiles = tiles_of(course->step, band->rows, ahead.whole);
    set_ahead(band, course, tiles, &ahead);
    for (size_t t = 0; t < band->token_count; t++) {
      const cdk_token *token = band->tokens + t;
      token_32 *x = arranged + t;
      float *out = token->y + band->first_row + tiles.first;
      __m256 y[STREAMS];
      for (size_t j = 0; j < tiles.tiles; j++) y[j] = _mm256_setzero_ps();
      for (size_t b0 = 0; b0 < blocks; b0 += TABLE_BLOCKS_32) {
        size_t n = blocks - b0 < TABLE_BLOCKS_32 ? blocks - b0 : TABLE_BLOCKS_32;
        if (!is_arranged(&x->state, type, token, b0)) arrange_32(type, order, offset, token, b0, n, x);
        for (size_t r = 0; r < tiles.rows; r++)
          for (size_t j = 0; j < tiles.tiles; j++)
            sum_row_32(type, totals_of, weights + (tiles.first + j * tiles.apart + r) * row_bytes + b0 * step, n, x, r,
                       &ahead, r * row_bytes + b0 * step, j, &tables[j]);
        for (size_t j = 0; j < tiles.tiles; j++)
          y[j] = add_blocks_32(type, &tables[j], n, token->scales + b0, token->sums + b0, y[j]);
      }
      for (size_t j = 0; j < tiles.tiles; j++) store_rows(y[j], tiles.rows, out + j * tiles.apart);
    }
  }
  return ahead.behind;
}

INLINE size_t narrow_order(const int type, const size_t piece) {
  (void)type;
  return piece;
}

INLINE __m256i narrow_totals_of(const int type, const uint8_t *s, const int8_t *x) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i lanes[8];
  for (size_t k = 0; k < 8; k++)
    lanes[k] = _mm256_madd_epi16(
        pair_products(has_signed_codes(type), load_32(type, s + k * block_bytes(type)),
                      load_bytes((const uint8_t *)x + 32 * k)),
        ones);
  return sums_of_8(lanes);
}

#endif
