// Decoding to f32, f32 products and the quantization of activations.

#ifndef NEON_FLOAT_H
#define NEON_FLOAT_H

#include "neon_unpack.h"

// Sixteen codes as floats.
INLINE void floats_of_codes(int8x16_t q, float32x4_t f[4]) {
  int16x8_t low = vmovl_s8(vget_low_s8(q)), high = vmovl_high_s8(q);
  f[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
  f[1] = vcvtq_f32_s32(vmovl_high_s16(low));
  f[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
  f[3] = vcvtq_f32_s32(vmovl_high_s16(high));
}

INLINE void decode_256(const int type, const uint8_t *s, size_t columns, float *out) {
  const int8x16_t table = code_table(type), offset = vdupq_n_s8((int8_t)code_offset(type));
#pragma clang loop unroll(disable)
  for (size_t b = 0; b < columns / 256; b++, s += block_bytes(type), out += 256) {
    // One row four times over: its scales are wanted as f32, and these are the lanes of four groups at a time.
    const uint8_t *const rows[4] = {s, s, s, s};
    four_heads h = load_heads(type, rows);
    const float d = vgetq_lane_f32(h.d, 0), dmin = has_mins(type) ? vgetq_lane_f32(h.dmin, 0) : 0;
    float scales[16], mins[16];
    const int groups = has_groups_of_16(type) ? 16 : 8;
    UNROLLED
    for (int g = 0; g < groups; g++) {
      scales[g] = d * (float)vgetq_lane_s32(group_scale(type, &h, g), 0);
      if (has_mins(type)) mins[g] = dmin * (float)vgetq_lane_s32(group_min(&h, g), 0);
    }
    UNROLLED
    for (int i = 0; i < 4; i++) {
      quarter w = load_quarter(type, s, i);
      UNROLLED
      for (int k = 0; k < 4; k++) {
        const int at = columns_of(type, i, k), group = has_groups_of_16(type) ? at : at / 2;
        int8x16_t q = code_256(type, &w, i, k, table);
        if (code_offset(type)) q = vsubq_s8(q, offset);
        float32x4_t f[4];
        floats_of_codes(q, f);
        UNROLLED
        for (int j = 0; j < 4; j++) {
          float32x4_t v = vmulq_n_f32(f[j], scales[group]);
          if (has_mins(type)) v = vsubq_f32(v, vdupq_n_f32(mins[group]));
          vst1q_f32(out + 16 * at + 4 * j, v);
        }
      }
    }
  }
}

INLINE void decode_32(const int type, const uint8_t *s, size_t columns, float *out) {
  const int8x16_t table = code_table(type), offset = vdupq_n_s8((int8_t)code_offset(type));
#pragma clang loop unroll(disable)
  for (size_t b = 0; b < columns / 32; b++, s += block_bytes(type), out += 32) {
    const float d = type == T_MXFP4 ? float_of_e8m0_half(s[0]) : float_of_f16(read_u16(s));
    const float32x4_t m = vdupq_n_f32(has_mins(type) ? float_of_f16(read_u16(s + 2)) : 0);
    int8x16_t q[2];
    codes_32(type, s, table, q);
    UNROLLED
    for (int i = 0; i < 2; i++) {
      float32x4_t f[4];
      floats_of_codes(code_offset(type) ? vsubq_s8(q[i], offset) : q[i], f);
      UNROLLED
      for (int j = 0; j < 4; j++) {
        float32x4_t v = vmulq_n_f32(f[j], d);
        // Types without a minimum must keep the sign of a zero.
        if (has_mins(type)) v = vaddq_f32(v, m);
        vst1q_f32(out + 16 * i + 4 * j, v);
      }
    }
  }
}

static void decode_f16(const uint8_t *s, size_t columns, float *out) {
  size_t i = 0;
  for (; i + 4 <= columns; i += 4) {
    uint16x4_t h;
    memcpy(&h, s + 2 * i, 8);
    vst1q_f32(out + i, vcvt_f32_f16(vreinterpret_f16_u16(h)));
  }
  for (; i < columns; i++) out[i] = float_of_f16(read_u16(s + 2 * i));
}

static void decode_bf16(const uint8_t *s, size_t columns, float *out) {
  for (size_t i = 0; i < columns; i++) out[i] = float_of_u32((uint32_t)read_u16(s + 2 * i) << 16);
}

// Tokens per pass, and rows whose decoded columns stay in the first cache together.
#define FLOAT_TOKENS 126
#define FLOAT_ROWS 4
#define FLOAT_STEP 2

// Partial sum 4k + l of a row and a token is lane l of register k.
typedef struct {
  float32x4_t v[FLOAT_ROWS][FLOAT_TOKENS][4];
} float_sums;

// Adds `n` columns of `rows` rows with `count` tokens, the registers `half` and `half` + 1 of their sums: with half of
// the partial sums of a pair, eight pairs fit in the register file, and a register that was loaded serves more often.
INLINE void float_block(const int rows, const int count, const float *w, const cdk_float_token *tokens, size_t first,
                        size_t n, float_sums *sums, size_t token, const int half) {
  float32x4_t acc[FLOAT_ROWS][FLOAT_STEP][2];
  const float *x[FLOAT_STEP];
  UNROLLED
  for (int t = 0; t < count; t++) {
    x[t] = tokens[t].x + first + 4 * half;
    UNROLLED
    for (int r = 0; r < rows; r++)
      UNROLLED
      for (int k = 0; k < 2; k++) acc[r][t][k] = sums->v[r][token + (size_t)t][half + k];
  }
  // A pointer per row: their distances are too long for loads of two registers at once.
  const float *row[FLOAT_ROWS];
  UNROLLED
  for (int r = 0; r < rows; r++) {
    row[r] = w + r * FLOAT_COLUMNS + 4 * half;
    __asm__("" : "+r"(row[r]));
  }
#pragma clang loop unroll_count(2)
  for (size_t c = 0; c < n; c += 16) {
    UNROLLED
    for (int k = 0; k < 2; k++) {
      float32x4_t v[FLOAT_STEP];
      UNROLLED
      for (int t = 0; t < count; t++) v[t] = vld1q_f32(x[t] + c + 4 * k);
      UNROLLED
      for (int r = 0; r < rows; r++) {
        float32x4_t u = vld1q_f32(row[r] + c + 4 * k);
        UNROLLED
        for (int t = 0; t < count; t++) acc[r][t][k] = vfmaq_f32(acc[r][t][k], u, v[t]);
      }
    }
  }
  UNROLLED
  for (int t = 0; t < count; t++)
    UNROLLED
    for (int r = 0; r < rows; r++)
      UNROLLED
      for (int k = 0; k < 2; k++) sums->v[r][token + (size_t)t][half + k] = acc[r][t][k];
}

#define DEFINE(ROWS, COUNT)                                                                                        \
  static __attribute__((noinline)) void float_block_##ROWS##_##COUNT(const float *w, const cdk_float_token *tokens, \
                                                                     size_t first, size_t n, float_sums *sums,     \
                                                                     size_t token) {                               \
    float_block(ROWS, COUNT, w, tokens, first, n, sums, token, 0);                                                 \
    float_block(ROWS, COUNT, w, tokens, first, n, sums, token, 2);                                                 \
  }
DEFINE(4, 1) DEFINE(4, 2)
DEFINE(1, 1) DEFINE(1, 2)
#undef DEFINE

// Adds `n` columns of up to four rows with all tokens of a pass.
static void float_blocks(const float *w, size_t rows, const cdk_float_token *tokens, size_t count, size_t first,
                         size_t n, float_sums *sums) {
  for (size_t t = 0; t < count; t += FLOAT_STEP) {
    size_t some = count - t < FLOAT_STEP ? count - t : FLOAT_STEP;
    if (rows == FLOAT_ROWS) {
      if (some == 2) float_block_4_2(w, tokens + t, first, n, sums, t);
      else float_block_4_1(w, tokens + t, first, n, sums, t);
      continue;
    }
    for (size_t r = 0; r < rows; r++) {
      float_sums *row = (float_sums *)(void *)sums->v[r];
      if (some == 2) float_block_1_2(w + r * FLOAT_COLUMNS, tokens + t, first, n, row, t);
      else float_block_1_1(w + r * FLOAT_COLUMNS, tokens + t, first, n, row, t);
    }
  }
}

// Sixteen partial sums, added in the fixed tree.
INLINE float tree_sum(const float32x4_t p[4]) {
  float32x4_t a = vaddq_f32(vaddq_f32(p[0], p[2]), vaddq_f32(p[1], p[3]));
  float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

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
