// Runs one matrix product a number of times, for counting its instructions.
//
// usage: products TYPE TOKENS integer|float TIMES   TYPE: a ggml_type id; the matrix has 64 rows of 2048 columns

#include <stdlib.h>
#include <string.h>

#include "CQuantKernels.h"

enum { ROWS = 64, COLUMNS = 2048, MOST_TOKENS = 512 };

static size_t bytes_of_row(int type) {
  static const size_t of_32[40] = {[2] = 18, [3] = 20, [6] = 22, [7] = 24, [8] = 34, [20] = 18, [39] = 17};
  static const size_t of_256[40] = {[10] = 84, [11] = 110, [12] = 144, [13] = 176, [14] = 210, [23] = 136};
  if (type == 0) return 4 * COLUMNS;
  if (type == 1 || type == 30) return 2 * COLUMNS;
  return of_32[type] ? COLUMNS / 32 * of_32[type] : COLUMNS / 256 * of_256[type];
}

static void *zeros(size_t bytes) {
  void *p = calloc(1, bytes);
  if (!p) exit(1);
  return p;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int type = atoi(argv[1]), tokens = atoi(argv[2]), times = atoi(argv[4]);
  if (tokens < 1 || tokens > MOST_TOKENS || type < 0 || type > 39) return 2;
  const cdk_kernels *k = cdk_kernels_of(CQK_LEVEL_NEON);
  size_t row_bytes = bytes_of_row(type);
  void *weights = zeros(ROWS * row_bytes);
  float *y = zeros(4 * ROWS * MOST_TOKENS), *x = zeros(4 * COLUMNS);
  int8_t *codes = zeros(COLUMNS * MOST_TOKENS);
  int16_t *sums = zeros(2 * COLUMNS);
  cdk_token integer[MOST_TOKENS];
  cdk_float_token real[MOST_TOKENS];
  for (int t = 0; t < tokens; t++) {
    integer[t] = (cdk_token){codes + t * COLUMNS, (uint8_t *)codes + t * COLUMNS, sums, x, y + t * ROWS};
    real[t] = (cdk_float_token){x, y + t * ROWS};
  }
  for (int i = 0; i < times; i++) {
    const cdk_band band = {type, weights, row_bytes, 0, ROWS, COLUMNS, integer, (size_t)tokens, 0};
    if (!strcmp(argv[3], "integer")) cdk_multiply_band(k, band);
    else k->multiply_float(type, weights, row_bytes, 0, ROWS, COLUMNS, real, (size_t)tokens);
  }
  return 0;
}
