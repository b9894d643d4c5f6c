// What the NEON levels above the plain one take from it.

#ifndef NEON_DELEGATE_H
#define NEON_DELEGATE_H

#include "bands.h"

static void plain_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                 size_t columns, const cdk_float_token *tokens, size_t token_count) {
  cdk_neon_plain.multiply_float(type, weights, row_bytes, first_row, rows, columns, tokens, token_count);
}

static void plain_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                               float *scales) {
  cdk_neon_plain.quantize_256(x, count, codes, biased, sums, scales);
}

static void plain_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                              float *scales) {
  cdk_neon_plain.quantize_32(x, count, codes, biased, sums, scales);
}

static void plain_decode_row(int type, const void *row, size_t columns, float *out) {
  cdk_neon_plain.decode_row(type, row, columns, out);
}

#endif
