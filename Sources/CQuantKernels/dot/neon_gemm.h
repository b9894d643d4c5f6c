// Products of a tile of eight rows with one to four tokens at a time.

#ifndef NEON_GEMM_H
#define NEON_GEMM_H

#include "neon_tile.h"

// Tokens and tiles whose results wait while columns are gone through: 32 KB.
#define TILE_TOKENS 128
#define TILE_COUNT 8
// Tokens whose sums stay in registers.
#define STEP_TOKENS 4

// Integer sums of some columns: for `sdot`, sums[2t + h] belongs to token t and rows 4h to 4h + 3. For `smmla`,
// sums[4u + p] belongs to tokens 2u and 2u + 1 and rows 2p and 2p + 1, two rows of the first token first.
typedef struct {
  int32x4_t v[8];
} token_sums;

#if NEON_MATRIX
// Registers of `count` tokens; a last one without a partner is paired with itself.
#define SUM_COUNT(count) (((count) + 1) / 2 * 4)
#else
#define SUM_COUNT(count) ((count) * 2)
#endif

// Codes of four tokens and 16 columns. With `sdot`, one register per token; with `smmla`, two per two tokens: eight
// columns of the first and the second token, then the other eight.
typedef struct {
  int8x16_t v[STEP_TOKENS];
} step_codes;

// Of four tokens, 32 columns: codes; for types with blocks of 32 also the scales, and these times the sums of codes,
// for `smmla` twice each, as two rows need them.
#if NEON_MATRIX
#define SCALE_COPIES 2
#else
#define SCALE_COPIES 1
#endif
typedef struct {
  step_codes codes[2];
  float32x4_t scales[SCALE_COPIES], sums[SCALE_COPIES];
} step_block;

// The activations of some columns, as products read them.
typedef struct {
  step_block steps[TILE_TOKENS / STEP_TOKENS][TILE_BLOCKS];
} token_columns;

// `n` columns, a multiple of 32, from column `first` on; the last token stands in for those that a step lacks.
static void collect_columns(const cdk_token *tokens, size_t count, size_t first, size_t n, token_columns *x) {
  for (size_t t = 0; t < count; t += STEP_TOKENS) {
    const int8_t *from[STEP_TOKENS];
    for (size_t i = 0; i < STEP_TOKENS; i++) from[i] = tokens[t + i < count ? t + i : count - 1].codes + first;
    step_block *to = x->steps[t / STEP_TOKENS];
    for (size_t c = 0; c < n; c += 32)
      UNROLLED
      for (size_t k = c; k < c + 32; k += 16) {
        UNROLLED
        for (size_t i = 0; i < STEP_TOKENS; i += 2) {
          int8x16_t a = vld1q_s8(from[i] + k), b = vld1q_s8(from[i + 1] + k);
#if NEON_MATRIX
          int64x2_t p = vreinterpretq_s64_s8(a), q = vreinterpretq_s64_s8(b);
          a = vreinterpretq_s8_s64(vzip1q_s64(p, q));
          b = vreinterpretq_s8_s64(vzip2q_s64(p, q));
#endif
          to[c / 32].codes[k / 16 % 2].v[i] = a;
          to[c / 32].codes[k / 16 % 2].v[i + 1] = b;
        }
      }
  }
}

INLINE void store_scales(float32x4_t v, float32x4_t to[SCALE_COPIES]) {
#if NEON_MATRIX
  to[0] = vzip1q_f32(v, v);
  to[1] = vzip2q_f32(v, v);
#else
  to[0] = v;
#endif
}

// The scales of `n` blocks of 32 columns from block b on; sums only for types that have minimums.
INLINE void collect_scales(const int mins, const cdk_token *tokens, size_t count, size_t b, size_t n,
                           token_columns *x) {
  for (size_t t = 0; t < count; t += STEP_TOKENS) {
    const cdk_token *from[STEP_TOKENS];
    for (size_t i = 0; i < STEP_TOKENS; i++) from[i] = tokens + (t + i < count ? t + i : count - 1);
    step_block *to = x->steps[t / STEP_TOKENS];
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
      uint32x4_t rows[4], blocks[4];
      UNROLLED
      for (int k = 0; k < 4; k++) rows[k] = vreinterpretq_u32_f32(vld1q_f32(from[k]->scales + b + i));
      transpose_words(rows, blocks);
      UNROLLED
      for (size_t k = 0; k < 4; k++) store_scales(vreinterpretq_f32_u32(blocks[k]), to[i + k].scales);
    }
    for (; i < n; i++) {
      float32x4_t v = vdupq_n_f32(0);
      UNROLLED
      for (size_t k = 0; k < STEP_TOKENS; k++) v[k] = from[k]->scales[b + i];
      store_scales(v, to[i].scales);
    }
    for (i = 0; mins && i < n; i++) {
      float32x4_t v = vdupq_n_f32(0);
      UNROLLED
      for (size_t k = 0; k < STEP_TOKENS; k++) v[k] = from[k]->scales[b + i] * (float)from[k]->sums[b + i];
      store_scales(v, to[i].sums);
    }
  }
}

INLINE void clear_sums(const int count, token_sums *s) {
  UNROLLED
  for (int i = 0; i < SUM_COUNT(count); i++) s->v[i] = vdupq_n_s32(0);
}

// Adds the products of 16 columns.
INLINE void add_columns(const int count, const int8x16_t codes[8], const step_codes *x, token_sums *s) {
#if NEON_MATRIX
  UNROLLED
  for (int p = 0; p < 4; p++)
    UNROLLED
    for (int h = 0; h < 2; h++) {
      int8x16_t w = codes[2 * p + h];
      UNROLLED
      for (int u = 0; u < (count + 1) / 2; u++) s->v[4 * u + p] = vmmlaq_s32(s->v[4 * u + p], x->v[2 * u + h], w);
    }
#else
#define WORD(K)                                                                                           \
  UNROLLED                                                                                                \
  for (int h = 0; h < 2; h++) {                                                                           \
    int8x16_t w = codes[2 * K + h];                                                                       \
    UNROLLED                                                                                              \
    for (int t = 0; t < count; t++) s->v[2 * t + h] = vdotq_laneq_s32(s->v[2 * t + h], w, x->v[t], K);    \
  }
  WORD(0) WORD(1) WORD(2) WORD(3)
#undef WORD
#endif
}

// Adds sums times the scales of their rows.
INLINE void add_scaled(const int count, token_sums *total, const token_sums *part, const int32x4_t scales[2]) {
#if NEON_MATRIX
  UNROLLED
  for (int p = 0; p < 4; p++) {
    int32x4_t w = vreinterpretq_s32_s64(vld1q_dup_s64((const int64_t *)scales + p));
    UNROLLED
    for (int u = 0; u < (count + 1) / 2; u++)
      total->v[4 * u + p] = vmlaq_s32(total->v[4 * u + p], part->v[4 * u + p], w);
  }
#else
  UNROLLED
  for (int i = 0; i < 2 * count; i++) total->v[i] = vmlaq_s32(total->v[i], part->v[i], scales[i % 2]);
#endif
}

// The sums of token t with rows 4h to 4h + 3.
INLINE int32x4_t sums_of(const token_sums *s, const int t, const int h) {
#if NEON_MATRIX
  int64x2_t a = vreinterpretq_s64_s32(s->v[4 * (t / 2) + 2 * h]);
  int64x2_t b = vreinterpretq_s64_s32(s->v[4 * (t / 2) + 2 * h + 1]);
  return vreinterpretq_s32_s64(t % 2 ? vtrn2q_s64(a, b) : vtrn1q_s64(a, b));
#else
  return s->v[2 * t + h];
#endif
}

