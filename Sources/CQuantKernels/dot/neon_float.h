// Products in f32: one token as weights are unpacked, several tokens with tiles of four rows and 512 columns.

#ifndef NEON_FLOAT_H
#define NEON_FLOAT_H

#include "neon_weights.h"

// Tokens per pass, and tokens whose sums stay in registers: a multiple of these.
#define FLOAT_TOKENS 126
#define FLOAT_STEP 3

// Partial sums of a half of every 16 columns: eight per row and token.
typedef struct {
  float32x4_t v[FLOAT_ROWS][2];
} half_sums;

typedef struct {
  half_sums half[2][FLOAT_TOKENS];
} float_sums;

// Adds `n` columns from `first` on, the half `half` of every 16: with half of the partial sums, up to twelve pairs of
// row and token fit in the register file, and a register that was loaded serves more often.
INLINE void float_block(const int count, const float *w, const cdk_float_token *tokens, size_t first, size_t n,
                        half_sums *sums, const int half) {
  float32x4_t acc[FLOAT_STEP][FLOAT_ROWS][2];
  const float *x[FLOAT_STEP];
  UNROLLED
  for (int t = 0; t < count; t++) {
    x[t] = tokens[t].x + first + 8 * half;
    UNROLLED
    for (int r = 0; r < FLOAT_ROWS; r++)
      UNROLLED
      for (int k = 0; k < 2; k++) acc[t][r][k] = sums[t].v[r][k];
  }
  w += half * TILE_HALF;
#pragma clang loop unroll_count(4)
  for (size_t c = 0; c < n; c += 16) {
    float32x4_t v[FLOAT_STEP][2];
    UNROLLED
    for (int t = 0; t < count; t++) {
      v[t][0] = vld1q_f32(x[t] + c);
      v[t][1] = vld1q_f32(x[t] + c + 4);
    }
    UNROLLED
    for (int r = 0; r < FLOAT_ROWS; r++) {
      float32x4_t u0 = vld1q_f32(w + 2 * c + 8 * r), u1 = vld1q_f32(w + 2 * c + 8 * r + 4);
      UNROLLED
      for (int t = 0; t < count; t++) {
        acc[t][r][0] = vfmaq_f32(acc[t][r][0], u0, v[t][0]);
        acc[t][r][1] = vfmaq_f32(acc[t][r][1], u1, v[t][1]);
      }
    }
  }
  UNROLLED
  for (int t = 0; t < count; t++)
    UNROLLED
    for (int r = 0; r < FLOAT_ROWS; r++)
      UNROLLED
      for (int k = 0; k < 2; k++) sums[t].v[r][k] = acc[t][r][k];
}

// float_block of three tokens and an even number of 16 columns, which takes all 32 registers: 24 of sums, six of
// activations, two of weights. The compiler would need a few more, and store sums again and again.
INLINE void add_three(const float *w, const cdk_float_token *tokens, size_t first, size_t n, half_sums *sums,
                      const int half) {
  const float *x0 = tokens[0].x + first + 8 * half, *x1 = tokens[1].x + first + 8 * half;
  const float *x2 = tokens[2].x + first + 8 * half;
  size_t left = n / 32;
  w += half * TILE_HALF;
#define FMLA(SUM, W, X) "fmla v" #SUM ".4s, v" #W ".4s, v" #X ".4s\n"
#define ROW(A, B, C, D, E, F)                                                                                      \
  "ldp q30, q31, [%[w]], #32\n" FMLA(A, 30, 24) FMLA(B, 31, 25) FMLA(C, 30, 26) FMLA(D, 31, 27) FMLA(E, 30, 28)    \
      FMLA(F, 31, 29)
#define STEP                                                                                                       \
  "ldp q24, q25, [%[x0]], #64\nldp q26, q27, [%[x1]], #64\nldp q28, q29, [%[x2]], #64\n"                           \
  ROW(0, 1, 8, 9, 16, 17) ROW(2, 3, 10, 11, 18, 19) ROW(4, 5, 12, 13, 20, 21) ROW(6, 7, 14, 15, 22, 23)
#define EACH_SUM(X)                                                                                                \
  X(0, 1, 0) X(2, 3, 32) X(4, 5, 64) X(6, 7, 96) X(8, 9, 128) X(10, 11, 160) X(12, 13, 192) X(14, 15, 224)         \
      X(16, 17, 256) X(18, 19, 288) X(20, 21, 320) X(22, 23, 352)
#define LOAD(A, B, AT) "ldp q" #A ", q" #B ", [%[sums], #" #AT "]\n"
#define STORE(A, B, AT) "stp q" #A ", q" #B ", [%[sums], #" #AT "]\n"
  __asm__ volatile(EACH_SUM(LOAD) "1:\n" STEP STEP "subs %[left], %[left], #1\nb.ne 1b\n" EACH_SUM(STORE)
                   : [w] "+r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [left] "+r"(left)
                   : [sums] "r"(sums)
                   : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
                     "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                     "v27", "v28", "v29", "v30", "v31");
#undef STORE
#undef LOAD
#undef EACH_SUM
#undef STEP
#undef ROW
#undef FMLA
}

#define DEFINE(COUNT)                                                                                              \
  static __attribute__((noinline)) void float_block_##COUNT(const float *w, const cdk_float_token *tokens,         \
                                                            size_t first, size_t n, float_sums *sums, size_t t) {  \
    float_block(COUNT, w, tokens, first, n, sums->half[0] + t, 0);                                                 \
    float_block(COUNT, w, tokens, first, n, sums->half[1] + t, 1);                                                 \
  }
DEFINE(1) DEFINE(2)
#undef DEFINE

static void float_block_3(const float *w, const cdk_float_token *tokens, size_t first, size_t n, float_sums *sums,
                          size_t t) {
  const size_t even = n / 32 * 32;
  if (even) {
    add_three(w, tokens, first, even, sums->half[0] + t, 0);
    add_three(w, tokens, first, even, sums->half[1] + t, 1);
  }
  if (even == n) return;
  w += even / 16 * TILE_STEP;
  float_block_2(w, tokens, first + even, 16, sums, t);
  float_block_1(w, tokens + 2, first + even, 16, sums, t + 2);
}

// A tile with all tokens of a pass.
static void float_blocks(const float *w, const cdk_float_token *tokens, size_t count, size_t first, size_t n,
                         float_sums *sums) {
  size_t t = 0;
  for (; count - t == 3 || count - t > 4; t += 3) float_block_3(w, tokens + t, first, n, sums, t);
  for (; count - t >= 2; t += 2) float_block_2(w, tokens + t, first, n, sums, t);
  if (t < count) float_block_1(w, tokens + t, first, n, sums, t);
}

// Sixteen partial sums, added in the fixed tree.
INLINE float tree_sum(float32x4_t p0, float32x4_t p1, float32x4_t p2, float32x4_t p3) {
  float32x4_t a = vaddq_f32(vaddq_f32(p0, p2), vaddq_f32(p1, p3));
  float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

static void float_tile(int type, const uint8_t *s[4], size_t columns, float *out) {
  switch (type) {
#define CASE(NAME) case T_##NAME: tile_##NAME(s, columns, out); break;
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
    CASE(F32) CASE(F16) CASE(BF16)
#undef CASE
    default: break;
  }
}

static void float_tiles(int type, const uint8_t *weights, size_t row_bytes, size_t first_row, size_t rows,
                        size_t columns, const cdk_float_token *tokens, size_t count) {
  float_sums sums;
  float tile[2 * TILE_HALF];
  for (size_t r0 = 0; r0 < rows; r0 += FLOAT_ROWS) {
    for (int i = 0; i < 2; i++) memset(sums.half[i], 0, count * sizeof sums.half[i][0]);
    for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
      const size_t n = columns - first < FLOAT_COLUMNS ? columns - first : FLOAT_COLUMNS;
      const uint8_t *s[FLOAT_ROWS];
      four_rows(weights + bytes_before(type, first), row_bytes, rows, r0, s);
      float_tile(type, s, n, tile);
      float_blocks(tile, tokens, count, first, (n + 15) / 16 * 16, &sums);
    }
    for (size_t t = 0; t < count; t++)
      for (size_t r = 0; r < FLOAT_ROWS && r0 + r < rows; r++) {
        const float32x4_t *a = sums.half[0][t].v[r], *b = sums.half[1][t].v[r];
        tokens[t].y[first_row + r0 + r] = tree_sum(a[0], a[1], b[0], b[1]);
      }
  }
}

// One token; of float types there is nothing to unpack.
static int float_vector(int type, const uint8_t *weights, size_t row_bytes, size_t first_row, size_t rows,
                        size_t columns, const cdk_float_token *token) {
  for (size_t r0 = 0; r0 < rows; r0 += FLOAT_ROWS) {
    const uint8_t *s[FLOAT_ROWS];
    float32x4_t sums[FLOAT_ROWS][4];
    four_rows(weights, row_bytes, rows, r0, s);
    switch (type) {
#define CASE(NAME) case T_##NAME: sums_##NAME(s, columns, token->x, sums); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: return 0;
    }
    for (size_t r = 0; r < FLOAT_ROWS && r0 + r < rows; r++)
      token->y[first_row + r0 + r] = tree_sum(sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
  }
  return 1;
}

static void neon_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                size_t columns, const cdk_float_token *tokens, size_t token_count) {
  const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
  if (token_count == 1 && float_vector(type, w, row_bytes, first_row, rows, columns, tokens)) return;
  for (size_t t = 0; t < token_count; t += FLOAT_TOKENS) {
    const size_t n = token_count - t < FLOAT_TOKENS ? token_count - t : FLOAT_TOKENS;
    float_tiles(type, w, row_bytes, first_row, rows, columns, tokens + t, n);
  }
}

static void neon_decode_row(int type, const void *row, size_t columns, float *out) {
  switch (type) {
#define CASE(NAME) case T_##NAME: decode_##NAME(row, columns, out); break;
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
    CASE(F32) CASE(F16) CASE(BF16)
#undef CASE
    default: break;
  }
}

#endif
