// Formats of MLX: codes in groups along the rows, scales and biases apart. One group after the other, its values in lanes.

// Eight codes of `bits` bits each in as many bytes, the first one lowest. Pairs are joined, then pairs of pairs.
INLINE uint64_t join_codes(uint64_t x, int bits) {
  const uint64_t bytes = 0x00FF00FF00FF00FFull, words = 0x0000FFFF0000FFFFull, longs = 0x00000000FFFFFFFFull;
  x = (x & bytes) | ((x & ~bytes) >> (8 - bits));
  x = (x & words) | ((x & ~words) >> (16 - 2 * bits));
  return (x & longs) | ((x & ~longs) >> (32 - 4 * bits));
}

INLINE void store_group_codes(const uint8_t *codes, ptrdiff_t count, int bits, uint8_t *out) {
  for (ptrdiff_t i = 0; i < count; i += 8, out += bits) {
    uint64_t x;
    memcpy(&x, codes + i, 8);
    x = join_codes(x, bits);
    memcpy(out, &x, (size_t)bits);
  }
}

INLINE vf load_f(const float *x) {
  vf v;
  memcpy(&v, x, sizeof v);
  return v;
}

INLINE float least(vf v) {
  float t[LANES], r;
  memcpy(t, &v, sizeof t);
  r = t[0];
  for (int i = 1; i < LANES; i++) r = t[i] < r ? t[i] : r;
  return r;
}

INLINE float greatest(vf v) {
  float t[LANES], r;
  memcpy(t, &v, sizeof t);
  r = t[0];
  for (int i = 1; i < LANES; i++) r = t[i] > r ? t[i] : r;
  return r;
}

// The end of the range that is further from zero gets a code without an error: it becomes the bias.
INLINE void group_affine_of(int bits, ptrdiff_t size, const float *x, ptrdiff_t groups, uint8_t *codes,
                            float *scales, float *biases) {
  const int top = (1 << bits) - 1;
  uint8_t c[128];
  for (ptrdiff_t g = 0; g < groups; g++, x += size, codes += size * bits / 8) {
    vf low = load_f(x), high = low;
    for (ptrdiff_t i = LANES; i < size; i += LANES) {
      vf v = load_f(x + i);
      low = min_f(v, low);
      high = max_f(v, high);
    }
    float lo = least(low), hi = greatest(high);
    int falls = fabsf(lo) > fabsf(hi);
    float scale = (hi - lo) / (float)top;
    scale = scale > 1e-7f ? scale : 1e-7f;
    scale = falls ? scale : -scale;
    float edge = falls ? lo : hi, bias = 0.0f;
    float steps = rintf(edge / scale);
    if (steps != 0.0f) {
      scale = edge / steps;
      bias = edge;
    }
    // Quotients are below 2^22: a step is at least three quarters of the range divided by `top`.
    for (ptrdiff_t i = 0; i < size; i += LANES) {
      vb b = __builtin_convertvector(round_clamped_i((load_f(x + i) - bias) / scale, 0, top), vb);
      memcpy(c + i, &b, sizeof b);
    }
    store_group_codes(c, size, bits, codes);
    scales[g] = scale;
    biases[g] = bias;
  }
}

static void group_affine(int bits, ptrdiff_t size, const float *x, ptrdiff_t groups, uint8_t *codes,
                         float *scales, float *biases) {
  switch (bits) {
    case 2: group_affine_of(2, size, x, groups, codes, scales, biases); break;
    case 3: group_affine_of(3, size, x, groups, codes, scales, biases); break;
    case 4: group_affine_of(4, size, x, groups, codes, scales, biases); break;
    case 5: group_affine_of(5, size, x, groups, codes, scales, biases); break;
    case 6: group_affine_of(6, size, x, groups, codes, scales, biases); break;
    default: group_affine_of(8, size, x, groups, codes, scales, biases); break;
  }
}

// Values rounded to the type that the weights had.
INLINE vf rounded_to(int type, vf v) {
  if (type == CQK_FROM_F16) return float_of_half(half_of(v));
  if (type == CQK_FROM_BF16) return (vf)(bfloat_of(v) << 16);
  return v;
}

