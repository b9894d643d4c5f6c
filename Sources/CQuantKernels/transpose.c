// Transposition of elements that are moved and not looked at. Vectors of 16 bytes or fewer, which every machine has,
// so that there is one level.

#include "CQuantKernels.h"

#include <string.h>

typedef uint8_t v8x8 __attribute__((vector_size(8)));
typedef uint16_t v16x8 __attribute__((vector_size(16)));
typedef uint32_t v32x4 __attribute__((vector_size(16)));
typedef uint64_t v64x2 __attribute__((vector_size(16)));

#define LOW8(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH8(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define LOW4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW2(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH2(a, b) __builtin_shufflevector(a, b, 1, 3)

// Squares of N x N elements in N registers: interleaving register k with register k + N / 2, log2(N) times, turns
// rows into columns. What no square covers is moved one by one. Pitches are in bytes here.
#define TRANSPOSE(NAME, V, N, STAGES, LOW, HIGH)                                                                 \
  static void NAME(const char *from, ptrdiff_t from_pitch, ptrdiff_t rows, ptrdiff_t columns, char *to,          \
                   ptrdiff_t to_pitch) {                                                                         \
    enum { SIZE = sizeof(V) / N };                                                                               \
    ptrdiff_t c = 0;                                                                                             \
    for (; c + N <= columns; c += N) {                                                                           \
      ptrdiff_t r = 0;                                                                                           \
      for (; r + N <= rows; r += N) {                                                                            \
        V a[N], b[N];                                                                                            \
        for (int k = 0; k < N; k++) memcpy(&a[k], from + (r + k) * from_pitch + c * SIZE, sizeof(V));            \
        for (int stage = 0; stage < STAGES; stage++) {                                                           \
          for (int k = 0; k < N / 2; k++) {                                                                      \
            b[2 * k] = LOW(a[k], a[k + N / 2]);                                                                  \
            b[2 * k + 1] = HIGH(a[k], a[k + N / 2]);                                                             \
          }                                                                                                      \
          memcpy(a, b, sizeof a);                                                                                \
        }                                                                                                        \
        for (int k = 0; k < N; k++) memcpy(to + (c + k) * to_pitch + r * SIZE, &a[k], sizeof(V));                \
      }                                                                                                          \
      for (; r < rows; r++)                                                                                      \
        for (int k = 0; k < N; k++)                                                                              \
          memcpy(to + (c + k) * to_pitch + r * SIZE, from + r * from_pitch + (c + k) * SIZE, SIZE);              \
    }                                                                                                            \
    for (; c < columns; c++)                                                                                     \
      for (ptrdiff_t r = 0; r < rows; r++)                                                                       \
        memcpy(to + c * to_pitch + r * SIZE, from + r * from_pitch + c * SIZE, SIZE);                            \
  }

TRANSPOSE(transpose8, v8x8, 8, 3, LOW8, HIGH8)
TRANSPOSE(transpose16, v16x8, 8, 3, LOW8, HIGH8)
TRANSPOSE(transpose32, v32x4, 4, 2, LOW4, HIGH4)
TRANSPOSE(transpose64, v64x2, 2, 1, LOW2, HIGH2)

// Blocks whose source and target stay in a first-level cache: 32 columns of 16 bits are a cache line.
#define BLOCK_ROWS 128
#define BLOCK_COLUMNS 32

void cqk_transpose(ptrdiff_t size, const void *from, ptrdiff_t from_pitch, ptrdiff_t rows, ptrdiff_t columns,
                   void *to, ptrdiff_t to_pitch) {
  const ptrdiff_t in = from_pitch * size, out = to_pitch * size;
  for (ptrdiff_t c = 0; c < columns; c += BLOCK_COLUMNS) {
    const ptrdiff_t width = columns - c < BLOCK_COLUMNS ? columns - c : BLOCK_COLUMNS;
    for (ptrdiff_t r = 0; r < rows; r += BLOCK_ROWS) {
      const ptrdiff_t height = rows - r < BLOCK_ROWS ? rows - r : BLOCK_ROWS;
      const char *source = (const char *)from + r * in + c * size;
      char *target = (char *)to + c * out + r * size;
      switch (size) {
        case 1: transpose8(source, in, height, width, target, out); break;
        case 2: transpose16(source, in, height, width, target, out); break;
        case 4: transpose32(source, in, height, width, target, out); break;
        case 8: transpose64(source, in, height, width, target, out); break;
        default: break;
      }
    }
  }
}
