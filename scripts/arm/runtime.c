// The runtime's loops that are no matrix products.

#include <math.h>

#include "harness.h"

enum { LONGEST = 2048 };

// One call on fresh copies of the inputs; `result` is what the call wrote.
#define RUN(NAME, CALL, RESULT)                                       \
  do {                                                                \
    memcpy(y, keep, 4 * LONGEST);                                     \
    memset(out, 0, 4 * LONGEST);                                      \
    CALL;                                                             \
    record(RESULT, 4 * LONGEST, "runtime/" NAME "/%d/%d", n, kind);   \
  } while (0)

static void run_vectors(void) {
  static const int lengths[] = {1, 2, 7, 15, 16, 17, 31, 33, 64, 127, 128, 257, 1000, 2048};
  float *x = filled(4 * LONGEST), *w = filled(4 * LONGEST), *b = filled(4 * LONGEST), *out = filled(4 * LONGEST);
  float *y = filled(4 * LONGEST), *keep = filled(4 * LONGEST);
  const int level = runtime_level;
  for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
    for (int k = 0; k < 3; k++) {
      static const int kinds[] = {1, 15, 6};
      const int n = lengths[l], kind = kinds[k];
      seed(9000 + 10 * l + (uint64_t)k);
      for (int i = 0; i < LONGEST; i++) {
        x[i] = value_of_kind(kind, i);
        w[i] = bell();
        b[i] = bell();
        keep[i] = value_of_kind(kinds[(k + 1) % 3], i);
      }
      RUN("rms-norm", crk_rms_norm(level, x, w, n, 1e-6f, out), out);
      RUN("layer-norm", crk_layer_norm(level, x, w, b, n, 1e-5f, out), out);
      RUN("l2-norm", crk_l2_norm(level, x, n, 1e-6f, 0.125f, out), out);
      RUN("add", crk_add(level, x, n, y), y);
      RUN("add-scaled", crk_add_scaled(level, x, 0.37f, n, y), y);
      RUN("silu-multiply", crk_silu_multiply(level, x, n, y), y);
      RUN("gelu-multiply", crk_gelu_multiply(level, x, n, y), y);
      RUN("clamped-swiglu", crk_clamped_swiglu(level, x, 7.0f, 1.702f, n, y), y);
      RUN("soft-cap", crk_soft_cap(level, 30.0f, n, y), y);
      RUN("sigmoid-multiply", crk_sigmoid_multiply(level, x, n, y), y);
      RUN("multiply-silu", crk_multiply_silu(level, x, n, y), y);
      RUN("softmax", crk_softmax(level, n, y), y);
      RUN("rotate", crk_rotate_halves(level, w, b, n / 2, y), y);
      const float *rows[4] = {x, w, b, x + 512};
      const int channels = n > 512 ? 512 : n;
      RUN("convolve", crk_convolve(level, rows, keep, 4, channels, out), out);
      RUN("gated-convolve", crk_gated_convolve(level, rows, keep, 3, channels, w, out), out);
    }
  // Exponentials over their range, with its ends.
  for (int i = 0; i < LONGEST; i++) y[i] = (float)(i - LONGEST / 2) * 0.125f + (float)(i % 7) * 0x1p-12f;
  y[0] = -INFINITY;
  y[1] = INFINITY;
  y[2] = -0.0f;
  y[3] = 88.72f;
  y[4] = 88.73f;
  y[5] = -103.9f;
  y[6] = -104.1f;
  crk_exp(level, LONGEST, y);
  record(y, 4 * LONGEST, "runtime/exp");
  free(x);
  free(w);
  free(b);
  free(out);
  free(y);
  free(keep);
}

