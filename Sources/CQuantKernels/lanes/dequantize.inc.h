// Blocks to floats. Plain loops; the compiler vectorizes them for the level.

INLINE float half_at(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  uint32_t m = h & 0x7FFFu, sign = (uint32_t)(h & 0x8000u) << 16;
  if (m >= 0x7C00) return float_of_bits((m << 13) | 0x7F800000u | (m > 0x7C00 ? 0x400000u : 0) | sign);
  if (m < 0x400) return float_of_bits(bits_of((float)m * 5.9604644775390625e-8f) | sign);
  return float_of_bits(((m << 13) + 0x38000000u) | sign);
}

static void dequantize_q4_0(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 18, y += 32) {
    float d = half_at(b);
    for (int i = 0; i < 16; i++) {
      y[i] = (float)((b[2 + i] & 15) - 8) * d;
      y[i + 16] = (float)((b[2 + i] >> 4) - 8) * d;
    }
  }
}

static void dequantize_q4_1(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 20, y += 32) {
    float d = half_at(b), m = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
      y[i] = (float)(b[4 + i] & 15) * d + m;
      y[i + 16] = (float)(b[4 + i] >> 4) * d + m;
    }
  }
}

INLINE int fifth_bit(uint32_t high, int e) { return (int)((high >> e) & 1) << 4; }

static void dequantize_q5_0(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 22, y += 32) {
    float d = half_at(b);
    uint32_t high;
    memcpy(&high, b + 2, 4);
    for (int i = 0; i < 16; i++) {
      y[i] = (float)(((b[6 + i] & 15) | fifth_bit(high, i)) - 16) * d;
      y[i + 16] = (float)(((b[6 + i] >> 4) | fifth_bit(high, i + 16)) - 16) * d;
    }
  }
}

static void dequantize_q5_1(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 24, y += 32) {
    float d = half_at(b), m = half_at(b + 2);
    uint32_t high;
    memcpy(&high, b + 4, 4);
    for (int i = 0; i < 16; i++) {
      y[i] = (float)((b[8 + i] & 15) | fifth_bit(high, i)) * d + m;
      y[i + 16] = (float)((b[8 + i] >> 4) | fifth_bit(high, i + 16)) * d + m;
    }
  }
}

static void dequantize_q8_0(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 34, y += 32) {
    float d = half_at(b);
    for (int i = 0; i < 32; i++) y[i] = (float)(int8_t)b[2 + i] * d;
  }
}

static void dequantize_iq4_nl(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 18, y += 32) {
    float d = half_at(b);
    for (int i = 0; i < 16; i++) {
      y[i] = d * iq4_levels[b[2 + i] & 15];
      y[i + 16] = d * iq4_levels[b[2 + i] >> 4];
    }
  }
}

static const float mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void dequantize_mxfp4(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 17, y += 32) {
    float d = float_of_bits(b[0] < 2 ? 0x00200000u << b[0] : (uint32_t)(b[0] - 1) << 23);
    for (int i = 0; i < 16; i++) {
      y[i] = mxfp4_values[b[1 + i] & 15] * d;
      y[i + 16] = mxfp4_values[b[1 + i] >> 4] * d;
    }
  }
}

static void dequantize_q2_k(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 84, y += 256) {
    float d = half_at(b + 80), dmin = half_at(b + 82);
    for (int j = 0; j < 16; j++) {
      float s = d * (float)(b[j] & 15), m = dmin * (float)(b[j] >> 4);
      const uint8_t *q = b + 16 + 32 * (j / 8) + 16 * (j % 2);
      int shift = 2 * ((j % 8) / 2);
      for (int i = 0; i < 16; i++) y[16 * j + i] = s * (float)((q[i] >> shift) & 3) - m;
    }
  }
}

static void dequantize_q3_k(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 110, y += 256) {
    float d = half_at(b + 108);
    const uint8_t *s = b + 96;
    for (int j = 0; j < 16; j++) {
      int u = (j < 8 ? s[j] & 15 : s[j - 8] >> 4) | (((s[8 + j % 4] >> (2 * (j / 4))) & 3) << 4);
      float scale = d * (float)(u - 32);
      const uint8_t *q = b + 32 + 32 * (j / 8) + 16 * (j % 2), *mask = b + 16 * (j % 2);
      int shift = 2 * ((j % 8) / 2), bit = j / 2;
      for (int i = 0; i < 16; i++) {
        int code = ((q[i] >> shift) & 3) + 4 * ((mask[i] >> bit) & 1) - 4;
        y[16 * j + i] = scale * (float)code;
      }
    }
  }
}

// Six-bit scale and minimum of sub-block j in Q4_K and Q5_K.
INLINE void six_bit_pair(const uint8_t *s, int j, float *scale, float *min) {
  if (j < 4) {
    *scale = (float)(s[j] & 63);
    *min = (float)(s[j + 4] & 63);
  } else {
    *scale = (float)((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4));
    *min = (float)((s[j + 4] >> 4) | ((s[j] >> 6) << 4));
  }
}

static void dequantize_q4_k(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 144, y += 256) {
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
      float s, m;
      six_bit_pair(b + 4, j, &s, &m);
      s = d * s;
      m = dmin * m;
      const uint8_t *q = b + 16 + 32 * (j / 2);
      int shift = 4 * (j % 2);
      for (int i = 0; i < 32; i++) y[32 * j + i] = s * (float)((q[i] >> shift) & 15) - m;
    }
  }
}

static void dequantize_q5_k(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 176, y += 256) {
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
      float s, m;
      six_bit_pair(b + 4, j, &s, &m);
      s = d * s;
      m = dmin * m;
      const uint8_t *q = b + 48 + 32 * (j / 2), *high = b + 16;
      int shift = 4 * (j % 2);
      for (int i = 0; i < 32; i++) {
        int code = ((q[i] >> shift) & 15) + 16 * ((high[i] >> j) & 1);
        y[32 * j + i] = s * (float)code - m;
      }
    }
  }
}

static void dequantize_q6_k(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 210, y += 256) {
    float d = half_at(b + 208);
    for (int j = 0; j < 16; j++) {
      // 128 h + 32 k + 16 r: nibble of byte 64 h + 32 (k mod 2) + 16 r, two bits of byte 32 h + 16 r.
      int h = j / 8, k = (j % 8) / 2, r = j % 2;
      float scale = d * (float)(int8_t)b[192 + j];
      const uint8_t *low = b + 64 * h + 32 * (k % 2) + 16 * r, *high = b + 128 + 32 * h + 16 * r;
      int shift = 4 * (k / 2), shift2 = 2 * k;
      for (int i = 0; i < 16; i++) {
        int code = (((low[i] >> shift) & 15) | (((high[i] >> shift2) & 3) << 4)) - 32;
        y[16 * j + i] = scale * (float)code;
      }
    }
  }
}

static void dequantize_iq4_xs(const uint8_t *b, ptrdiff_t blocks, float *y) {
  for (; blocks > 0; blocks--, b += 136, y += 256) {
    float d = half_at(b);
    int high = b[2] | (b[3] << 8);
    for (int j = 0; j < 8; j++) {
      int ls = ((b[4 + j / 2] >> (4 * (j % 2))) & 15) | (((high >> (2 * j)) & 3) << 4);
      float scale = d * (float)(ls - 32);
      const uint8_t *q = b + 8 + 16 * j;
      for (int i = 0; i < 16; i++) {
        y[32 * j + i] = scale * iq4_levels[q[i] & 15];
        y[32 * j + i + 16] = scale * iq4_levels[q[i] >> 4];
      }
    }
  }
}
