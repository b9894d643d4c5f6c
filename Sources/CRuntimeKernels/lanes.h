// The loops, written once over vectors of 16 floats and compiled for each level.
//
// No implicit contraction: a fused multiply-add is written as such, and the C library's fmaf stands in where the
// machine has none, so that every level rounds alike.
#include <math.h>
#include <string.h>

#include "levels.h"

#pragma clang fp contract(off)
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((vector_size(64), aligned(4)));
typedef int32_t i16v __attribute__((vector_size(64), aligned(4)));
typedef _Float16 h16 __attribute__((vector_size(32), aligned(2)));

#define INLINE static inline __attribute__((always_inline))

INLINE v16 splat(float x) { return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

INLINE v16 fused(v16 a, v16 b, v16 c) { return __builtin_elementwise_fma(a, b, c); }

INLINE v16 load(const float *p) {
  v16 v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, v16 v) { memcpy(p, &v, sizeof v); }

/// The first count (below 16) values, zeros after them.
INLINE v16 load_some(const float *p, ptrdiff_t count) {
  float lanes[16] = {0};
  for (ptrdiff_t i = 0; i < count; i++) lanes[i] = p[i];
  return load(lanes);
}

INLINE void store_some(float *p, v16 v, ptrdiff_t count) {
  float lanes[16];
  store(lanes, v);
  for (ptrdiff_t i = 0; i < count; i++) p[i] = lanes[i];
}

INLINE v16 load_half(const uint16_t *p) {
  h16 v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, v16);
}

/// Lane i meets lane i + 8, then 4, 2, 1: the same tree everywhere.
INLINE float total(v16 v) {
  float a[16];
  store(a, v);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; i++) a[i] = a[i] + a[i + width];
  return a[0];
}