static void run_attention(int dimensions, int half, int with_values) {
  enum { CAPACITY = 320 };
  int stride = (dimensions + 15) / 16 * 16;
  size_t size = half ? 2 : 4, key_bytes = CAPACITY * (size_t)dimensions * size;
  size_t value_bytes = CAPACITY * (size_t)stride * size;
  void *keys = filled(key_bytes), *values = with_values ? filled(value_bytes) : NULL;
  memset(keys, 0, key_bytes);
  if (values) memset(values, 0, value_bytes);
  float key[256], value[256];
  seed(9500 + (uint64_t)(4 * dimensions + 2 * half + with_values));
  for (int p = 0; p < 300; p++) {
    for (int i = 0; i < dimensions; i++) {
      key[i] = bell();
      value[i] = bell();
    }
    crk_store(runtime_level, key, with_values ? value : NULL, p, dimensions, stride, half, keys, values);
  }
  record(keys, key_bytes, "runtime/keys/%d/%d/%d", dimensions, half, with_values);
  if (values) record(values, value_bytes, "runtime/values/%d/%d", dimensions, half);
  enum { MOST = CRK_MOST_QUERIES };
  float *queries = filled(4 * MOST * 256), *outs = filled(4 * MOST * 256), *scores = filled(4 * MOST * (CAPACITY + 272));
  for (int i = 0; i < MOST * 256; i++) queries[i] = bell();
  static const int ends[][MOST] = {
      {1, 2, 3, 4, 5, 6, 7, 8}, {15, 16, 17, 18, 19, 20, 21, 22}, {293, 294, 295, 296, 297, 298, 299, 300},
      {300, 1, 17, 300, 2, 299, 32, 33}};
  for (int e = 0; e < 4; e++)
    for (int count = 1; count <= MOST; count++) {
      const float *q[MOST];
      float *o[MOST];
      crk_span spans[MOST];
      for (int i = 0; i < MOST; i++) {
        q[i] = queries + 256 * i;
        o[i] = outs + 256 * i;
        // Windows in some, sinks in some.
        int start = (e + i) % 2 && ends[e][i] > 16 ? ends[e][i] - 13 : 0;
        spans[i] = (crk_span){start, ends[e][i], (e + count) % 2 ? 0.25f : -INFINITY};
      }
      memset(outs, 0, 4 * MOST * 256);
      crk_cache cache = {keys, values, dimensions, dimensions, stride, half};
      crk_attend(runtime_level, &cache, q, spans, count, 0.125f, scores, o);
      record(outs, 4 * MOST * 256, "runtime/attend/%d/%d/%d/ends%d/queries%d", dimensions, half, with_values, e, count);
    }
  free(keys);
  free(values);
  free(queries);
  free(outs);
  free(scores);
}

static void run_delta_rule(int key_dim, int columns, int tokens) {
  static float state[128 * 32], q[9 * 128], k[9 * 128], v[9 * 32], decays[9], betas[9], outs[9 * 32];
  seed(9900 + (uint64_t)(key_dim * 100 + columns * 10 + tokens));
  for (int i = 0; i < 128 * 32; i++) state[i] = bell();
  for (int i = 0; i < 9 * 128; i++) {
    q[i] = bell() * 0.125f;
    k[i] = bell() * 0.125f;
  }
  for (int i = 0; i < 9 * 32; i++) {
    v[i] = bell();
    outs[i] = 0;
  }
  for (int i = 0; i < 9; i++) {
    decays[i] = unit();
    betas[i] = unit();
  }
  crk_delta_rule_arguments a = {state, 32, q, k, 128, v, 32, decays, betas, 1, outs, 32, key_dim, columns, tokens};
  crk_delta_rule(runtime_level, &a);
  record(state, sizeof state, "runtime/delta-state/%d/%d/%d", key_dim, columns, tokens);
  record(outs, sizeof outs, "runtime/delta-outs/%d/%d/%d", key_dim, columns, tokens);
}

void run_runtime(void) {
  run_vectors();
  static const int dimensions[] = {16, 24, 64, 65, 128, 256};
  for (int d = 0; d < 6; d++)
    for (int half = 0; half < 2; half++)
      for (int with_values = 0; with_values < 2; with_values++)
        if (with_values || dimensions[d] % 16 == 0) run_attention(dimensions[d], half, with_values);
  static const int key_dims[] = {1, 2, 16, 33, 128}, columns[] = {1, 8, 16, 17, 32}, tokens[] = {1, 2, 9};
  for (int k = 0; k < 5; k++)
    for (int c = 0; c < 5; c++)
      for (int t = 0; t < 3; t++) run_delta_rule(key_dims[k], columns[c], tokens[t]);
}
