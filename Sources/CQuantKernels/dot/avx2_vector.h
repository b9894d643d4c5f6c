// Products of one token with eight rows at a time: a stream over the weights, codes used where they are unpacked.
//
// Rows are read one after the other, so that memory sees a single ascending stream; walking eight rows side by side
// reaches half of its bandwidth. What the f32 sums need of a block (integer sums, scales) waits in a small table
// until all eight rows have it, since there the rows are the lanes.

#ifndef AVX2_VECTOR_H
#define AVX2_VECTOR_H

#include "avx2_unpack.h"

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

// Blocks of 256 columns that a table holds: 4 KB of sums.
#define TABLE_BLOCKS 16
// How far ahead of the use weights are asked for, in bytes.
#define PREFETCH_DISTANCE 8192

INLINE void prefetch_block(const uint8_t *s, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) _mm_prefetch((const char *)s + PREFETCH_DISTANCE + line, _MM_HINT_T0);
}

// What the f32 sums need of a block in one row: integer sums, still in lanes.
typedef struct {
  __m256i products;
  __m256i mins;
  uint16_t d;
  uint16_t dmin;
} block_sums;

// Sums of a block of 256 weights at `s` with codes `x` and their sums.
typedef block_sums (*block_sums_of)(const int type, const uint8_t *s, const int8_t *x, const int16_t *sums);

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

// The order in which `block_sums_of` wants the codes of a block: which 16 columns come at place `piece`.
typedef size_t (*piece_order)(const int type, const size_t piece);

INLINE void vector_256(const int type, const block_sums_of sums_of, const piece_order order, const uint8_t *weights,
                       size_t row_bytes, size_t rows, size_t columns, const cdk_token *token, float *out) {
  const size_t step = block_bytes(type), blocks = columns / 256;
  // Entry 8 * block + row: eight lanes of products, or four of products and four of minimums.
  __m256i table[8 * TABLE_BLOCKS];
  uint16_t d[8 * TABLE_BLOCKS], dmin[8 * TABLE_BLOCKS];
  __attribute__((aligned(64))) int8_t arranged[256 * TABLE_BLOCKS];
  size_t arranged_at = blocks;
  for (size_t r0 = 0; r0 < rows; r0 += 8) {
    const uint8_t *tile = weights + r0 * row_bytes;
    size_t last = rows - r0 < 8 ? rows - r0 - 1 : 7;
    __m256 y = _mm256_setzero_ps();
    for (size_t b0 = 0; b0 < blocks; b0 += TABLE_BLOCKS) {
      size_t n = blocks - b0 < TABLE_BLOCKS ? blocks - b0 : TABLE_BLOCKS;
      if (order && arranged_at != b0) {
        for (size_t b = 0; b < n; b++)
          for (size_t piece = 0; piece < 16; piece++)
            memcpy(arranged + 256 * b + 16 * piece, token->codes + 256 * (b0 + b) + 16 * order(type, piece), 16);
        arranged_at = b0;
      }
      for (size_t r = 0; r < 8; r++) {
        const uint8_t *s = tile + (r < last ? r : last) * row_bytes + b0 * step;
        const int8_t *x = order ? arranged : token->codes + 256 * b0;
        const int16_t *sums = token->sums + SUMS_256 * b0;
#pragma clang loop unroll(disable)
        for (size_t b = 0; b < n; b++, s += step, x += 256, sums += SUMS_256) {
          prefetch_block(s, step);
          block_sums block = sums_of(type, s, x, sums);
          if (has_mins(type)) {
            __m128i *halves = (__m128i *)&table[8 * b + r];
            halves[0] = half_sums(block.products);
            halves[1] = has_groups_of_16(type) ? half_sums(block.mins) : _mm256_castsi256_si128(block.mins);
            dmin[8 * b + r] = block.dmin;
          } else {
            table[8 * b + r] = block.products;
          }
          d[8 * b + r] = block.d;
        }
      }
      for (size_t b = 0; b < n; b++) {
        __m256 dx = _mm256_set1_ps(token->scales[b0 + b]);
        __m256 dw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(d + 8 * b)));
        lane_sums sums = lane_sums_of_8(table + 8 * b);
        if (has_mins(type)) {
          y = _mm256_fmadd_ps(_mm256_mul_ps(dw, dx), _mm256_cvtepi32_ps(sums.low), y);
          __m256 mw = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(dmin + 8 * b)));
          y = _mm256_fnmadd_ps(_mm256_mul_ps(mw, dx), _mm256_cvtepi32_ps(sums.high), y);
        } else {
          __m256i sum = _mm256_add_epi32(sums.low, sums.high);
          y = _mm256_fmadd_ps(_mm256_mul_ps(dw, dx), _mm256_cvtepi32_ps(sum), y);
        }
      }
    }
    store_rows(y, rows - r0, out + r0);
  }
}

// The products of two blocks of 32, still in lanes.
typedef struct {
  __m256i blocks[2];
} pair_sums;

// Products of the blocks at `s` and `t` with the codes `x` and `y`.
typedef pair_sums (*pair_sums_of)(const int type, const uint8_t *s, const uint8_t *t, const uint8_t *x,
                                  const uint8_t *y);
// What the lanes of eight rows are together, for each block of the pair, row r in lane r.
typedef void (*pair_totals)(const pair_sums rows[8], __m256i totals[2]);

INLINE pair_sums narrow_pair_of(const int type, const uint8_t *s, const uint8_t *t, const uint8_t *x,
                                const uint8_t *y) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i first = pair_products(has_signed_codes(type), load_32(type, s), load_bytes(x));
  __m256i second = pair_products(has_signed_codes(type), load_32(type, t), load_bytes(y));
  return (pair_sums){{_mm256_madd_epi16(first, ones), _mm256_madd_epi16(second, ones)}};
}

INLINE void narrow_pair_totals(const pair_sums rows[8], __m256i totals[2]) {
  for (int h = 0; h < 2; h++) {
    __m256i lanes[8];
    for (int r = 0; r < 8; r++) lanes[r] = rows[r].blocks[h];
    totals[h] = sums_of_8(lanes);
  }
}

// `offset` is how much larger than the true codes those of `sums_of` are.
INLINE void vector_32(const int type, const pair_sums_of sums_of, const pair_totals totals_of, const int offset,
                      const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns, const cdk_token *token,
                      float *out) {
  enum { TABLE = 2 * TABLE_BLOCKS };
  const size_t step = block_bytes(type), blocks = columns / 32;
  // Entry 4 * block + row, for every other block; a block's scales and minimums are those of its eight rows.
  __attribute__((aligned(64))) pair_sums table[4 * TABLE];
  scales_of_8 d[TABLE], m[TABLE];
  for (size_t r0 = 0; r0 < rows; r0 += 8) {
    const uint8_t *tile = weights + r0 * row_bytes;
    size_t last = rows - r0 < 8 ? rows - r0 - 1 : 7;
    __m256 y = _mm256_setzero_ps();
    for (size_t b0 = 0; b0 < blocks; b0 += TABLE) {
      size_t n = blocks - b0 < TABLE ? blocks - b0 : TABLE;
      for (size_t r = 0; r < 8; r++) {
        const uint8_t *s = tile + (r < last ? r : last) * row_bytes + b0 * step;
        const uint8_t *x = (const uint8_t *)token->codes + 32 * b0;
        for (size_t b = 0; b < n; b += 2, s += 2 * step, x += 64) {
          prefetch_block(s, 2 * step);
          // A last block without a partner is taken twice, and its second sum left.
          const size_t has_partner = b + 1 < n;
          const uint8_t *t = s + has_partner * step;
          table[4 * b + r] = sums_of(type, s, t, x, x + 32 * has_partner);
          collect_scale(type, s, &d[b], r);
          collect_scale(type, t, &d[b + 1], r);
          if (has_mins(type)) {
            collect_min(s, &m[b], r);
            collect_min(t, &m[b + 1], r);
          }
        }
      }
      __m256i totals[2];
      for (size_t b = 0; b < n; b++) {
        if (b % 2 == 0) totals_of(table + 4 * b, totals);
        __m256i isum = totals[b % 2];
        int16_t xsum = token->sums[b0 + b];
        if (offset) isum = _mm256_sub_epi32(isum, _mm256_set1_epi32(offset * xsum));
        float dx = token->scales[b0 + b];
        __m256 scale = _mm256_mul_ps(collected(type, &d[b]), _mm256_set1_ps(dx));
        y = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(isum), y);
        if (has_mins(type)) y = _mm256_fmadd_ps(collected(type, &m[b]), _mm256_set1_ps(dx * (float)xsum), y);
      }
    }
    store_rows(y, rows - r0, out + r0);
  }
}

#endif
