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
  /// y[t][r] = sum over columns of W[r][c] * x[t][c] for `rows` rows from `first_row` on, by integer products.
  /// `weights` is row 0; the type is a quantized one.
  void (*multiply_integer)(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                           size_t columns, const cdk_token *tokens, size_t token_count);
  /// The same in f32 with 16 partial sums per output; any type.
  void (*multiply_float)(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                         size_t columns, const cdk_float_token *tokens, size_t token_count);
  /// Decodes one row to f32.
  void (*decode_row)(int type, const void *row, size_t columns, float *out);
} cdk_kernels;

/// The kernels of a level (CQK_LEVEL_*), or the best ones below it when this CPU lacks an instruction set that
/// they need besides those of the level. The level must be available. Never NULL.
const cdk_kernels *cdk_kernels_of(int level);

/// The kernels of the AVX-512 level for CPUs that cannot move bits of bytes in one instruction (GFNI), for tests on those
/// that can; NULL where the CPU does not have what the level needs.
const cdk_kernels *cdk_avx512_without_gfni(void);

/// The sum of the 64-bit words of some memory, modulo 2^64, read as fast as memory gives them: to measure how fast that
/// is. Bytes behind the last whole word are left out.
uint64_t cdk_sum_words(const void *bytes, size_t count);

/// Tells the CPU that this is a spin loop.
static inline void cdk_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif
