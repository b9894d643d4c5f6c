// Inner loops of the runtime that are not matrix products, in several levels that return the same bits.
//
// Every sum has a fixed order: 16 lanes with fused multiply-add, or one chain (two for even and odd terms)
// per output, whatever the width of the machine's registers.
#ifndef CRUNTIMEKERNELS_H
#define CRUNTIMEKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Slowest first. The second is the code shape of the last compiled for AVX2: slower than AVX2's own, there so that
/// its logic is tested everywhere.
enum {
  CRK_LEVEL_PORTABLE = 0,
  CRK_LEVEL_WIDE_AVX2 = 1,
  CRK_LEVEL_AVX2 = 2,
  CRK_LEVEL_AVX512 = 3,
  CRK_LEVEL_COUNT = 4
};

/// True when this machine can run the level.
bool crk_level_available(int level);

/// out[i] = weight[i] * (x[i] / sqrt(mean(x^2) + epsilon)); out may be x.
void crk_rms_norm(int level, const float *x, const float *weight, ptrdiff_t count, float epsilon, float *out);

/// out[i] = weight[i] * (x[i] - mean(x)) / sqrt(variance(x) + epsilon) + bias[i]; out may be x.
void crk_layer_norm(int level, const float *x, const float *weight, const float *bias, ptrdiff_t count, float epsilon,
                    float *out);

/// out[i] = scale * x[i] / sqrt(sum(x^2) + epsilon); out may be x.
void crk_l2_norm(int level, const float *x, ptrdiff_t count, float epsilon, float scale, float *out);

/// y += x.
void crk_add(int level, const float *x, ptrdiff_t count, float *y);

/// y += factor * x.
void crk_add_scaled(int level, const float *x, float factor, ptrdiff_t count, float *y);

/// y[i] = silu(y[i]) * x[i].
void crk_silu_multiply(int level, const float *x, ptrdiff_t count, float *y);

/// y[i] = gelu(y[i]) * x[i], with the tanh in place of the error function.
void crk_gelu_multiply(int level, const float *x, ptrdiff_t count, float *y);

/// y[i] = (u + 1) * g * sigmoid(slope * g), g = min(y[i], limit), u = x[i] cut off at limit and -limit.
void crk_clamped_swiglu(int level, const float *x, float limit, float slope, ptrdiff_t count, float *y);

/// y[i] = cap * tanh(y[i] / cap).
void crk_soft_cap(int level, float cap, ptrdiff_t count, float *y);

/// y[i] = y[i] * sigmoid(x[i]).
void crk_sigmoid_multiply(int level, const float *x, ptrdiff_t count, float *y);

/// y[i] = y[i] * silu(x[i]).
void crk_multiply_silu(int level, const float *x, ptrdiff_t count, float *y);

/// y = softmax(y).
void crk_softmax(int level, ptrdiff_t count, float *y);

/// y = exp(y).
void crk_exp(int level, ptrdiff_t count, float *y);

/// The index of the first one of the greatest values; 0 of none. NaN is no candidate.
ptrdiff_t crk_first_greatest(int level, const float *x, ptrdiff_t count);

/// Rotates the pairs (x[j], x[j + half]).
void crk_rotate_halves(int level, const float *cosines, const float *sines, ptrdiff_t half, float *x);

/// Depthwise causal convolution followed by silu, for one token.
/// rows: taps pointers, oldest first, to channel vectors; weight: [taps][channels]; out: [channels].
void crk_convolve(int level, const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                  float *out);

/// Depthwise causal convolution times a gate, for one token: out[i] = gate[i] * sum; out may be the gate.
/// rows and weight as above.
void crk_gated_convolve(int level, const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                        const float *gate, float *out);

/// One head of a key/value cache.
/// keys: [capacity / 16][head_dim][16]; values: [capacity][value_stride], value_stride a multiple of 16.
/// Without values (NULL), the first value_dim dimensions of keys are the values.
typedef struct {
  const void *keys;
  const void *values;
  /// Dimensions of a key and of a value.
  ptrdiff_t head_dim;
  ptrdiff_t value_dim;
  ptrdiff_t value_stride;
  /// Elements are binary16 instead of f32.
  bool half;
} crk_cache;

/// What a query sees: the positions from start up to but without end, at least one, and a sink.
typedef struct {
  ptrdiff_t start;
  ptrdiff_t end;
  /// A score whose exponential joins the sum that weights are divided by; -INFINITY for none.
  float sink;
} crk_span;

/// The most queries of one call of crk_attend.
enum { CRK_MOST_QUERIES = 8 };

/// Attention of up to CRK_MOST_QUERIES queries over one head of a cache; four and eight share what they read.
/// queries: pointers to head_dim values; outs: pointers to value_dim values, which may be those of the queries;
/// spans: what each query sees; scores: scratch of query_count * (the greatest end, rounded up to 16, + value_stride) values.
void crk_attend(int level, const crk_cache *cache, const float *const *queries, const crk_span *spans,
                ptrdiff_t query_count, float scale, float *scores, float *const *outs);

/// Stores one position of a head: keys go to lane position % 16 of their block, values to their row.
/// Without values (NULL), the first position of a block also clears the lanes of those that follow.
void crk_store(int level, const float *key, const float *value, ptrdiff_t position, ptrdiff_t head_dim,
               ptrdiff_t value_stride, bool half, void *keys, void *values);

/// The gated delta rule of one value head for 16 * column_blocks of its columns over several tokens.
/// state: [key_dim][state_stride], advanced in place. Token t reads queries + t * qk_stride (key_dim values),
/// keys likewise, values + t * value_stride and decays/betas + t * gate_stride, and writes outs + t * out_stride.
typedef struct {
  float *state;
  ptrdiff_t state_stride;
  const float *queries;
  const float *keys;
  ptrdiff_t qk_stride;
  const float *values;
  ptrdiff_t value_stride;
  const float *decays;
  const float *betas;
  ptrdiff_t gate_stride;
  float *outs;
  ptrdiff_t out_stride;
  ptrdiff_t key_dim;
  /// Columns, at most 32; only these are read from values and written to outs.
  ptrdiff_t column_count;
  ptrdiff_t token_count;
} crk_delta_rule_arguments;

/// Runs it.
void crk_delta_rule(int level, const crk_delta_rule_arguments *arguments);

#endif
