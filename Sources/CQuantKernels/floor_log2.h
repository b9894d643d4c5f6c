// The exponent of an MXFP4 block's largest magnitude.

#ifndef FLOOR_LOG2_H
#define FLOOR_LOG2_H

#include <stdint.h>
#include <string.h>

// floor(log2f(x)) for a positive finite x, where log2f is the nearest float.
//
// Just below a power of two the logarithm can round up to the integer n: when its distance from n, about
// 1.4427 * steps / 2^24 for a significand `steps` below that of 2^n, is less than half the gap between n and the float
// below it, 2^-24 times the power of two at or under |n| (under n where n is that power itself).
static inline int floor_log2(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  int exponent = (int)(bits >> 23);
  uint32_t significand = bits & 0x7FFFFF;
  if (exponent == 0) {
    int shift = __builtin_clz(significand) - 8;
    significand <<= shift;
    exponent = 1 - shift;
  } else {
    significand |= 0x800000;
  }
  int below = exponent - 127, n = below + 1;
  if (n == 0) return below;
  uint32_t steps = 0x1000000 - significand;
  int magnitude = n < 0 ? -n : n - 1;
  if (magnitude == 0) return below;
  // Half the gap in units of 2^-24; times ln 2, in steps.
  static const uint8_t most[8] = {0, 1, 2, 5, 11, 22, 44, 88};
  return steps <= most[31 - __builtin_clz((unsigned)magnitude)] ? n : below;
}

#endif
