// The quantization of activations.

#ifndef NEON_ACTIVATIONS_H
#define NEON_ACTIVATIONS_H

#include "neon_unpack.h"

// One group of activations with one scale; `sums` receives the sums of 16 codes each.
INLINE float quantize_group(const int n, const float *x, int8_t *codes, uint8_t *biased, int16_t *sums) {
  // As the portable level does it: the largest bit pattern without sign, in which infinities and NaN are on top.
  uint32x4_t top[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
#pragma clang loop unroll(disable)
  for (int i = 0; i < n; i += 16)
    UNROLLED
    for (int k = 0; k < 4; k++)
      top[k] = vmaxq_u32(top[k], vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i + 4 * k))));
  uint32_t most = vmaxvq_u32(vmaxq_u32(vmaxq_u32(top[0], top[1]), vmaxq_u32(top[2], top[3])));
  float magnitude = float_of_u32(most);
  if (most >= 0x7F800000 || magnitude < TINY_MAGNITUDE) {
    memset(codes, 0, (size_t)n);
    memset(biased, 128, (size_t)n);
    memset(sums, 0, (size_t)n / 8);
    return most >= 0x7F800000 ? NAN : 0;
  }
  const float inverse = 127.0f / magnitude;
  // The low bits of this number plus a small one are the small one, rounded.
  const float32x4_t magic = vdupq_n_f32(12582912.0f);
#pragma clang loop unroll(disable)
  for (int i = 0; i < n; i += 16) {
    int32x4_t v[4];
    UNROLLED
    for (int k = 0; k < 4; k++)
      v[k] = vreinterpretq_s32_f32(vaddq_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * k), inverse), magic));
    int16x8_t low = vuzp1q_s16(vreinterpretq_s16_s32(v[0]), vreinterpretq_s16_s32(v[1]));
    int16x8_t high = vuzp1q_s16(vreinterpretq_s16_s32(v[2]), vreinterpretq_s16_s32(v[3]));
    int8x16_t c = vuzp1q_s8(vreinterpretq_s8_s16(low), vreinterpretq_s8_s16(high));
    vst1q_s8(codes + i, c);
    vst1q_u8(biased + i, vreinterpretq_u8_s8(c) ^ 128);
    sums[i / 16] = vaddlvq_s8(c);
  }
  return magnitude / 127.0f;
}

static void neon_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                              float *scales) {
  for (size_t b = 0; b < count / 256; b++, sums += SUMS_256) {
    scales[b] = quantize_group(256, x + 256 * b, codes + 256 * b, biased + 256 * b, sums);
    vst1q_s16(sums + 16, vpaddq_s16(vld1q_s16(sums), vld1q_s16(sums + 8)));
  }
}

static void neon_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                             float *scales) {
  for (size_t b = 0; b < count / 32; b++) {
    int16_t halves[2];
    scales[b] = quantize_group(32, x + 32 * b, codes + 32 * b, biased + 32 * b, halves);
    sums[b] = (int16_t)(halves[0] + halves[1]);
  }
}

#endif
