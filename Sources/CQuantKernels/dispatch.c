#include "levels.h"

#include "floor_log2.h"

float cqk_magic = 12582912.0f;

static const cqk_level *table(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CQK_LEVEL_AVX2: return &cqk_level_avx2;
    case CQK_LEVEL_AVX512: return &cqk_level_avx512;
    case CQK_LEVEL_WIDE_AVX2: return &cqk_level_wide_avx2;
#endif
    default: return &cqk_level_portable;
  }
}

bool cqk_level_available(int level) {
  switch (level) {
    case CQK_LEVEL_PORTABLE: return true;
#if defined(__x86_64__)
    // These ask CPUID and, for the wider registers, whether the operating system saves them.
    case CQK_LEVEL_AVX2:
    case CQK_LEVEL_WIDE_AVX2: return __builtin_cpu_supports("avx2");
    case CQK_LEVEL_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
#if defined(__aarch64__)
    // On this architecture the portable level is compiled to NEON instructions.
    case CQK_LEVEL_NEON: return true;
#endif
    default: return false;
  }
}

void cqk_quantize(int level, int format, const float *rows, ptrdiff_t row_count, ptrdiff_t row_length,
                  const float *importance, void *out) {
  table(level)->quantize[format](rows, row_count, row_length, importance, out);
}

void cqk_dequantize(int level, int format, const void *blocks, ptrdiff_t block_count, float *out) {
  table(level)->dequantize[format](blocks, block_count, out);
}

void cqk_widen(int level, int source, const void *from, ptrdiff_t count, float *to) {
  table(level)->widen[source](from, count, to);
}

void cqk_narrow_f16(int level, const float *from, ptrdiff_t count, void *to) {
  table(level)->narrow_f16(from, count, to);
}

void cqk_narrow_bf16(int level, const float *from, ptrdiff_t count, void *to) {
  table(level)->narrow_bf16(from, count, to);
}

ptrdiff_t cqk_first_non_finite(int level, const float *values, ptrdiff_t count) {
  return table(level)->first_non_finite(values, count);
}

void cqk_group_affine(int level, int bits, ptrdiff_t size, const float *values, ptrdiff_t groups, void *codes,
                      float *scales, float *biases) {
  table(level)->group_affine(bits, size, values, groups, codes, scales, biases);
}

void cqk_group_mxfp4(int level, int type, const float *values, ptrdiff_t groups, void *codes, void *scales) {
  table(level)->group_mxfp4(type, values, groups, codes, scales);
}

void cqk_group_nvfp4(int level, int type, const float *values, ptrdiff_t groups, void *codes, void *scales) {
  table(level)->group_nvfp4(type, values, groups, codes, scales);
}

int cqk_floor_log2(float value) { return floor_log2(value); }
