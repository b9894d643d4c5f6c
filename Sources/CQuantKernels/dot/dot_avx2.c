// The AVX2 level: eight rows in lanes, byte products by `maddubs`.

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "avx2_float.h"
#include "avx2_tile.h"

#define DEFINE(NAME, WIDTH)                                                                                     \
  static void tile_##NAME(const uint8_t *w, size_t row_bytes, size_t rows, size_t columns,                      \
                          const cdk_token *tokens, size_t count, float *const *out) {                           \
    tile_##WIDTH(T_##NAME, w, row_bytes, rows, columns, tokens, count, out);                                    \
  }                                                                                                             \
  static void decode_##NAME(const uint8_t *s, size_t columns, float *out) {                                     \
    decode_##WIDTH(T_##NAME, s, columns, out);                                                                  \
  }
#define DEFINE_256(NAME)                                                                                        \
  static const cdk_band *vector_##NAME(const cdk_band *band, band_course *course, int is_expected,              \
                                       token_32 *room) {                                                        \
    (void)room;                                                                                                 \
    return vector_256(T_##NAME, band, course, is_expected);                                                     \
  }                                                                                                             \
  DEFINE(NAME, 256)
#define DEFINE_32(NAME)                                                                                         \
  static const cdk_band *vector_##NAME(const cdk_band *band, band_course *course, int is_expected,              \
                                       token_32 *room) {                                                        \
    return vector_32(T_##NAME, narrow_totals_of, narrow_order, code_offset(T_##NAME), band, course,             \
                     is_expected, room);                                                                        \
  }                                                                                                             \
  DEFINE(NAME, 32)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void avx2_multiply_tiles(const cdk_band *band) {
  const uint8_t *w = band_weights(band);
  for (size_t t0 = 0; t0 < band->token_count; t0 += TILE_TOKENS) {
    size_t n = band->token_count - t0 < TILE_TOKENS ? band->token_count - t0 : TILE_TOKENS;
    float *out[TILE_TOKENS];
    for (size_t t = 0; t < n; t++) out[t] = band->tokens[t0 + t].y + band->first_row;
    switch (band->type) {
#define CASE(NAME)                                                                                              \
  case T_##NAME: tile_##NAME(w, band->row_bytes, band->rows, band->columns, band->tokens + t0, n, out); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
}

// Streams over a band, as `vector_256`.
static const cdk_band *avx2_multiply_streams(const cdk_band *band, band_course *course, int is_expected, void *room) {
  switch (band->type) {
#define CASE(NAME) case T_##NAME: return vector_##NAME(band, course, is_expected, room);
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
#undef CASE
    default: return leave_band(course);
  }
}

static void avx2_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  token_32 room[CDK_FEW_TOKENS - 1];
  for (size_t t = 0; t < CDK_FEW_TOKENS - 1; t++) room[t].state.codes = NULL;
  multiply_bands(bands, shares, share_count, share, avx2_multiply_streams, avx2_multiply_tiles, room);
}

static void avx2_decode_row(int type, const void *row, size_t columns, float *out) {
  switch (type) {
#define CASE(NAME) case T_##NAME: decode_##NAME(row, columns, out); break;
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
#undef CASE
    case T_F32: memcpy(out, row, 4 * columns); break;
    case T_F16: decode_f16(row, columns, out); break;
    case T_BF16: decode_bf16(row, columns, out); break;
    default: break;
  }
}

static void avx2_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                size_t columns, const cdk_float_token *tokens, size_t token_count) {
  float_sums sums;
  __attribute__((aligned(64))) float room[8 * FLOAT_COLUMNS];
  for (size_t t0 = 0; t0 < token_count; t0 += FLOAT_TOKENS) {
    size_t count = token_count - t0 < FLOAT_TOKENS ? token_count - t0 : FLOAT_TOKENS;
    for (size_t r0 = 0; r0 < rows; r0 += 8) {
      size_t n = rows - r0 < 8 ? rows - r0 : 8;
      const uint8_t *row = (const uint8_t *)weights + (first_row + r0) * row_bytes;
      for (size_t r = 0; r < n; r++) memset(sums.sums[r], 0, count * sizeof sums.sums[r][0]);
      for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
        const float_columns w = float_columns_of(&cdk_avx2, type, row, row_bytes, n, first, columns, room);
        float_blocks(&w, n, tokens + t0, count, first, &sums);
      }
      for (size_t t = 0; t < count; t++)
        for (size_t r = 0; r < n; r++)
          tokens[t0 + t].y[first_row + r0 + r] = tree_sum(sums.sums[r][t][0], sums.sums[r][t][1]);
    }
  }
}

const cdk_kernels cdk_avx2 = {
    "avx2", avx2_quantize_256, avx2_quantize_32, avx2_multiply_bands, avx2_multiply_float, avx2_decode_row,
};

#pragma clang attribute pop
#endif
