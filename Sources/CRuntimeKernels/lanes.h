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

/// `yes` where all bits of a lane are set, `no` where none is.
INLINE v16 choose(i16v set, v16 yes, v16 no) { return (v16)(((i16v)yes & set) | ((i16v)no & ~set)); }

/// gelu with tanh: x / 2 * (1 + tanh(u)) is x * sigmoid(2u).
INLINE v16 tanh_gelu(v16 x) {
  v16 twice = x * fused(x * x, splat(0.0713548162726f), splat(1.5957691216057f));
  return x / (splat(1.0f) + exponential(-twice));
}

/// tanh to within some units in the last place: near 0 a polynomial (the classic coefficients of Cephes' tanhf, which
/// are public domain facts), elsewhere by way of an exponential.
INLINE v16 hyperbolic_tangent(v16 x) {
  const i16v sign = (i16v)splat(-0.0f);
  v16 size = (v16)((i16v)x & ~sign), z = x * x;
  v16 far = splat(1.0f) - splat(2.0f) / (splat(1.0f) + exponential(size + size));
  v16 p = splat(-5.70498872745e-3f);
  p = fused(p, z, splat(2.06390887954e-2f));
  p = fused(p, z, splat(-5.37397155531e-2f));
  p = fused(p, z, splat(1.33314422036e-1f));
  p = fused(p, z, splat(-3.33332819422e-1f));
  return choose(size < splat(0.625f), fused(p * z, x, x), (v16)((i16v)far | ((i16v)x & sign)));
}

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

static void layer_norm(const float *x, const float *weight, const float *bias, ptrdiff_t count, float epsilon,
                       float *out) {
  v16 sum = splat(0);
  ptrdiff_t from = 0;
  for (; from + 16 <= count; from += 16) sum = sum + load(x + from);
  if (from < count) sum = sum + load_some(x + from, count - from);
  v16 mean = splat(total(sum) / (float)count);
  OVER(count, out, AT(x) - mean);
  v16 scale = splat(1.0f / sqrtf(sum_of_squares(out, count) / (float)count + epsilon));
  OVER(count, out, fused(AT(weight), AT(out) * scale, AT(bias)));
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

static void gelu_multiply(const float *x, ptrdiff_t count, float *y) { OVER(count, y, tanh_gelu(AT(y)) * AT(x)); }

/// The gate times its sigmoid, and the other half plus 1; a limit takes the place of what is beyond it, NaN stays.
INLINE v16 clamped(v16 gate, v16 up, v16 limit, v16 slope) {
  v16 g = choose(limit < gate, limit, gate);
  v16 u = choose(limit < up, limit, choose(up < -limit, -limit, up));
  return (u + splat(1.0f)) * (g / (splat(1.0f) + exponential(-(slope * g))));
}

static void clamped_swiglu(const float *x, float limit, float slope, ptrdiff_t count, float *y) {
  v16 limits = splat(limit), slopes = splat(slope);
  OVER(count, y, clamped(AT(y), AT(x), limits, slopes));
}

static void soft_cap(float cap, ptrdiff_t count, float *y) {
  v16 caps = splat(cap);
  OVER(count, y, hyperbolic_tangent(AT(y) / caps) * caps);
}

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

/// Once over all values for the greatest one, then from the front up to the first that equals it.
static ptrdiff_t first_greatest(const float *x, ptrdiff_t count) {
  v16 best[4];
  for (int k = 0; k < 4; k++) best[k] = splat(-INFINITY);
  ptrdiff_t i = 0;
  for (; i + 64 <= count; i += 64)
    for (int k = 0; k < 4; k++) best[k] = maximum(best[k], load(x + i + 16 * k));
  float most = greatest(maximum(maximum(best[0], best[1]), maximum(best[2], best[3])));
  for (; i < count; i++) most = x[i] > most ? x[i] : most;
  const v16 wanted = splat(most);
  for (i = 0; i + 16 <= count; i += 16)
    if (__builtin_reduce_or((i16v)(load(x + i) == wanted))) break;
  for (; i < count; i++)
    if (x[i] == most) return i;
  return 0;
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

static void gated_convolve(const float *const *rows, const float *weight, ptrdiff_t taps, ptrdiff_t channels,
                           const float *gate, float *out) {
  for (ptrdiff_t i = 0; i < channels; i += 16) {
    ptrdiff_t some = channels - i < 16 ? channels - i : 16;
    v16 sum = splat(0);
    for (ptrdiff_t tap = 0; tap < taps; tap++)
      sum = fused(AT(weight + tap * channels), AT(rows[tap]), sum);
    sum = AT(gate) * sum;
    if (some == 16)
      store(out + i, sum);
    else
      store_some(out + i, sum, some);
  }
}

#include "lanes_attention.h"

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
    .layer_norm = layer_norm,
    .l2_norm = l2_norm,
    .add = add,
    .add_scaled = add_scaled,
    .silu_multiply = silu_multiply,
    .gelu_multiply = gelu_multiply,
    .clamped_swiglu = clamped_swiglu,
    .soft_cap = soft_cap,
    .sigmoid_multiply = sigmoid_multiply,
    .multiply_silu = multiply_silu,
    .softmax = softmax,
    .exponentials = exponentials,
    .first_greatest = first_greatest,
    .rotate_halves = rotate_halves,
    .convolve = convolve,
    .gated_convolve = gated_convolve,
    .attend = attend,
    .store_position = store_position,
    .delta_rule = delta_rule,
};
