// Quantizes rows a number of times, for counting the instructions.
//
// usage: quantizers FORMAT plain|weighted TIMES   FORMAT: a number of CQK_*; there are 16 rows of 2048 columns

#include <stdlib.h>
#include <string.h>

#include "CQuantKernels.h"

enum { ROWS = 16, COLUMNS = 2048 };

static float rows[ROWS * COLUMNS], importance[COLUMNS];
static uint8_t blocks[ROWS * COLUMNS / 32 * 34];

// About normal: the sum of four uniform numbers.
static float bell(void) {
  static uint64_t state = 1;
  float sum = -2;
  for (int i = 0; i < 4; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    sum += (float)(state >> 40) * 0x1p-24f;
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const int format = atoi(argv[1]), weighted = !strcmp(argv[2], "weighted"), times = atoi(argv[3]);
  if (format < 0 || format >= CQK_FORMAT_COUNT) return 2;
  for (int i = 0; i < ROWS * COLUMNS; i++) rows[i] = bell() * 0.02f;
  for (int i = 0; i < COLUMNS; i++) importance[i] = bell() + 2.01f;
  for (int i = 0; i < times; i++)
    cqk_quantize(CQK_LEVEL_NEON, format, rows, ROWS, COLUMNS, weighted ? importance : NULL, blocks);
  return 0;
}
