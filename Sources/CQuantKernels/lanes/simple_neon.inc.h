// Formats of 32 values per block that need no search, one block at a time as it lies in memory: there is too little to
// compute for a transposition to pay. Blocks with numbers that only the general functions treat rightly go to these.

// The values of a block, and the least and the largest; NaN when one is there.
typedef struct {
  float32x4_t x[8];
  float low, high;
} simple_block;

INLINE simple_block load_block(const float *from) {
  simple_block b;
  for (int i = 0; i < 8; i++) b.x[i] = vld1q_f32(from + 4 * i);
  float32x4_t low = b.x[0], high = b.x[0];
  for (int i = 1; i < 8; i++) {
    low = vminq_f32(low, b.x[i]);
    high = vmaxq_f32(high, b.x[i]);
  }
  b.low = vminvq_f32(low);
  b.high = vmaxvq_f32(high);
  return b;
}

INLINE int is_finite(float v) { return (bits_of(v) & 0x7F800000u) != 0x7F800000u; }

// 1 / d, or zero with `usable` cleared where that is no number that quotients can be formed with.
INLINE float usable_inverse(float d, int *usable) {
  const float id = 1.0f / d;
  *usable &= d != 0.0f && is_finite(d) && is_finite(id);
  return id;
}

INLINE void store_half(float v, uint8_t *out) {
  const float16x4_t h = vcvt_f16_f32(vdupq_n_f32(v));
  vst1_lane_u16((uint16_t *)(void *)out, vreinterpret_u16_f16(h), 0);
}

// The low bytes of 16 integers.
INLINE uint8x16_t low_bytes(const int32x4_t v[4]) {
  int16x8_t a = vuzp1q_s16(vreinterpretq_s16_s32(v[0]), vreinterpretq_s16_s32(v[1]));
  int16x8_t b = vuzp1q_s16(vreinterpretq_s16_s32(v[2]), vreinterpretq_s16_s32(v[3]));
  return vuzp1q_u8(vreinterpretq_u8_s16(a), vreinterpretq_u8_s16(b));
}

// Codes below 2^bits, half of a block each: fifth bits first, then nibbles.
INLINE void store_codes(int bits, uint8x16_t low, uint8x16_t high, uint8_t *out) {
  if (bits == 5) {
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)), sixteen = vdupq_n_u8(16);
    uint8x16_t fifth = vpaddq_u8(vtstq_u8(low, sixteen) & bit, vtstq_u8(high, sixteen) & bit);
    fifth = vpaddq_u8(fifth, fifth);
    fifth = vpaddq_u8(fifth, fifth);
    const uint32_t word = vgetq_lane_u32(vreinterpretq_u32_u8(fifth), 0);
    memcpy(out, &word, 4);
    out += 4;
    low &= 15;
  }
  vst1q_u8(out, vsliq_n_u8(low, high, 4));
}