// Minimums of a block times sums of activations, rows in lanes.
INLINE void tile_min_sums(const int groups_of_16, const neon_tile *tile, const int16_t *sums, int32x4_t m[2]) {
  m[0] = m[1] = vdupq_n_s32(0);
  UNROLLED
  for (int i = 0; i < (groups_of_16 ? 2 : 1); i++) {
    int16x8_t x = vld1q_s16(sums + (groups_of_16 ? 8 * i : 16));
#define GROUP(J)                                                                          \
  m[0] = vmlal_laneq_s16(m[0], vget_low_s16(tile->mins[8 * i + J]), x, J);                \
  m[1] = vmlal_high_laneq_s16(m[1], tile->mins[8 * i + J], x, J);
    GROUP(0) GROUP(1) GROUP(2) GROUP(3) GROUP(4) GROUP(5) GROUP(6) GROUP(7)
#undef GROUP
  }
}

// One block of 256 columns.
INLINE void multiply_256(const int count, const int groups_of_16, const int mins, const neon_tile *tile,
                         const cdk_token *tokens, const step_block *x, size_t b, float32x4_t y[][2]) {
  token_sums isum;
  clear_sums(count, &isum);
#pragma clang loop unroll(disable)
  for (size_t g = 0; g < 8; g++) {
    const tile_block *w = tile->blocks + g;
    token_sums part;
    clear_sums(count, &part);
    add_columns(count, w->codes[0], x[g].codes, &part);
    if (groups_of_16) {
      add_scaled(count, &isum, &part, w->scales[0]);
      clear_sums(count, &part);
    }
    add_columns(count, w->codes[1], x[g].codes + 1, &part);
    add_scaled(count, &isum, &part, w->scales[groups_of_16]);
  }
  UNROLLED
  for (int t = 0; t < count; t++) {
    float dx = tokens[t].scales[b];
    int32x4_t m[2];
    if (mins) tile_min_sums(groups_of_16, tile, tokens[t].sums + SUMS_256 * b, m);
    UNROLLED
    for (int h = 0; h < 2; h++) {
      y[t][h] = vfmaq_f32(y[t][h], vmulq_n_f32(tile->d[h], dx), vcvtq_f32_s32(sums_of(&isum, t, h)));
      if (mins) y[t][h] = vfmsq_f32(y[t][h], vmulq_n_f32(tile->m[h], dx), vcvtq_f32_s32(m[h]));
    }
  }
}

// Up to TILE_BLOCKS blocks of 32 columns. Results lie as the integer sums do, so that these need not be moved for every
// block; `settle` moves them in the end.
INLINE void multiply_32(const int count, const int mins, const tile_block *w, const step_block *x, size_t blocks,
                        float32x4_t *out) {
  float32x4_t y[8];
  UNROLLED
  for (int i = 0; i < SUM_COUNT(count); i++) y[i] = out[i];
#pragma clang loop unroll(disable)
  for (size_t i = 0; i < blocks; i++, w++, x++) {
    token_sums isum;
    clear_sums(count, &isum);
    add_columns(count, w->codes[0], x->codes, &isum);
    add_columns(count, w->codes[1], x->codes + 1, &isum);
    UNROLLED
    for (int k = 0; k < SUM_COUNT(count); k++) {
      const float32x4_t d = w->d[k % SCALE_COUNT], m = w->m[k % SCALE_COUNT];
      const int u = k / SCALE_COUNT;
#if NEON_MATRIX
      y[k] = vfmaq_f32(y[k], vmulq_f32(d, x->scales[u]), vcvtq_f32_s32(isum.v[k]));
      if (mins) y[k] = vfmaq_f32(y[k], m, x->sums[u]);
#else
      y[k] = vfmaq_f32(y[k], vmulq_n_f32(d, x->scales[0][u]), vcvtq_f32_s32(isum.v[k]));
      if (mins) y[k] = vfmaq_n_f32(y[k], m, x->sums[0][u]);
#endif
    }
  }
  UNROLLED
  for (int i = 0; i < SUM_COUNT(count); i++) out[i] = y[i];
}

// From the arrangement of `multiply_32` to two registers per token, of `count` tokens.
INLINE void settle(float32x4_t y[][2], size_t count) {
#if NEON_MATRIX
  for (size_t t = 0; t < count; t += STEP_TOKENS) {
    token_sums s;
    memcpy(&s, y + t, sizeof s);
    UNROLLED
    for (int i = 0; i < STEP_TOKENS; i++)
      UNROLLED
      for (int h = 0; h < 2; h++) y[t + (size_t)i][h] = vreinterpretq_f32_s32(sums_of(&s, i, h));
  }
#else
  (void)y, (void)count;
#endif
}

// What does not depend on a type beyond its kind is compiled once per kind and number of tokens in a step.
#define FOR_COUNTS(X) X(1) X(2) X(3) X(4)
#define EACH_STEP(COUNT, CALL)                                                                                 \
  for (size_t i = 0; i < steps; i++, tokens += COUNT, x += TILE_BLOCKS, y += COUNT) CALL;
#define DEFINE(COUNT)                                                                                          \
  static __attribute__((noinline)) void groups_of_16_##COUNT(                                                  \
      const int mins, const neon_tile *tile, const cdk_token *tokens, size_t steps, const step_block *x,       \
      size_t b, float32x4_t (*y)[2]) {                                                                         \
    if (mins) EACH_STEP(COUNT, multiply_256(COUNT, 1, 1, tile, tokens, x, b, y))                               \
    else EACH_STEP(COUNT, multiply_256(COUNT, 1, 0, tile, tokens, x, b, y))                                    \
  }                                                                                                            \
  static __attribute__((noinline)) void groups_of_32_##COUNT(                                                  \
      const int mins, const neon_tile *tile, const cdk_token *tokens, size_t steps, const step_block *x,       \
      size_t b, float32x4_t (*y)[2]) {                                                                         \
    if (mins) EACH_STEP(COUNT, multiply_256(COUNT, 0, 1, tile, tokens, x, b, y))                               \
    else EACH_STEP(COUNT, multiply_256(COUNT, 0, 0, tile, tokens, x, b, y))                                    \
  }                                                                                                            \
  static __attribute__((noinline)) void blocks_of_32_##COUNT(                                                  \
      const int mins, const neon_tile *tile, const cdk_token *tokens, size_t steps, const step_block *x,       \
      size_t blocks, float32x4_t (*y)[2]) {                                                                    \
    if (mins) EACH_STEP(COUNT, multiply_32(COUNT, 1, tile->blocks, x, blocks, *y))                             \
    else EACH_STEP(COUNT, multiply_32(COUNT, 0, tile->blocks, x, blocks, *y))                                  \
  }
FOR_COUNTS(DEFINE)
#undef DEFINE
#undef EACH_STEP

INLINE void store_tile(const float32x4_t y[2], size_t rows, float *out) {
  if (rows < 8) {
    memcpy(out, y, 4 * rows);
  } else {
    vst1q_f32(out, y[0]);
    vst1q_f32(out + 4, y[1]);
  }
}

// One tile with all tokens: full steps, then a shorter one. `b` and `blocks` as in `gemm_of`.
INLINE void tile_with_tokens(const int type, const neon_tile *tile, const cdk_token *tokens, size_t count,
                             const token_columns *columns, size_t b, size_t blocks, float32x4_t y[][2]) {
  const size_t full = count / STEP_TOKENS, t = full * STEP_TOKENS;
  const int mins = has_mins(type);
#define STEPS(COUNT, FIRST, HOW_MANY)                                                                         \
  do {                                                                                                        \
    const step_block *x = columns->steps[(FIRST) / STEP_TOKENS];                                              \
    if (!is_256(type)) blocks_of_32_##COUNT(mins, tile, tokens + (FIRST), HOW_MANY, x, blocks, y + (FIRST));  \
    else if (has_groups_of_16(type))                                                                          \
      groups_of_16_##COUNT(mins, tile, tokens + (FIRST), HOW_MANY, x, b, y + (FIRST));                        \
    else groups_of_32_##COUNT(mins, tile, tokens + (FIRST), HOW_MANY, x, b, y + (FIRST));                     \
  } while (0)
  STEPS(4, 0, full);
  switch (count - t) {
    case 1: STEPS(1, t, 1); break;
    case 2: STEPS(2, t, 1); break;
    case 3: STEPS(3, t, 1); break;
    default: break;
  }
#undef STEPS
}