// Halfway points between 0, 0.5, 1, 1.5, 2, 3, 4 and 6; of two values that are as near the first one counts, the lower.
static const float e2m1_edges[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
static const float e2m1_values[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

INLINE vi e2m1_of(vf v) {
  vf a = abs_f(v);
  vi code = (vi)0;
  for (int k = 0; k < 7; k++) code -= a > e2m1_edges[k];
  // Zero has no sign.
  return code | (((vi)v >> 28) & 8 & (code != 0));
}

// Far beyond 6 distances are rounded, so that several values may be as near: the first of them, positive ones before.
INLINE uint8_t e2m1_of_far(float v) {
  uint8_t best = 0;
  float least = INFINITY;
  for (int k = 0; k < 16; k++) {
    float d = fabsf(v - (k < 8 ? e2m1_values[k] : -e2m1_values[k - 8]));
    if (d < least) {
      least = d;
      best = (uint8_t)k;
    }
  }
  return best;
}

// The smallest power of two that is no less than a scale, as its exponent: from -127 on.
INLINE int power_above(float scale) {
  if (!(scale > 0.0f)) return 0;
  uint32_t bits = bits_of(scale);
  int exponent = (int)(bits >> 23) - 127;
  if (exponent == -127) return bits <= 0x400000u ? -127 : -126;
  return exponent + ((bits & 0x7FFFFFu) != 0);
}

// The nearest number of E4M3, ties to even, at most 448.
INLINE int e4m3_of(float scale) {
  if (scale < 0.015625f) return (int)((bits_of(scale * 512.0f + 12582912.0f)) & 0xFF);
  uint32_t bits = bits_of(scale);
  bits = (bits + 0x7FFFFu + ((bits >> 20) & 1)) >> 20;
  int code = (int)bits - (120 << 3);
  return code < 0x7E ? code : 0x7E;
}

INLINE float float_of_e4m3_code(int code) {
  return code < 8 ? (float)code * 0.001953125f : float_of_bits(((uint32_t)code << 20) + (120u << 23));
}

INLINE void group_e2m1_of(int size, int type, const float *x, ptrdiff_t groups, uint8_t *codes, uint8_t *scales) {
  uint8_t c[32];
  for (ptrdiff_t g = 0; g < groups; g++, x += size, codes += size / 2) {
    vf high = abs_f(load_f(x));
    for (int i = LANES; i < size; i += LANES) high = max_f(abs_f(load_f(x + i)), high);
    float top = greatest(high);
    vf scale = rounded_to(type, (vf)(top / 6.0f));
    if (size == 32) {
      int exponent = power_above(scale[0]);
      // The inverse of 2^-127 is a number, and that of 2^126 as well; products with it are exact above 2^-126.
      vf inverse = (vf)float_of_bits((uint32_t)(127 - exponent) << 23);
      for (int i = 0; i < size; i += LANES) {
        vb b = __builtin_convertvector(e2m1_of(load_f(x + i) * inverse), vb);
        memcpy(c + i, &b, sizeof b);
      }
      scales[g] = (uint8_t)(exponent + 127);
    } else {
      int code = e4m3_of(scale[0]);
      vf divisor = (vf)float_of_e4m3_code(code);
      scales[g] = (uint8_t)code;
      if (code == 0) {
        memset(c, 0, sizeof c);
      } else if (top / divisor[0] < 65536.0f) {
        for (int i = 0; i < size; i += LANES) {
          vb b = __builtin_convertvector(e2m1_of(rounded_to(type, load_f(x + i) / divisor)), vb);
          memcpy(c + i, &b, sizeof b);
        }
      } else {
        for (int i = 0; i < size; i++) c[i] = e2m1_of_far(rounded_to(type, (vf)(x[i] / divisor[0]))[0]);
      }
    }
    store_group_codes(c, size, 4, codes);
  }
}

static void group_mxfp4(int type, const float *x, ptrdiff_t groups, uint8_t *codes, uint8_t *scales) {
  switch (type) {
    case CQK_FROM_F16: group_e2m1_of(32, CQK_FROM_F16, x, groups, codes, scales); break;
    case CQK_FROM_BF16: group_e2m1_of(32, CQK_FROM_BF16, x, groups, codes, scales); break;
    default: group_e2m1_of(32, CQK_FROM_F32, x, groups, codes, scales); break;
  }
}

static void group_nvfp4(int type, const float *x, ptrdiff_t groups, uint8_t *codes, uint8_t *scales) {
  switch (type) {
    case CQK_FROM_F16: group_e2m1_of(16, CQK_FROM_F16, x, groups, codes, scales); break;
    case CQK_FROM_BF16: group_e2m1_of(16, CQK_FROM_BF16, x, groups, codes, scales); break;
    default: group_e2m1_of(16, CQK_FROM_F32, x, groups, codes, scales); break;
  }
}
