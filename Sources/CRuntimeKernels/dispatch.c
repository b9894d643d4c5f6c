#include "levels.h"

static const crk_level *table(int level) {
  switch (level) {
#if defined(__x86_64__)
    case CRK_LEVEL_WIDE_AVX2: return &crk_level_wide_avx2;
    case CRK_LEVEL_AVX2: return &crk_level_avx2;
    case CRK_LEVEL_AVX512: return &crk_level_avx512;
#endif
    default: return &crk_level_portable;
  }
}

bool crk_level_available(int level) {
  switch (level) {
    case CRK_LEVEL_PORTABLE: return true;
#if defined(__x86_64__)
    case CRK_LEVEL_WIDE_AVX2:
    case CRK_LEVEL_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case CRK_LEVEL_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#endif
    default: return false;
  }
}

void crk_rms_norm(int level, const float *x, const float *weight, ptrdiff_t count, float epsilon, float *out) {
  table(level)->rms_norm(x, weight, count, epsilon, out);
}

void crk_layer_norm(int level, const float *x, const float *weight, const float *bias, ptrdiff_t count, float epsilon,
                    float *out) {
  table(level)->layer_norm(x, weight, bias, count, epsilon, out);
}

void crk_l2_norm(int level, const float *x, ptrdiff_t count, float epsilon, float scale, float *out) {
  table(level)->l2_norm(x, count, epsilon, scale, out);
}

void crk_add(int level, const float *x, ptrdiff_t count, float *y) { table(level)->add(x, count, y); }

void crk_add_scaled(int level, const float *x, float factor, ptrdiff_t count, float *y) {
  table(level)->add_scaled(x, factor, count, y);
}

void crk_silu_multiply(int level, const float *x, ptrdiff_t count, float *y) {
  table(level)->silu_multiply(x, count, y);
}

void crk_gelu_multiply(int level, const float *x, ptrdiff_t count, float *y) {
  table(level)->gelu_multiply(x, count, y);
}

void crk_clamped_swiglu(int level, const float *x, float limit, float slope, ptrdiff_t count, float *y) {
  table(level)->clamped_swiglu(x, limit, slope, count, y);
}

void crk_soft_cap(int level, float cap, ptrdiff_t count, float *y) { table(level)->soft_cap(cap, count, y); }

void crk_sigmoid_multiply(int level, const float *x, ptrdiff_t count, float *y) {
  table(level)->sigmoid_multiply(x, count, y);
}

void crk_multiply_silu(int level, const float *x, ptrdiff_t count, float *y) {
  table(level)->multiply_silu(x, count, y);
}

void crk_softmax(int level, ptrdiff_t count, float *y) { table(level)->softmax(count, y); }

void crk_exp(int level, ptrdiff_t count, float *y) { table(level)->exponentials(count, y); }

ptrdiff_t crk_first_greatest(int level, const float *x, ptrdiff_t count) {
  return table(level)->first_greatest(x, count);
}

void crk_rotate_halves(int level, const float *cosines, const float *sines, ptrdiff_t half, float *x) {
  table(level)->rotate_halves(cosines, sines, half, x);
}

void crk_convolve(int level, const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                  float *out) {
  table(level)->convolve(rows, weight, taps, channels, out);
}

void crk_gated_convolve(int level, const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                        const float *gate, float *out) {
  table(level)->gated_convolve(rows, weight, taps, channels, gate, out);
}

void crk_attend(int level, const crk_cache *cache, const float *const *queries, const crk_span *spans,
                ptrdiff_t query_count, float scale, float *scores, float *const *outs) {
  table(level)->attend(cache, queries, spans, query_count, scale, scores, outs);
}

void crk_store(int level, const float *key, const float *value, ptrdiff_t position, ptrdiff_t head_dim,
               ptrdiff_t value_stride, bool half, void *keys, void *values) {
  table(level)->store_position(key, value, position, head_dim, value_stride, half, keys, values);
}

void crk_delta_rule(int level, const crk_delta_rule_arguments *arguments) { table(level)->delta_rule(arguments); }