/// The totals of 16 vectors, each in the tree of total(): every step halves the lanes that a sum is spread over.
INLINE v16 totals(const v16 v[16]) {
  v16 a[8], b[4], c[2];
  for (int i = 0; i < 8; i++) {
    const v16 x = v[2 * i], y = v[2 * i + 1];
    a[i] = __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  for (int i = 0; i < 4; i++) {
    const v16 x = a[2 * i], y = a[2 * i + 1];
    b[i] = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
  for (int i = 0; i < 2; i++) {
    const v16 x = b[2 * i], y = b[2 * i + 1];
    c[i] = __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  }
  return __builtin_shufflevector(c[0], c[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(c[0], c[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

INLINE v16 maximum(v16 a, v16 b) {
  i16v take = a < b;
  return (v16)(((i16v)b & take) | ((i16v)a & ~take));
}

INLINE float greatest(v16 v) {
  float a[16];
  store(a, v);
  float best = a[0];
  for (int i = 1; i < 16; i++) best = a[i] > best ? a[i] : best;
  return best;
}

/// exp to within about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial for exp(r) (the
/// classic coefficients of Cephes' expf, which are public domain facts), and 2^n in two factors so that results down
/// to the smallest denormal come out.
INLINE v16 exponential(v16 x) {
  v16 low = splat(-110.0f), high = splat(89.0f);
  i16v below = x < low, above = x > high;
  x = (v16)(((i16v)low & below) | ((i16v)x & ~below));
  x = (v16)(((i16v)high & above) | ((i16v)x & ~above));
  v16 magic = splat(12582912.0f);
  v16 biased = fused(x, splat(1.44269504088896341f), magic);
  v16 n = biased - magic;
  i16v exponent = (i16v)biased - (i16v)magic;
  v16 r = fused(n, splat(-0.693359375f), x);
  r = fused(n, splat(2.12194440e-4f), r);
  v16 p = splat(1.9875691500e-4f);
  p = fused(p, r, splat(1.3981999507e-3f));
  p = fused(p, r, splat(8.3334519073e-3f));
  p = fused(p, r, splat(4.1665795894e-2f));
  p = fused(p, r, splat(1.6666665459e-1f));
  p = fused(p, r, splat(5.0000001201e-1f));
  p = fused(p * r, r, r) + splat(1.0f);
  i16v half = exponent >> 1;
  v16 first = (v16)((half + 127) << 23), second = (v16)((exponent - half + 127) << 23);
  return p * first * second;
}

INLINE v16 sigmoid(v16 x) { return splat(1.0f) / (splat(1.0f) + exponential(-x)); }

INLINE v16 silu(v16 x) { return x / (splat(1.0f) + exponential(-x)); }

INLINE float sum_of_squares(const float *x, ptrdiff_t count) {
  v16 sum = splat(0);
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 v = load(x + i);
    sum = fused(v, v, sum);
  }
  if (i < count) {
    v16 v = load_some(x + i, count - i);
    sum = fused(v, v, sum);
  }
  return total(sum);
}

/// Runs a statement over all elements: LOADED(p) reads, RESULT is stored to `to`.
#define OVER(count, to, expression)                     \
  do {                                                  \
    ptrdiff_t i = 0;                                    \
    for (; i + 16 <= (count); i += 16) {                \
      const ptrdiff_t some = 16;                        \
      store((to) + i, (expression));                    \
      (void)some;                                       \
    }                                                   \
    if (i < (count)) {                                  \
      const ptrdiff_t some = (count) - i;               \
      store_some((to) + i, (expression), some);         \
    }                                                   \
  } while (0)

#define AT(p) (some == 16 ? load((p) + i) : load_some((p) + i, some))

static void rms_norm(const float *x, const float *weight, ptrdiff_t count, float epsilon, float *out) {
  v16 scale = splat(1.0f / sqrtf(sum_of_squares(x, count) / (float)count + epsilon));
  OVER(count, out, AT(weight) * (AT(x) * scale));
}

static void l2_norm(const float *x, ptrdiff_t count, float epsilon, float scale, float *out) {
  v16 factor = splat(1.0f / sqrtf(sum_of_squares(x, count) + epsilon)), scales = splat(scale);
  OVER(count, out, AT(x) * factor * scales);
}

static void add(const float *x, ptrdiff_t count, float *y) { OVER(count, y, AT(y) + AT(x)); }

static void add_scaled(const float *x, float factor, ptrdiff_t count, float *y) {
  v16 factors = splat(factor);
  OVER(count, y, fused(factors, AT(x), AT(y)));
}

static void silu_multiply(const float *x, ptrdiff_t count, float *y) { OVER(count, y, silu(AT(y)) * AT(x)); }

static void sigmoid_multiply(const float *x, ptrdiff_t count, float *y) { OVER(count, y, AT(y) * sigmoid(AT(x))); }

static void multiply_silu(const float *x, ptrdiff_t count, float *y) { OVER(count, y, AT(y) * silu(AT(x))); }

static void exponentials(ptrdiff_t count, float *y) { OVER(count, y, exponential(AT(y))); }

static void softmax(ptrdiff_t count, float *y) {
  float best = y[0];
  for (ptrdiff_t i = 1; i < count; i++) best = y[i] > best ? y[i] : best;
  v16 sum = splat(0), shift = splat(best);
  OVER(count, y, exponential(AT(y) - shift));
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) sum = sum + load(y + i);
  if (i < count) sum = sum + load_some(y + i, count - i);
  v16 divisor = splat(total(sum));
  OVER(count, y, AT(y) / divisor);
}

static void rotate_halves(const float *cosines, const float *sines, ptrdiff_t half, float *x) {
  ptrdiff_t i = 0;
  for (; i + 16 <= half; i += 16) {
    v16 c = load(cosines + i), s = load(sines + i), a = load(x + i), b = load(x + half + i);
    store(x + i, a * c - b * s);
    store(x + half + i, b * c + a * s);
  }
  for (; i < half; i++) {
    float c = cosines[i], s = sines[i], a = x[i], b = x[half + i];
    x[i] = a * c - b * s;
    x[half + i] = b * c + a * s;
  }
}

static void convolve(const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                     float *out) {
  for (ptrdiff_t i = 0; i < channels; i += 16) {
    ptrdiff_t some = channels - i < 16 ? channels - i : 16;
    v16 sum = splat(0);
    for (ptrdiff_t tap = 0; tap < taps; tap++)
      sum = fused(AT(weight + tap * channels), AT(rows[tap]), sum);
    sum = silu(sum);
    if (some == 16)
      store(out + i, sum);
    else
      store_some(out + i, sum, some);
  }
}

// Attention ----------------------------------------------------------------------------------------------------------

INLINE v16 load_cached(const void *base, ptrdiff_t index, bool half) {
  return half ? load_half((const uint16_t *)base + index) : load((const float *)base + index);
}

/// scores[q][position] = scale * query_q . key, 16 positions in the lanes, two chains over even and odd dimensions.
/// As many queries at once as the registers hold chains for.
INLINE void score_some(const crk_cache *cache, const float *const *queries, const int count, ptrdiff_t span,
                       float scale, bool half, float *scores) {
  const ptrdiff_t dims = cache->head_dim;
  for (ptrdiff_t block = 0; block < span / 16; block++) {
    v16 even[4], odd[4];
    for (int q = 0; q < count; q++) even[q] = odd[q] = splat(0);
    ptrdiff_t d = 0, base = block * dims * 16;
    for (; d + 2 <= dims; d += 2) {
      v16 k0 = load_cached(cache->keys, base + d * 16, half), k1 = load_cached(cache->keys, base + d * 16 + 16, half);
      for (int q = 0; q < count; q++) {
        even[q] = fused(splat(queries[q][d]), k0, even[q]);
        odd[q] = fused(splat(queries[q][d + 1]), k1, odd[q]);
      }
    }
    if (d < dims) {
      v16 k0 = load_cached(cache->keys, base + d * 16, half);
      for (int q = 0; q < count; q++) even[q] = fused(splat(queries[q][d]), k0, even[q]);
    }
    for (int q = 0; q < count; q++) store(scores + q * span + block * 16, (even[q] + odd[q]) * splat(scale));
  }
}

INLINE void score(const crk_cache *cache, const float *const *queries, const int count, ptrdiff_t span, float scale,
                  bool half, float *scores) {
  if (count < CRK_SCORE_QUERIES) {
    score_some(cache, queries, count, span, scale, half, scores);
    return;
  }
  for (int q = 0; q < count; q += CRK_SCORE_QUERIES)
    score_some(cache, queries + q, CRK_SCORE_QUERIES, span, scale, half, scores + q * span);
}

/// sums[q][column] += weight of each position times its value, positions in ascending order.
INLINE void gather(const crk_cache *cache, const int count, ptrdiff_t span, ptrdiff_t length, bool half,
                   const float *weights, float *sums) {
  const ptrdiff_t stride = cache->value_stride;
  for (ptrdiff_t column = 0; column < stride; column += 16 * CRK_COLUMNS) {
    v16 sum[4][CRK_COLUMNS];
    const ptrdiff_t left = (stride - column) / 16;
    for (int q = 0; q < count; q++)
      for (int c = 0; c < CRK_COLUMNS; c++) sum[q][c] = splat(0);
    if (left >= CRK_COLUMNS) {
      for (ptrdiff_t t = 0; t < length; t++) {
        v16 v[CRK_COLUMNS];
        for (int c = 0; c < CRK_COLUMNS; c++) v[c] = load_cached(cache->values, t * stride + column + c * 16, half);
        for (int q = 0; q < count; q++) {
          v16 w = splat(weights[q * span + t]);
          for (int c = 0; c < CRK_COLUMNS; c++) sum[q][c] = fused(w, v[c], sum[q][c]);
        }
      }
      for (int q = 0; q < count; q++)
        for (int c = 0; c < CRK_COLUMNS; c++) store(sums + q * stride + column + c * 16, sum[q][c]);
    } else {
      for (ptrdiff_t c = 0; c < left; c++) {
        v16 one[4];
        for (int q = 0; q < count; q++) one[q] = splat(0);
        for (ptrdiff_t t = 0; t < length; t++) {
          v16 v = load_cached(cache->values, t * stride + column + c * 16, half);
          for (int q = 0; q < count; q++) one[q] = fused(splat(weights[q * span + t]), v, one[q]);
        }
        for (int q = 0; q < count; q++) store(sums + q * stride + column + c * 16, one[q]);
      }
    }
  }
}

/// Weighted sums of `width` dimensions of keys from `dim` on, spread over the lanes: lane l has the positions with
/// remainder l, in ascending order.
INLINE void weigh_dims(const crk_cache *cache, const int count, const int width, ptrdiff_t dim, ptrdiff_t span,
                       bool half, const float *weights, v16 (*lanes)[16], ptrdiff_t place) {
  v16 sum[4][CRK_COLUMNS];
  for (int q = 0; q < count; q++)
    for (int c = 0; c < width; c++) sum[q][c] = splat(0);
  for (ptrdiff_t block = 0; block < span / 16; block++) {
    v16 w[4];
    for (int q = 0; q < count; q++) w[q] = load(weights + q * span + block * 16);
    for (int c = 0; c < width; c++) {
      v16 k = load_cached(cache->keys, (block * cache->head_dim + dim + c) * 16, half);
      for (int q = 0; q < count; q++) sum[q][c] = fused(w[q], k, sum[q][c]);
    }
  }
  for (int q = 0; q < count; q++)
    for (int c = 0; c < width; c++) lanes[q][place + c] = sum[q][c];
}

/// gather() where values are the first dimensions of keys. Lanes without a position have weight 0 and a finite key.
INLINE void gather_keys(const crk_cache *cache, const int count, ptrdiff_t span, bool half, const float *weights,
                        float *sums) {
  for (ptrdiff_t dim = 0; dim < cache->value_dim; dim += 16) {
    const ptrdiff_t left = cache->value_dim - dim, some = left < 16 ? left : 16;
    v16 lanes[4][16];
    ptrdiff_t i = 0;
    for (; i + CRK_COLUMNS <= some; i += CRK_COLUMNS)
      weigh_dims(cache, count, CRK_COLUMNS, dim + i, span, half, weights, lanes, i);
    for (; i < some; i++) weigh_dims(cache, count, 1, dim + i, span, half, weights, lanes, i);
    for (int q = 0; q < count; q++) {
      for (i = some; i < 16; i++) lanes[q][i] = splat(0);
      store(sums + q * cache->value_stride + dim, totals(lanes[q]));
    }
  }
}

INLINE void attend_some(const crk_cache *whole, const float *const *queries, const crk_span *spans, const int count,
                        float scale, bool half, float *scores, float *const *outs) {
  ptrdiff_t first = spans[0].start, last = spans[0].end;
  for (int q = 1; q < count; q++) {
    first = spans[q].start < first ? spans[q].start : first;
    last = spans[q].end > last ? spans[q].end : last;
  }
  // Blocks of 16 positions that no query sees are left out; the others keep their lanes.
  first = first / 16 * 16;
  crk_cache seen = *whole;
  const ptrdiff_t size = half ? 2 : 4;
  seen.keys = (const char *)whole->keys + first * whole->head_dim * size;
  if (whole->values) seen.values = (const char *)whole->values + first * whole->value_stride * size;
  const crk_cache *cache = &seen;
  const ptrdiff_t longest = last - first, span = (longest + 15) / 16 * 16;
  float divisors[4];
  float *sums = scores + count * span;
  score(cache, queries, count, span, scale, half, scores);
  for (int q = 0; q < count; q++) {
    // Positions that the query does not see are masked: exp(-inf) is 0, and adding 0 changes no sum.
    float *row = scores + q * span;
    for (ptrdiff_t t = 0; t < spans[q].start - first; t++) row[t] = -INFINITY;
    for (ptrdiff_t t = spans[q].end - first; t < span; t++) row[t] = -INFINITY;
    v16 best = load(row);
    for (ptrdiff_t t = 16; t < span; t += 16) best = maximum(best, load(row + t));
    v16 shift = splat(greatest(best)), sum = splat(0);
    for (ptrdiff_t t = 0; t < span; t += 16) {
      v16 e = exponential(load(row + t) - shift);
      store(row + t, e);
      sum = sum + e;
    }
    divisors[q] = total(sum);
  }
  if (cache->values)
    gather(cache, count, span, longest, half, scores, sums);
  else
    gather_keys(cache, count, span, half, scores, sums);
  for (int q = 0; q < count; q++)
    for (ptrdiff_t d = 0; d < cache->value_dim; d++) outs[q][d] = sums[q * cache->value_stride + d] / divisors[q];
}

static void attend(const crk_cache *cache, const float *const *queries, const crk_span *spans,
                   ptrdiff_t query_count, float scale, float *scores, float *const *outs) {
  if (query_count == 4) {
    if (cache->half)
      attend_some(cache, queries, spans, 4, scale, true, scores, outs);
    else
      attend_some(cache, queries, spans, 4, scale, false, scores, outs);
    return;
  }
  for (ptrdiff_t q = 0; q < query_count; q++) {
    if (cache->half)
      attend_some(cache, queries + q, spans + q, 1, scale, true, scores, outs + q);
    else
      attend_some(cache, queries + q, spans + q, 1, scale, false, scores, outs + q);
  }
}

static void store_position(const float *key, const float *value, ptrdiff_t position, ptrdiff_t head_dim,
                           ptrdiff_t value_stride, bool half, void *keys, void *values) {
  ptrdiff_t base = position / 16 * head_dim * 16 + position % 16, row = position * value_stride;
  // gather_keys() reads whole blocks: what an earlier text left in them may not be finite.
  const ptrdiff_t size = half ? 2 : 4;
  if (!values && position % 16 == 0) memset((char *)keys + base * size, 0, (size_t)(head_dim * 16 * size));
  if (half) {
    for (ptrdiff_t d = 0; d < head_dim; d++) ((_Float16 *)keys)[base + d * 16] = (_Float16)key[d];
    if (values)
      for (ptrdiff_t d = 0; d < head_dim; d++) ((_Float16 *)values)[row + d] = (_Float16)value[d];
  } else {
    for (ptrdiff_t d = 0; d < head_dim; d++) ((float *)keys)[base + d * 16] = key[d];
    if (values) memcpy((float *)values + row, value, (size_t)head_dim * sizeof(float));
  }
}

// Gated delta rule ---------------------------------------------------------------------------------------------------

/// `blocks` times 16 columns of one head; the columns of a state do not depend on each other.
INLINE void delta_rule_blocks(const crk_delta_rule_arguments *a, const int blocks) {
  const ptrdiff_t stride = a->state_stride, dims = a->key_dim;
  for (ptrdiff_t t = 0; t < a->token_count; t++) {
    const float *q = a->queries + t * a->qk_stride, *k = a->keys + t * a->qk_stride;
    const float *v = a->values + t * a->value_stride;
    const v16 decay = splat(a->decays[t * a->gate_stride]), beta = splat(a->betas[t * a->gate_stride]);
    v16 read[2][2], delta[2], out[2][2];
    for (int b = 0; b < blocks; b++) read[b][0] = read[b][1] = out[b][0] = out[b][1] = splat(0);
    for (ptrdiff_t i = 0; i < dims; i += 2) {
      for (int odd = 0; odd < 2; odd++) {
        if (i + odd >= dims) continue;
        const v16 key = splat(k[i + odd]);
        for (int b = 0; b < blocks; b++)
          read[b][odd] = fused(key, load(a->state + (i + odd) * stride + b * 16) * decay, read[b][odd]);
      }
    }
    for (int b = 0; b < blocks; b++) {
      ptrdiff_t some = a->column_count - b * 16;
      v16 value = some >= 16 ? load(v + b * 16) : load_some(v + b * 16, some);
      delta[b] = beta * (value - (read[b][0] + read[b][1]));
    }
    for (ptrdiff_t i = 0; i < dims; i += 2) {
      for (int odd = 0; odd < 2; odd++) {
        if (i + odd >= dims) continue;
        const v16 key = splat(k[i + odd]), query = splat(q[i + odd]);
        for (int b = 0; b < blocks; b++) {
          float *place = a->state + (i + odd) * stride + b * 16;
          v16 s = fused(key, delta[b], load(place) * decay);
          store(place, s);
          out[b][odd] = fused(query, s, out[b][odd]);
        }
      }
    }
    for (int b = 0; b < blocks; b++) {
      ptrdiff_t some = a->column_count - b * 16;
      v16 o = out[b][0] + out[b][1];
      float *place = a->outs + t * a->out_stride + b * 16;
      if (some >= 16)
        store(place, o);
      else
        store_some(place, o, some);
    }
  }
}

static void delta_rule(const crk_delta_rule_arguments *arguments) {
  if (arguments->column_count > 16)
    delta_rule_blocks(arguments, 2);
  else
    delta_rule_blocks(arguments, 1);
}

const crk_level CRK_TABLE = {
    .rms_norm = rms_norm,
    .l2_norm = l2_norm,
    .add = add,
    .add_scaled = add_scaled,
    .silu_multiply = silu_multiply,
    .sigmoid_multiply = sigmoid_multiply,
    .multiply_silu = multiply_silu,
    .softmax = softmax,
    .exponentials = exponentials,
    .rotate_halves = rotate_halves,
    .convolve = convolve,
    .attend = attend,
    .store_position = store_position,
    .delta_rule = delta_rule,
};
