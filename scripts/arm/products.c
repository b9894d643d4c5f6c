// Matrix products, integer and float, of many numbers of tokens and ranges of rows, and the quantizing of activations.

#include <math.h>

#include "harness.h"

enum { COLUMNS = 768, TOKENS = 67, ROWS = 37 };

// Where results go: a row of a matrix more than there are rows, so that a write behind the end shows.
enum { STRIDE = ROWS + 3 };

typedef struct {
  float *x;
  int8_t *codes;
  uint8_t *biased;
  int16_t *sums;
  float *scales;
  float *y;
} activations;

static activations new_activations(void) {
  return (activations){filled(4 * TOKENS * COLUMNS), filled(TOKENS * COLUMNS), filled(TOKENS * COLUMNS),
                       filled(2 * TOKENS * COLUMNS), filled(4 * TOKENS * COLUMNS), filled(4 * TOKENS * STRIDE)};
}

static void run_activations(const activations *a) {
  const cdk_kernels *k = cdk_kernels_of(quant_level);
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    seed(6000 + (uint64_t)kind);
    for (int i = 0; i < 4 * COLUMNS; i++) a->x[i] = value_of_kind(kind, i);
    for (int wide = 0; wide < 2; wide++) {
      (wide ? k->quantize_256 : k->quantize_32)(a->x, 4 * COLUMNS, a->codes, a->biased, a->sums, a->scales);
      const char *name = kind_names[kind];
      record(a->codes, 4 * COLUMNS, "activations/%d/codes/%s", wide, name);
      record(a->biased, 4 * COLUMNS, "activations/%d/biased/%s", wide, name);
      record(a->sums, 2 * (wide ? 12 * 24 : 96), "activations/%d/sums/%s", wide, name);
      record(a->scales, 4 * (wide ? 12 : 96), "activations/%d/scales/%s", wide, name);
    }
    // A number that is not finite spoils its group and no other.
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    a->x[100 + 37 * kind] = odd[kind % 3];
    k->quantize_256(a->x, 4 * COLUMNS, a->codes, a->biased, a->sums, a->scales);
    record(a->codes, 4 * COLUMNS, "activations/spoiled/codes/%d", kind);
    record(a->sums, 2 * 12 * 24, "activations/spoiled/sums/%d", kind);
    record(a->scales, 4 * 12, "activations/spoiled/scales/%d", kind);
  }
}

// Codes of one sign against codes of changing sign, the largest magnitudes that there are.
static void make_extreme(const block_format *f, uint8_t *block, const activations *a, int columns) {
  uint8_t keep[4];
  int at = f->format == CQK_Q2_K ? 80 : f->format == CQK_Q3_K ? 108 : f->format == CQK_Q6_K ? 208 : 0;
  size_t count = f->format == CQK_MXFP4 ? 1 : at == 108 || at == 208 ? 2 : 4;
  memcpy(keep, block + at, count);
  memset(block, f->format == CQK_Q8_0 || f->format == CQK_Q6_K ? 0x80 : 0xFF, (size_t)f->bytes);
  memcpy(block + at, keep, count);
  // The first token: all codes at the end of their range, with sums to match.
  for (int i = 0; i < columns; i++) {
    a->codes[i] = 127;
    a->biased[i] = 255;
  }
  if (f->length == 32) {
    for (int b = 0; b < columns / 32; b++) a->sums[b] = 32 * 127;
  } else {
    for (int b = 0; b < columns / 256; b++)
      for (int j = 0; j < 24; j++) a->sums[24 * b + j] = (int16_t)((j < 16 ? 16 : 32) * 127);
  }
}

static void run_integer(const block_format *f, const uint8_t *weights, size_t row_bytes, int columns,
                        const activations *a, const char *name) {
  static const int counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 33, 67};
  static const int ranges[][2] = {{0, ROWS}, {3, 12}, {5, 7}, {ROWS - 1, 1}, {2, 3}, {1, 16}};
  size_t blocks = (size_t)(columns / f->length);
  cdk_token tokens[TOKENS];
  for (size_t t = 0; t < TOKENS; t++)
    tokens[t] = (cdk_token){a->codes + t * (size_t)columns, a->biased + t * (size_t)columns,
                            a->sums + t * blocks * (f->length == 256 ? 24 : 1), a->scales + t * blocks,
                            a->y + t * STRIDE};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
    for (size_t r = 0; r < (counts[c] < 10 ? 6 : 2); r++) {
      memset(a->y, 0x5A, 4 * TOKENS * STRIDE);
      const cdk_band band = {f->type,         weights, row_bytes,        (size_t)ranges[r][0], (size_t)ranges[r][1],
                             (size_t)columns, tokens,  (size_t)counts[c], 0};
      cdk_multiply_band(cdk_kernels_of(quant_level), band);
      record(a->y, 4 * (size_t)(counts[c] < TOKENS ? counts[c] + 1 : TOKENS) * STRIDE,
             "integer/%s/%s/columns%d/tokens%d/rows%d+%d", f->name, name, columns, counts[c], ranges[r][0],
             ranges[r][1]);
    }
}

