// The portable level: the definition of every result.

#include "bands.h"
#include "dot_unpack.h"

static void portable_quantize_group(const float *x, int n, int8_t *codes, uint8_t *biased, float *scale) {
  // The largest bit pattern without sign is the largest magnitude; infinities and NaN are above all numbers.
  uint32_t top = 0;
  for (int i = 0; i < n; i++) {
    uint32_t u;
    memcpy(&u, &x[i], 4);
    u &= 0x7FFFFFFF;
    if (u > top) top = u;
  }
  float magnitude = float_of_u32(top);
  float inverse = 0;
  *scale = 0;
  if (top >= 0x7F800000) {
    // One number that is not finite spoils the group: every output it feeds becomes NaN.
    *scale = NAN;
  } else if (magnitude >= TINY_MAGNITUDE) {
    *scale = magnitude / 127.0f;
    inverse = 127.0f / magnitude;
  }
  for (int i = 0; i < n; i++) {
    // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even; |x * inverse| is at most 127 and a bit.
    float t = (inverse == 0 ? 0.0f : x[i] * inverse) + 12582912.0f;
    int32_t v;
    memcpy(&v, &t, 4);
    v -= 0x4B400000;
    codes[i] = (int8_t)v;
    biased[i] = (uint8_t)(v + 128);
  }
}

static void portable_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums, float *scales) {
  for (size_t b = 0; b < count / 256; b++) {
    int8_t *c = codes + 256 * b;
    portable_quantize_group(x + 256 * b, 256, c, biased + 256 * b, scales + b);
    int16_t *s = sums + SUMS_256 * b;
    for (int j = 0; j < 16; j++) {
      int sum = 0;
      for (int i = 0; i < 16; i++) sum += c[16 * j + i];
      s[j] = (int16_t)sum;
    }
    for (int j = 0; j < 8; j++) s[16 + j] = (int16_t)(s[2 * j] + s[2 * j + 1]);
  }
}

static void portable_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums, float *scales) {
  for (size_t b = 0; b < count / 32; b++) {
    int8_t *c = codes + 32 * b;
    portable_quantize_group(x + 32 * b, 32, c, biased + 32 * b, scales + b);
    int sum = 0;
    for (int i = 0; i < 32; i++) sum += c[i];
    sums[b] = (int16_t)sum;
  }
}

// One more super-block: two fused multiply-adds per output, whatever the level.
static float portable_add_256(const super_block *w, const int8_t *x, const int16_t *sums, float dx, int has_mins,
                              float y) {
  int32_t isum = 0, msum = 0;
  for (int j = 0; j < 16; j++) {
    int32_t dot = 0;
    for (int i = 0; i < 16; i++) dot += w->code[16 * j + i] * x[16 * j + i];
    isum += w->scale[j] * dot;
    msum += w->min[j] * sums[j];
  }
  y = fmaf(w->d * dx, (float)isum, y);
  if (has_mins) y = fmaf(-(w->dmin * dx), (float)msum, y);
  return y;
}

static float portable_add_32(const small_block *w, const int8_t *x, int16_t sum, float dx, int has_mins,
                             float y) {
  int32_t isum = 0;
  for (int i = 0; i < 32; i++) isum += w->code[i] * x[i];
  y = fmaf(w->d * dx, (float)isum, y);
  if (has_mins) y = fmaf(w->m, dx * (float)sum, y);
  return y;
}

static void portable_multiply_band(const cdk_band *band) {
  const int type = band->type;
  const size_t step = block_bytes(type), columns = band->columns, token_count = band->token_count;
  const cdk_token *tokens = band->tokens;
  for (size_t r = band->first_row; r < band->first_row + band->rows; r++) {
    const uint8_t *row = (const uint8_t *)band->weights + r * band->row_bytes;
    for (size_t t = 0; t < token_count; t++) tokens[t].y[r] = 0;
    if (is_256(type)) {
      int has_mins = type == T_Q2_K || type == T_Q4_K || type == T_Q5_K;
      for (size_t b = 0; b < columns / 256; b++) {
        super_block w;
        unpack_256(type, row + b * step, &w);
        for (size_t t = 0; t < token_count; t++)
          tokens[t].y[r] = portable_add_256(&w, tokens[t].codes + 256 * b, tokens[t].sums + SUMS_256 * b,
                                            tokens[t].scales[b], has_mins, tokens[t].y[r]);
      }
    } else {
      int has_mins = type == T_Q4_1 || type == T_Q5_1;
      for (size_t b = 0; b < columns / 32; b++) {
        small_block w;
        unpack_32(type, row + b * step, &w);
        for (size_t t = 0; t < token_count; t++)
          tokens[t].y[r] = portable_add_32(&w, tokens[t].codes + 32 * b, tokens[t].sums[b], tokens[t].scales[b],
                                           has_mins, tokens[t].y[r]);
      }
    }
  }
}

static void portable_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  do_steps(bands, shares, share_count, share, portable_multiply_band);
}

static void portable_decode_row(int type, const void *row, size_t columns, float *out) {
  const uint8_t *s = row;
  size_t step = block_bytes(type);
  if (type == T_F32) {
    memcpy(out, row, 4 * columns);
  } else if (type == T_F16) {
    for (size_t i = 0; i < columns; i++) out[i] = float_of_f16(read_u16(s + 2 * i));
  } else if (type == T_BF16) {
    for (size_t i = 0; i < columns; i++) out[i] = float_of_u32((uint32_t)read_u16(s + 2 * i) << 16);
  } else if (is_256(type)) {
    for (size_t b = 0; b < columns / 256; b++) {
      super_block w;
      unpack_256(type, s + b * step, &w);
      for (int j = 0; j < 16; j++) {
        float dl = w.d * (float)w.scale[j], ml = w.dmin * (float)w.min[j];
        for (int i = 16 * j; i < 16 * j + 16; i++) out[256 * b + (size_t)i] = dl * (float)w.code[i] - ml;
      }
    }
  } else {
    for (size_t b = 0; b < columns / 32; b++) {
      small_block w;
      unpack_32(type, s + b * step, &w);
      for (size_t i = 0; i < 32; i++) {
        // Types without a minimum must keep the sign of a zero.
        float v = w.d * (float)w.code[i];
        out[32 * b + i] = type == T_Q4_1 || type == T_Q5_1 ? v + w.m : v;
      }
    }
  }
}

static void portable_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row,
                                    size_t rows, size_t columns, const cdk_float_token *tokens,
                                    size_t token_count) {
  for (size_t r = first_row; r < first_row + rows; r++) {
    const uint8_t *row = (const uint8_t *)weights + r * row_bytes;
    for (size_t t = 0; t < token_count; t++) {
      float p[16] = {0};
      for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
        float w[FLOAT_COLUMNS];
        size_t count = decode_columns(&cdk_portable, type, row, first, columns, w);
        for (size_t c = 0; c < count; c += 16)
          for (size_t i = 0; i < 16; i++) p[i] = fmaf(w[c + i], tokens[t].x[first + c + i], p[i]);
      }
      for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++) p[i] += p[i + width];
      tokens[t].y[r] = p[0];
    }
  }
}

const cdk_kernels cdk_portable = {
    "portable", portable_quantize_256, portable_quantize_32, portable_multiply_bands, portable_multiply_float,
    portable_decode_row,
};