#define SIMPLE(NAME, SIZE)                                                                                         \
  static void simple_##NAME(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance, \
                            uint8_t *out) {                                                                        \
    if (importance && (SIZE) != 34 && (SIZE) != 17) {                                                              \
      quantize_##NAME(rows, row_count, row_length, importance, out);                                               \
      return;                                                                                                      \
    }                                                                                                              \
    for (ptrdiff_t b = 0; b < row_count * row_length / 32; b++, rows += 32, out += (SIZE))                         \
      if (!NAME##_block(rows, out)) quantize_##NAME(rows, 1, 32, NULL, out);                                       \
  }

// Each returns 0 where the general function has to do it.
INLINE int signed_block(int bits, const float *from, uint8_t *out) {
  const int half = 1 << (bits - 1);
  const simple_block b = load_block(from);
  // The first of both counts where their magnitudes are equal.
  int usable = b.high != -b.low;
  const float d = (b.high > -b.low ? b.high : b.low) / (float)-half, id = usable_inverse(d, &usable);
  if (!usable) return 0;
  uint8x16_t codes[2];
  for (int h = 0; h < 2; h++) {
    int32x4_t v[4];
    for (int k = 0; k < 4; k++) {
      float32x4_t q = vmulq_n_f32(b.x[4 * h + k], id);
      v[k] = vcvtq_s32_f32(vaddq_f32(q, vdupq_n_f32((float)half + 0.5f)));
    }
    codes[h] = vminq_u8(low_bytes(v), vdupq_n_u8((uint8_t)(2 * half - 1)));
  }
  store_half(d, out);
  store_codes(bits, codes[0], codes[1], out + 2);
  return 1;
}

INLINE int ranged_block(int bits, const float *from, uint8_t *out) {
  const int nmax = (1 << bits) - 1;
  const simple_block b = load_block(from);
  // The first zero's sign counts where zero is the least.
  int usable = b.low != 0.0f;
  const float d = (b.high - b.low) / (float)nmax, id = usable_inverse(d, &usable);
  if (!usable) return 0;
  const float32x4_t low = vdupq_n_f32(b.low);
  uint8x16_t codes[2];
  for (int h = 0; h < 2; h++) {
    int32x4_t v[4];
    for (int k = 0; k < 4; k++) {
      float32x4_t q = vmulq_n_f32(vsubq_f32(b.x[4 * h + k], low), id);
      v[k] = vcvtq_s32_f32(vaddq_f32(q, vdupq_n_f32(0.5f)));
    }
    codes[h] = low_bytes(v);
    if (bits == 4) codes[h] = vminq_u8(codes[h], vdupq_n_u8(15));
  }
  store_half(d, out);
  store_half(b.low, out + 2);
  store_codes(bits, codes[0], codes[1], out + 4);
  return 1;
}

INLINE int q4_0_block(const float *from, uint8_t *out) { return signed_block(4, from, out); }
INLINE int q5_0_block(const float *from, uint8_t *out) { return signed_block(5, from, out); }
INLINE int q4_1_block(const float *from, uint8_t *out) { return ranged_block(4, from, out); }
INLINE int q5_1_block(const float *from, uint8_t *out) { return ranged_block(5, from, out); }

INLINE int q8_0_block(const float *from, uint8_t *out) {
  const simple_block b = load_block(from);
  int usable = 1;
  const float d = (b.high > -b.low ? b.high : -b.low) / 127.0f, id = usable_inverse(d, &usable);
  if (!usable) return 0;
  store_half(d, out);
  for (int h = 0; h < 2; h++) {
    int32x4_t v[4];
    for (int k = 0; k < 4; k++) v[k] = vcvtaq_s32_f32(vmulq_n_f32(b.x[4 * h + k], id));
    vst1q_u8(out + 2 + 16 * h, low_bytes(v));
  }
  return 1;
}

// The code of a magnitude, by the number of halves of the scale in it, rounded up.
static const uint8_t mxfp4_codes[32] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6,
                                        6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};

INLINE int mxfp4_block(const float *from, uint8_t *out) {
  const simple_block b = load_block(from);
  const float top = b.high > -b.low ? b.high : -b.low;
  if (!(top > 0.0f) || !is_finite(top)) return 0;
  const int e = (floor_log2(top) - 2 + 127) & 0xFF;
  // The scale is 2^(e - 128): twice its inverse is a normal number from here on.
  if (e < 3) return 0;
  const float factor = float_of_bits((uint32_t)(256 - e) << 23);
  const uint8x16x2_t table = {{vld1q_u8(mxfp4_codes), vld1q_u8(mxfp4_codes + 16)}};
  uint8x16_t codes[2];
  for (int h = 0; h < 2; h++) {
    int32x4_t halves[4];
    uint16x8_t top_halves[2];
    for (int k = 0; k < 4; k++) halves[k] = vcvtpq_s32_f32(vabsq_f32(vmulq_n_f32(b.x[4 * h + k], factor)));
    for (int k = 0; k < 2; k++)
      top_halves[k] =
          vuzp2q_u16(vreinterpretq_u16_f32(b.x[4 * h + 2 * k]), vreinterpretq_u16_f32(b.x[4 * h + 2 * k + 1]));
    uint8x16_t sign = vuzp2q_u8(vreinterpretq_u8_u16(top_halves[0]), vreinterpretq_u8_u16(top_halves[1]));
    uint8x16_t code = vqtbl2q_u8(table, vminq_u8(low_bytes(halves), vdupq_n_u8(31)));
    // Zero has no sign.
    codes[h] = code | (vshrq_n_u8(sign, 4) & vdupq_n_u8(8) & vtstq_u8(code, code));
  }
  out[0] = (uint8_t)e;
  store_codes(4, codes[0], codes[1], out + 1);
  return 1;
}

SIMPLE(q4_0, 18)
SIMPLE(q4_1, 20)
SIMPLE(q5_0, 22)
SIMPLE(q5_1, 24)
SIMPLE(q8_0, 34)
SIMPLE(mxfp4, 17)
#undef SIMPLE