static void run_float(int type, const char *name, const uint8_t *weights, size_t row_bytes, int columns,
                      const activations *a) {
  static const int counts[] = {1, 2, 3, 4, 5, 8, 9, 13, 67};
  int padded = (columns + 15) / 16 * 16;
  float *x = filled(4 * TOKENS * (size_t)padded);
  cdk_float_token tokens[TOKENS];
  memset(x, 0, 4 * TOKENS * (size_t)padded);
  for (int t = 0; t < TOKENS; t++) {
    memcpy(x + t * padded, a->x + t * columns, 4 * (size_t)columns);
    tokens[t] = (cdk_float_token){x + t * padded, a->y + t * STRIDE};
  }
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
    for (int first = 0; first < 3; first += 2) {
      if (first && counts[c] > 9) continue;
      memset(a->y, 0x5A, 4 * TOKENS * STRIDE);
      cdk_kernels_of(quant_level)->multiply_float(type, weights, row_bytes, (size_t)first, first ? 19 : ROWS,
                                                  (size_t)columns, tokens, (size_t)counts[c]);
      record(a->y, 4 * (size_t)(counts[c] < TOKENS ? counts[c] + 1 : TOKENS) * STRIDE,
             "float/%s/columns%d/tokens%d/from%d", name, columns, counts[c], first);
    }
  free(x);
}

void run_products(void) {
  const cdk_kernels *k = cdk_kernels_of(quant_level);
  activations a = new_activations();
  run_activations(&a);
  for (const block_format *f = formats; f < formats + FORMAT_COUNT; f++)
    // Whole matrices of random blocks; one block; blocks that the quantizer made of real values; extreme codes.
    for (int fill = 0; fill < 4; fill++) {
      static const char *const names[] = {"random", "one-block", "quantized", "extreme"};
      int columns = fill == 1 ? f->length : fill == 2 && f->length == 32 ? 544 : COLUMNS;
      size_t row_bytes = (size_t)(columns / f->length * f->bytes), blocks = (size_t)(ROWS * columns / f->length);
      uint8_t *weights = at_the_end(ROWS * row_bytes);
      seed(7000 + (uint64_t)(f->type * 4 + fill));
      for (int i = 0; i < TOKENS * COLUMNS; i++) a.x[i] = value_of_kind(fill == 2 ? 15 : 1, i);
      if (fill == 2) {
        float *values = filled(4 * ROWS * (size_t)columns);
        for (int i = 0; i < ROWS * columns; i++) values[i] = bell();
        cqk_quantize(CQK_LEVEL_PORTABLE, f->format, values, ROWS, columns, NULL, weights);
        free(values);
      } else {
        random_blocks(f, weights, blocks);
      }
      (f->length == 256 ? k->quantize_256 : k->quantize_32)(a.x, (size_t)(TOKENS * columns), a.codes, a.biased,
                                                            a.sums, a.scales);
      if (fill == 3) make_extreme(f, weights, &a, columns);
      run_integer(f, weights, row_bytes, columns, &a, names[fill]);
      if (fill == 0 || fill == 2) run_float(f->type, f->name, weights, row_bytes, columns, &a);
    }
  // Float types, also with columns that are no multiple of anything.
  static const int types[] = {0, 1, 30}, odd_columns[] = {1, 17, 513, 700};
  for (int t = 0; t < 3; t++)
    for (int c = 0; c < 4; c++) {
      static const char *const names[] = {"f32", "f16", "bf16"};
      size_t count = (size_t)(ROWS * odd_columns[c]), size = t ? 2 : 4;
      float *values = filled(4 * count);
      uint8_t *weights = at_the_end(count * size);
      seed(8000 + (uint64_t)(4 * t + c));
      for (size_t i = 0; i < count; i++) values[i] = bell();
      if (t == 0) memcpy(weights, values, 4 * count);
      if (t == 1) cqk_narrow_f16(CQK_LEVEL_PORTABLE, values, (ptrdiff_t)count, weights);
      if (t == 2) cqk_narrow_bf16(CQK_LEVEL_PORTABLE, values, (ptrdiff_t)count, weights);
      run_float(types[t], names[t], weights, size * (size_t)odd_columns[c], odd_columns[c], &a);
      free(values);
    }
}
