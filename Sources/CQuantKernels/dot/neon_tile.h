// Eight rows and 256 or 512 columns of weights, arranged for products with many tokens.
//
// NEON_MATRIX says which byte products the including file has: 1 for two rows with two tokens over eight columns
// (`smmla`), 0 for four rows with one token over four columns (`sdot`). Sums are integers, so both are exact.

#ifndef NEON_TILE_H
#define NEON_TILE_H

#include "neon_unpack.h"

#define TILE_COLUMNS 512
// Blocks of 32 columns in a tile.
#define TILE_BLOCKS (TILE_COLUMNS / 32)

#if NEON_MATRIX
#define SCALE_COUNT 4
#else
#define SCALE_COUNT 2
#endif

// 32 columns; what belongs together is read with one pointer.
typedef struct {
  // Of 16 columns: eight registers. For `sdot`, register 2k + h holds columns 4k to 4k + 3 of rows 4h to 4h + 3; for
  // `smmla`, register 2p + h holds columns 8h to 8h + 7 of rows 2p and 2p + 1.
  int8x16_t codes[2][8];
  union {
    // Types of 256: the scales of the columns, or of each 16 of them.
    int32x4_t scales[2][2];
    // Other types: of the block, as its sums are arranged.
    struct {
      float32x4_t d[SCALE_COUNT], m[SCALE_COUNT];
    };
  };
} tile_block;

typedef struct {
  tile_block blocks[TILE_BLOCKS];
  // Types of 256: minimums of groups; scales of the block, rows 4h to 4h + 3 in register h.
  int16x8_t mins[16];
  float32x4_t d[2], m[2];
} neon_tile;

// Puts 16 columns of rows 4h to 4h + 3 in their places.
INLINE void arrange(const int8x16_t q[4], int8x16_t codes[8], const int h) {
#if NEON_MATRIX
  UNROLLED
  for (int p = 0; p < 2; p++) {
    int64x2_t a = vreinterpretq_s64_s8(q[2 * p]), b = vreinterpretq_s64_s8(q[2 * p + 1]);
    codes[2 * (2 * h + p)] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
    codes[2 * (2 * h + p) + 1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
  }
#else
  uint32x4_t r[4], words[4];
  UNROLLED
  for (int i = 0; i < 4; i++) r[i] = vreinterpretq_u32_s8(q[i]);
  transpose_words(r, words);
  UNROLLED
  for (int k = 0; k < 4; k++) codes[2 * k + h] = vreinterpretq_s8_u32(words[k]);
#endif
}

INLINE void fill_256(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, neon_tile *tile) {
  const int8x16_t table = code_table(type), offset = vdupq_n_s8((int8_t)code_offset(type));
#pragma clang loop unroll(disable)
  for (int half = 0; half < 2; half++) {
    const uint8_t *s[4];
    four_rows(weights, row_bytes, rows, 4 * (size_t)half, s);
    four_heads heads = load_heads(type, s);
    tile->d[half] = heads.d;
    if (has_mins(type)) tile->m[half] = heads.dmin;
    UNROLLED
    for (int g = 0; g < (has_groups_of_16(type) ? 16 : 8); g++) {
      const int wide = !has_groups_of_16(type);
      tile->blocks[wide ? g : g / 2].scales[wide ? 0 : g % 2][half] = group_scale(type, &heads, g);
      if (has_mins(type)) vst1_s16((int16_t *)&tile->mins[g] + 4 * half, vmovn_s32(group_min(&heads, g)));
    }
    UNROLLED
    for (int i = 0; i < 4; i++) {
      quarter w[4];
      UNROLLED
      for (int r = 0; r < 4; r++) w[r] = load_quarter(type, s[r], i);
      UNROLLED
      for (int k = 0; k < 4; k++) {
        int8x16_t q[4];
        UNROLLED
        for (int r = 0; r < 4; r++) {
          q[r] = code_256(type, &w[r], i, k, table);
          if (code_offset(type)) q[r] = vsubq_s8(q[r], offset);
        }
        const int at = columns_of(type, i, k);
        arrange(q, tile->blocks[at / 2].codes[at % 2], half);
      }
    }
  }
}

// Puts the scales of rows 4h to 4h + 3 in their places: for `smmla`, those of two rows twice.
INLINE void arrange_scales(float32x4_t d, float32x4_t to[SCALE_COUNT], const int h) {
#if NEON_MATRIX
  float64x2_t v = vreinterpretq_f64_f32(d);
  to[2 * h] = vreinterpretq_f32_f64(vzip1q_f64(v, v));
  to[2 * h + 1] = vreinterpretq_f32_f64(vzip2q_f64(v, v));
#else
  to[h] = d;
#endif
}

// `blocks` blocks of 32 columns, at most TILE_BLOCKS.
INLINE void fill_32(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t blocks,
                    neon_tile *tile) {
  const size_t step = block_bytes(type);
  const int8x16_t table = code_table(type), offset = vdupq_n_s8((int8_t)code_offset(type));
  UNROLLED
  for (int half = 0; half < 2; half++) {
    const uint8_t *s[4];
    four_rows(weights, row_bytes, rows, 4 * (size_t)half, s);
#pragma clang loop unroll_count(4)
    for (size_t b = 0; b < blocks; b++) {
      int8x16_t q[4][2], part[4];
      UNROLLED
      for (int r = 0; r < 4; r++) codes_32(type, s[r], table, q[r]);
      UNROLLED
      for (int i = 0; i < 2; i++) {
        UNROLLED
        for (int r = 0; r < 4; r++) part[r] = code_offset(type) ? vsubq_s8(q[r][i], offset) : q[r][i];
        arrange(part, tile->blocks[b].codes[i], half);
      }
      four_scales scale = scales_32(type, s, step);
      arrange_scales(scale.d, tile->blocks[b].d, half);
      if (has_mins(type)) arrange_scales(scale.m, tile->blocks[b].m, half);
    }
  }
}

#endif
