#ifndef CBLOCKCHECKS_H
#define CBLOCKCHECKS_H

#include <stddef.h>
#include <stdint.h>

// Checks of stored blocks, and comparisons of values, at the speed of memory.
//
// Levels are those of CQuantKernels.h; all of them return the same bits. Formats are `ggml_type` ids.

/// The reach of each block: an upper bound of how far its scales let values go, in f32.
///
/// For scale-and-code formats: the largest magnitude of an effective sub-block scale or minimum. For f32, f16 and
/// bf16: the largest magnitude of each 32 values; `block_count` counts those, the last one may be shorter and
/// `value_count` says where the values end. Infinity when a scale or a value is a NaN or an infinity.
///
/// Returns 0 for formats that are not known here, and writes nothing then.
int cbc_reach(int level, int type, const void *blocks, ptrdiff_t block_count, ptrdiff_t value_count, float *reach);

/// Sums over pairs of values, in double.
typedef struct {
  /// Of x squared.
  double xx;
  /// Of y squared.
  double yy;
  /// Of x times y.
  double xy;
  /// Of (x - y) squared.
  double ee;
} cbc_sums;

/// Adds the sums over `count` pairs to `sums`; `errors` receives the sum of (x - y) squared of each
/// `block_length` pairs, the last block may be shorter.
void cbc_compare(int level, const float *x, const float *y, ptrdiff_t count, ptrdiff_t block_length, float *errors,
                 cbc_sums *sums);

#endif