// Some tiles go through the columns together, so that activations are collected once for all of them.
INLINE void gemm_of(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                    const cdk_token *tokens, size_t count, size_t first_row) {
  neon_tile tile;
  token_columns x;
  float32x4_t y[TILE_COUNT][TILE_TOKENS][2];
  const size_t length = is_256(type) ? 256 : 32, at_once = is_256(type) ? 1 : TILE_BLOCKS;
  const size_t steps = (count + STEP_TOKENS - 1) / STEP_TOKENS;
  for (size_t r0 = 0; r0 < rows; r0 += 8 * TILE_COUNT) {
    size_t tiles = rows - r0 < 8 * TILE_COUNT ? (rows - r0 + 7) / 8 : TILE_COUNT;
    for (size_t i = 0; i < tiles; i++) memset(y[i], 0, steps * STEP_TOKENS * sizeof y[i][0]);
    for (size_t b = 0; b < columns / length; b += at_once) {
      size_t blocks = columns / length - b < at_once ? columns / length - b : at_once;
      collect_columns(tokens, count, b * length, blocks * length, &x);
      if (!is_256(type)) collect_scales(has_mins(type), tokens, count, b, blocks, &x);
      for (size_t i = 0; i < tiles; i++) {
        size_t r = r0 + 8 * i;
        const uint8_t *w = weights + r * row_bytes + b * block_bytes(type);
        if (is_256(type)) fill_256(type, w, row_bytes, rows - r, &tile);
        else fill_32(type, w, row_bytes, rows - r, blocks, &tile);
        tile_with_tokens(type, &tile, tokens, count, &x, b, blocks, y[i]);
      }
    }
    for (size_t i = 0; i < tiles; i++) {
      if (!is_256(type)) settle(y[i], count);
      for (size_t t = 0; t < count; t++)
        store_tile(y[i][t], rows - r0 - 8 * i, tokens[t].y + first_row + r0 + 8 * i);
    }
  }
}

#define DEFINE(NAME)                                                                                     \
  static __attribute__((noinline)) void gemm_##NAME(const uint8_t *w, size_t row_bytes, size_t rows,     \
                                                    size_t columns, const cdk_token *tokens,             \
                                                    size_t count, size_t first_row) {                    \
    gemm_of(T_##NAME, w, row_bytes, rows, columns, tokens, count, first_row);                            \
  }
FOR_TYPES_256(DEFINE)
FOR_TYPES_32(DEFINE)
#undef DEFINE

// The number of tokens from which on tiles take fewer instructions than products without them, which unpack weights
// once for two tokens: the more work it is to unpack a type, the sooner.
INLINE size_t tile_pays_from(int type) {
  switch (type) {
    case T_Q2_K: case T_Q3_K: case T_Q5_K: case T_Q6_K: case T_Q5_0: case T_Q5_1: return 3;
    default: return 4;
  }
}

// Any number of tokens.
static void gemm(const cdk_band *band) {
  const uint8_t *w = band_weights(band);
  const size_t row_bytes = band->row_bytes, rows = band->rows, columns = band->columns, first_row = band->first_row;
  for (size_t t = 0; t < band->token_count; t += TILE_TOKENS) {
    const cdk_token *tokens = band->tokens + t;
    size_t n = band->token_count - t < TILE_TOKENS ? band->token_count - t : TILE_TOKENS;
    switch (band->type) {
#define CASE(NAME) case T_##NAME: gemm_##NAME(w, row_bytes, rows, columns, tokens, n, first_row); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
}

#endif
