#ifndef CDOTKERNELS_H
#define CDOTKERNELS_H

#include <stddef.h>
#include <stdint.h>

// Matrix products of quantized weights with activations.
//
// Every level (portable, AVX2, AVX-512 VNNI, NEON with and without byte dot products) returns the same bits for the
// same arguments; the portable one is the definition. Weight types are `ggml_type` ids.

/// One token of the integer products: its quantized activations and where its results go.
typedef struct {
  /// int8 codes, [columns].
  const int8_t *codes;
  /// codes + 128, [columns].
  const uint8_t *biased;
  /// Sums of codes: for 256-value types, per super-block 16 sums of 16 then 8 sums of 32; else one per 32.
  const int16_t *sums;
  /// Scales: one per 256 or per 32 values.
  const float *scales;
  /// Results, [rows].
  float *y;
} cdk_token;

/// Rows of a matrix, and the tokens that they are multiplied with by integer products.
typedef struct {
  /// The weights' type, a quantized one.
  int type;
  /// Row 0 of the matrix.
  const void *weights;
  size_t row_bytes;
  size_t first_row;
  size_t rows;
  size_t columns;
  const cdk_token *tokens;
  size_t token_count;
  /// The number of its first step, counted over all bands: see `cdk_steps_of`.
  uint32_t first_step;
} cdk_band;

enum {
  /// With fewer tokens weights are read as they come, and a band is many steps; else it is one.
  CDK_FEW_TOKENS = 3,
  /// Rows of a step: eight each of three parts of the band.
  CDK_STEP_ROWS = 24,
  /// Numbers from one thread's share to the next one's: each has lines of memory of its own.
  CDK_SHARE_STRIDE = 16,
};

/// How many steps a band is done in: rows that are left at the end are one more if they are whole eights, else one for
/// each eight.
static inline uint32_t cdk_steps_of(size_t rows, size_t token_count) {
  if (token_count >= CDK_FEW_TOKENS) return 1;
  const size_t left = rows % CDK_STEP_ROWS;
  return (uint32_t)(rows / CDK_STEP_ROWS + (left % 8 == 0 ? left > 0 : (left + 7) / 8));
}

/// A thread's share: the steps from one up to another.
static inline uint64_t cdk_share(uint32_t from, uint32_t to) { return (uint64_t)to << 32 | from; }

/// One token of the float products.
typedef struct {
  /// Activations, [columns rounded up to 16], zeros behind the end.
  const float *x;
  /// Results, [rows].
  float *y;
} cdk_float_token;

/// The kernels of one level.
typedef struct {
  /// The level's name.
  const char *name;
  /// Quantizes `count` activations (a multiple of 256) with one scale per 256.
  void (*quantize_256)(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                       float *scales);
  /// Quantizes `count` activations (a multiple of 32) with one scale per 32.
  void (*quantize_32)(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                       float *scales);
  /// y[t][r] = sum over columns of W[r][c] * x[t][c] for the rows of bands, by integer products.
  ///
  /// Each of `share_count` threads does the steps of its own share, then takes half of what is left of another one's.
  /// `shares` are atomic numbers, `CDK_SHARE_STRIDE` apart. Weights of the steps to come are asked for meanwhile.
  void (*multiply_bands)(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share);
  /// y[t][r] for `rows` rows from `first_row` on in f32 with 16 partial sums per output; any type. `weights` is row 0.
  void (*multiply_float)(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                         size_t columns, const cdk_float_token *tokens, size_t token_count);
  /// Decodes one row to f32.
  void (*decode_row)(int type, const void *row, size_t columns, float *out);
} cdk_kernels;

/// Computes one band.
static inline void cdk_multiply_band(const cdk_kernels *kernels, cdk_band band) {
  band.first_step = 0;
  uint64_t share = cdk_share(0, cdk_steps_of(band.rows, band.token_count));
  kernels->multiply_bands(&band, &share, 1, 0);
}

/// The kernels of a level (CQK_LEVEL_*), or the best ones below it when this CPU lacks an instruction set that
/// they need besides those of the level. The level must be available. Never NULL.
const cdk_kernels *cdk_kernels_of(int level);

/// The kernels of the AVX-512 level for CPUs that cannot move bits of bytes in one instruction (GFNI), for tests on those
/// that can; NULL where the CPU does not have what the level needs.
const cdk_kernels *cdk_avx512_without_gfni(void);

/// The sum of the first 64-bit word of every 64 bytes of some memory, modulo 2^64: one word of each line, so that lines come
/// as fast as memory gives them, to measure how fast that is. Bytes behind the last whole 64 are left out.
uint64_t cdk_sum_lines(const void *bytes, size_t count);

/// Tells the CPU that this is a spin loop.
static inline void cdk_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif
