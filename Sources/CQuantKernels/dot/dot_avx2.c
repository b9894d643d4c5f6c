// The AVX2 level: eight rows in lanes, byte products by `maddubs`.

#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_common.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "avx2_float.h"
#include "avx2_tile.h"

// Below this many tokens, weights are not worth arranging in tiles.
#define FEW_TOKENS 3

#define DEFINE(NAME, WIDTH)                                                                                     \
  static void vector_##NAME(const uint8_t *w, size_t row_bytes, size_t rows, size_t columns,                    \
                            const cdk_token *token, float *out) {                                               \
    vector_##WIDTH(T_##NAME, w, row_bytes, rows, columns, token, out);                                          \
  }                                                                                                             \
  static void tile_##NAME(const uint8_t *w, size_t row_bytes, size_t rows, size_t columns,                      \
                          const cdk_token *tokens, size_t count, float *const *out) {                           \
    tile_##WIDTH(T_##NAME, w, row_bytes, rows, columns, tokens, count, out);                                    \
  }                                                                                                             \
  static void decode_##NAME(const uint8_t *s, size_t columns, float *out) {                                     \
    decode_##WIDTH(T_##NAME, s, columns, out);                                                                  \
  }
#define DEFINE_256(NAME) DEFINE(NAME, 256)
#define DEFINE_32(NAME) DEFINE(NAME, 32)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void avx2_multiply_integer(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                  size_t columns, const cdk_token *tokens, size_t token_count) {
  const uint8_t *w = (const uint8_t *)weights + first_row * row_bytes;
  if (token_count < FEW_TOKENS) {
    for (size_t t = 0; t < token_count; t++) {
      float *out = tokens[t].y + first_row;
      switch (type) {
#define CASE(NAME) case T_##NAME: vector_##NAME(w, row_bytes, rows, columns, tokens + t, out); break;
        FOR_TYPES_256(CASE)
        FOR_TYPES_32(CASE)
#undef CASE
        default: break;
      }
    }
    return;
  }
  for (size_t t0 = 0; t0 < token_count; t0 += TILE_TOKENS) {
    size_t n = token_count - t0 < TILE_TOKENS ? token_count - t0 : TILE_TOKENS;
    float *out[TILE_TOKENS];
    for (size_t t = 0; t < n; t++) out[t] = tokens[t0 + t].y + first_row;
    switch (type) {
#define CASE(NAME) case T_##NAME: tile_##NAME(w, row_bytes, rows, columns, tokens + t0, n, out); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
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
                                size_t columns, const cdk_float_token *tokens, size_t token_count,
                                float *scratch) {
  size_t padded = (columns + 15) / 16 * 16;
  memset(scratch, 0, 8 * padded * sizeof(float));
  for (size_t r = first_row; r < first_row + rows; r += 8) {
    size_t n = first_row + rows - r < 8 ? first_row + rows - r : 8;
    for (size_t i = 0; i < n; i++)
      avx2_decode_row(type, (const uint8_t *)weights + (r + i) * row_bytes, columns, scratch + i * padded);
    float_blocks(scratch, padded, n, tokens, token_count, r);
  }
}

const cdk_kernels cdk_avx2 = {
    "avx2", avx2_quantize_256, avx2_quantize_32, avx2_multiply_integer, avx2_multiply_float, avx2_decode_row,
};

#pragma clang attribute pop
#endif
