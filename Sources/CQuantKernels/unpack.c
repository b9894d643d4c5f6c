// Codes of a few bits as floats. Nothing here rounds, and vectors of 16 bytes serve, so that there is one level.

#include "CQuantKernels.h"

#include <string.h>

// Eight codes in as many bytes: halves, then quarters, then single codes move apart.
static inline __attribute__((always_inline)) uint64_t part_codes(uint64_t x, int bits) {
  const uint64_t one = (1ull << bits) - 1, two = (1ull << 2 * bits) - 1, four = (1ull << 4 * bits) - 1;
  const uint64_t quarters = two * 0x0000000100000001ull, codes = one * 0x0001000100010001ull;
  x = (x & four) | ((x >> 4 * bits & four) << 32);
  x = (x & quarters) | ((x >> 2 * bits & quarters) << 16);
  return (x & codes) | ((x >> bits & codes) << 8);
}

static inline __attribute__((always_inline)) void unpack(int bits, const uint8_t *from, ptrdiff_t count, float *to) {
  for (ptrdiff_t i = 0; i + 8 <= count; i += 8, from += bits) {
    uint64_t x = 0;
    memcpy(&x, from, (size_t)bits);
    x = part_codes(x, bits);
    uint8_t codes[8];
    memcpy(codes, &x, 8);
    for (int k = 0; k < 8; k++) to[i + k] = (float)codes[k];
  }
}

void cqk_unpack_codes(int bits, const void *from, ptrdiff_t count, float *to) {
  switch (bits) {
    case 2: unpack(2, from, count, to); break;
    case 3: unpack(3, from, count, to); break;
    case 4: unpack(4, from, count, to); break;
    case 5: unpack(5, from, count, to); break;
    case 6: unpack(6, from, count, to); break;
    default: unpack(8, from, count, to); break;
  }
}
