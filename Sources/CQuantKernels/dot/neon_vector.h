// Products of one or two tokens with four rows at a time: codes are used where they are unpacked.
//
// Rows are the lanes of all that is not a byte product, so that scales, minimums and the f32 part cost a quarter of an
// instruction per row. Byte products go on in the same registers from one group to the next; the dot product of a
// group is the difference of two running sums, which is exact since integers wrap, and saves clearing a register for
// every row and group.
//
// NEON_DOT says whether the including file has byte dot products (`sdot`).

#ifndef NEON_VECTOR_H
#define NEON_VECTOR_H

#include "neon_unpack.h"

#define VECTOR_TOKENS 2

INLINE int32x4_t difference(int32x4_t a, int32x4_t b) {
  return vreinterpretq_s32_u32(vreinterpretq_u32_s32(a) - vreinterpretq_u32_s32(b));
}

// Adds the products of 16 bytes to a register whose lanes' sum is wanted: to which lane each goes does not matter.
INLINE int32x4_t add_products(int32x4_t sum, int8x16_t q, int8x16_t x) {
#if NEON_DOT
  return vdotq_s32(sum, q, x);
#else
  // Two products of -128 or more with at most 127 fit in 16 bits.
  int16x8_t p = vmull_s8(vget_low_s8(q), vget_low_s8(x));
  return vpadalq_s16(sum, vmlal_high_s8(p, q, x));
#endif
}

INLINE void store_four(float32x4_t y, size_t rows, float *out) {
  if (rows >= 4) vst1q_f32(out, y);
  else memcpy(out, &y, 4 * rows);
}

// The sum of minimums times sums of activations; rows are lanes.
INLINE int32x4_t min_sum(const int type, const four_heads *h, const int16_t *sums) {
  int32x4_t part[4];
  if (type == T_Q2_K) {
    int16x8_t x0 = vld1q_s16(sums), x1 = vld1q_s16(sums + 8);
    uint32x4_t rows[4];
    transpose_words(h->mins, rows);
    UNROLLED
    for (int r = 0; r < 4; r++) {
      uint8x16_t m = vreinterpretq_u8_u32(rows[r]);
      int16x8_t m0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(m))), m1 = vreinterpretq_s16_u16(vmovl_high_u8(m));
      part[r] = vmlal_high_s16(vmull_s16(vget_low_s16(m0), vget_low_s16(x0)), m0, x0);
      part[r] = vmlal_high_s16(vmlal_s16(part[r], vget_low_s16(m1), vget_low_s16(x1)), m1, x1);
    }
    return lane_sums(part);
  }
  int16x8_t x = vld1q_s16(sums + 16);
  uint8x16_t a = vreinterpretq_u8_u32(vzip1q_u32(h->mins[0], h->mins[1]));
  uint8x16_t b = vreinterpretq_u8_u32(vzip2q_u32(h->mins[0], h->mins[1]));
  uint16x8_t m[4] = {vmovl_u8(vget_low_u8(a)), vmovl_high_u8(a), vmovl_u8(vget_low_u8(b)), vmovl_high_u8(b)};
  UNROLLED
  for (int r = 0; r < 4; r++) {
    int16x8_t w = vreinterpretq_s16_u16(m[r]);
    part[r] = vmlal_high_s16(vmull_s16(vget_low_s16(w), vget_low_s16(x)), w, x);
  }
  return lane_sums(part);
}

// The sum of activations of group g of 16 as a factor of four rows.
INLINE int32x4_t add_offset(int32x4_t sum, int32x4_t scale, const int16x8_t x[2], const int g) {
  // By 16-bit lanes: scales are below 2^7.
  int16x4_t s = vmovn_s32(scale);
  switch (g % 8) {
    case 0: return vmlal_laneq_s16(sum, s, x[g / 8], 0);
    case 1: return vmlal_laneq_s16(sum, s, x[g / 8], 1);
    case 2: return vmlal_laneq_s16(sum, s, x[g / 8], 2);
    case 3: return vmlal_laneq_s16(sum, s, x[g / 8], 3);
    case 4: return vmlal_laneq_s16(sum, s, x[g / 8], 4);
    case 5: return vmlal_laneq_s16(sum, s, x[g / 8], 5);
    case 6: return vmlal_laneq_s16(sum, s, x[g / 8], 6);
    default: return vmlal_laneq_s16(sum, s, x[g / 8], 7);
  }
}

INLINE void vector_256(const int type, const int count, const uint8_t *weights, size_t row_bytes, size_t rows,
                       size_t columns, const cdk_token *tokens, size_t first_row) {
  const size_t step = block_bytes(type);
  const int8x16_t table = code_table(type);
  for (size_t r0 = 0; r0 < rows; r0 += 4) {
    const uint8_t *s[4];
    four_rows(weights, row_bytes, rows, r0, s);
    float32x4_t y[VECTOR_TOKENS];
    int32x4_t running[VECTOR_TOKENS][4], before[VECTOR_TOKENS];
    for (int t = 0; t < count; t++) {
      y[t] = vdupq_n_f32(0);
      before[t] = running[t][0] = running[t][1] = running[t][2] = running[t][3] = vdupq_n_s32(0);
    }
#pragma clang loop unroll(disable)
    for (size_t b = 0; b < columns / 256; b++) {
      four_heads h = load_heads(type, s);
      int32x4_t isum[VECTOR_TOKENS], offset[VECTOR_TOKENS];
      int16x8_t sums16[VECTOR_TOKENS][2];
      for (int t = 0; t < count; t++) {
        isum[t] = offset[t] = vdupq_n_s32(0);
        for (int i = 0; i < 2; i++) sums16[t][i] = vld1q_s16(tokens[t].sums + SUMS_256 * b + 8 * i);
      }
      UNROLLED
      for (int i = 0; i < 4; i++) {
        quarter w[4];
        UNROLLED
        for (int r = 0; r < 4; r++) w[r] = load_quarter(type, s[r], i);
        UNROLLED
        for (int k = 0; k < 4; k++) {
          const int at = columns_of(type, i, k);
          int8x16_t q[4];
          UNROLLED
          for (int r = 0; r < 4; r++) q[r] = code_256(type, &w[r], i, k, table);
          for (int t = 0; t < count; t++) {
            int8x16_t x = vld1q_s8(tokens[t].codes + 256 * b + 16 * at);
            UNROLLED
            for (int r = 0; r < 4; r++) running[t][r] = add_products(running[t][r], q[r], x);
          }
          if (!has_groups_of_16(type) && k % 2 == 0) continue;
          const int group = has_groups_of_16(type) ? at : at / 2;
          int32x4_t scale = group_scale(type, &h, group);
          for (int t = 0; t < count; t++) {
            int32x4_t now = lane_sums(running[t]);
            isum[t] = vmlaq_s32(isum[t], difference(now, before[t]), scale);
            before[t] = now;
            if (code_offset(type)) offset[t] = add_offset(offset[t], scale, sums16[t], group);
          }
        }
      }
      UNROLLED
      for (int r = 0; r < 4; r++) s[r] += step;
      for (int t = 0; t < count; t++) {
        float dx = tokens[t].scales[b];
        if (code_offset(type)) isum[t] = vmlsq_n_s32(isum[t], offset[t], code_offset(type));
        y[t] = vfmaq_f32(y[t], vmulq_n_f32(h.d, dx), vcvtq_f32_s32(isum[t]));
        if (has_mins(type)) {
          int32x4_t msum = min_sum(type, &h, tokens[t].sums + SUMS_256 * b);
          y[t] = vfmsq_f32(y[t], vmulq_n_f32(h.dmin, dx), vcvtq_f32_s32(msum));
        }
      }
    }
    for (int t = 0; t < count; t++) store_four(y[t], rows - r0, tokens[t].y + first_row + r0);
  }
}

typedef struct {
  float32x4_t y;
  int32x4_t running[4], before;
} vector_state;

// One block of 32 of four rows: `codes` are the token's, `dx` and `sum` its scale and the sum of these codes.
INLINE void add_block_32(const int type, vector_state *v, int8x16_t q[4][2], four_scales scale, const int8_t *codes,
                         float dx, int16_t sum) {
  int8x16_t x0 = vld1q_s8(codes), x1 = vld1q_s8(codes + 16);
  UNROLLED
  for (int r = 0; r < 4; r++) v->running[r] = add_products(add_products(v->running[r], q[r][0], x0), q[r][1], x1);
  int32x4_t now = lane_sums(v->running), isum = difference(now, v->before);
  v->before = now;
  if (code_offset(type)) isum = vmlsl_s16(isum, vdup_n_s16(sum), vdup_n_s16((int16_t)code_offset(type)));
  v->y = vfmaq_f32(v->y, vmulq_n_f32(scale.d, dx), vcvtq_f32_s32(isum));
  if (has_mins(type)) v->y = vfmaq_n_f32(v->y, scale.m, dx * (float)sum);
}

INLINE void vector_32(const int type, const int count, const uint8_t *weights, size_t row_bytes, size_t rows,
                      size_t columns, const cdk_token *tokens, size_t first_row) {
  // Hidden from the compiler, so that it lets the loads of scales move the pointers on instead of adding constants.
  size_t step = block_bytes(type);
  __asm__("" : "+r"(step));
  const int8x16_t table = code_table(type);
  const size_t blocks = columns / 32;
  for (size_t r0 = 0; r0 < rows; r0 += 4) {
    const uint8_t *s[4];
    four_rows(weights, row_bytes, rows, r0, s);
    vector_state v[VECTOR_TOKENS];
    for (int t = 0; t < count; t++) {
      v[t].y = vdupq_n_f32(0);
      v[t].before = v[t].running[0] = v[t].running[1] = v[t].running[2] = v[t].running[3] = vdupq_n_s32(0);
    }
    size_t b = 0;
    // Scales and sums of four blocks come with one load each, and are used lane by lane.
#pragma clang loop unroll(disable)
    for (; b + 4 <= blocks; b += 4) {
      float32x4_t dx[VECTOR_TOKENS];
      int16x4_t sums[VECTOR_TOKENS];
      for (int t = 0; t < count; t++) {
        dx[t] = vld1q_f32(tokens[t].scales + b);
        sums[t] = vld1_s16(tokens[t].sums + b);
      }
      UNROLLED
      for (int j = 0; j < 4; j++) {
        four_scales scale = scales_32(type, s, step);
        // Four pointers; one and three distances, which the compiler would like better, need an addition per load.
        __asm__("" : "+r"(s[0]), "+r"(s[1]), "+r"(s[2]), "+r"(s[3]));
        int8x16_t q[4][2];
        UNROLLED
        for (int r = 0; r < 4; r++) codes_32(type, s[r] - block_bytes(type), table, q[r]);
        for (int t = 0; t < count; t++)
          add_block_32(type, &v[t], q, scale, tokens[t].codes + 32 * (b + (size_t)j), dx[t][j], sums[t][j]);
      }
    }
    for (; b < blocks; b++) {
      four_scales scale = scales_32(type, s, step);
      int8x16_t q[4][2];
      UNROLLED
      for (int r = 0; r < 4; r++) codes_32(type, s[r] - block_bytes(type), table, q[r]);
      for (int t = 0; t < count; t++)
        add_block_32(type, &v[t], q, scale, tokens[t].codes + 32 * b, tokens[t].scales[b], tokens[t].sums[b]);
    }
    for (int t = 0; t < count; t++) store_four(v[t].y, rows - r0, tokens[t].y + first_row + r0);
  }
}

#define DEFINE(NAME, WIDTH, COUNT)                                                                              \
  static __attribute__((noinline)) void vector_##NAME##_##COUNT(                                                \
      const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, const cdk_token *tokens, size_t first) { \
    vector_##WIDTH(T_##NAME, COUNT, w, row_bytes, rows, columns, tokens, first);                                \
  }
#define DEFINE_256(NAME) DEFINE(NAME, 256, 1) DEFINE(NAME, 256, 2)
#define DEFINE_32(NAME) DEFINE(NAME, 32, 1) DEFINE(NAME, 32, 2)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)
#undef DEFINE_256
#undef DEFINE_32
#undef DEFINE

// Any number of tokens, two at a time.
static void multiply_vectors(const cdk_band *band) {
  const uint8_t *w = band_weights(band);
  const size_t row_bytes = band->row_bytes, rows = band->rows, columns = band->columns, first_row = band->first_row;
  for (size_t t = 0; t < band->token_count; t += VECTOR_TOKENS) {
    const cdk_token *tokens = band->tokens + t;
    switch (2 * band->type + (band->token_count - t > 1)) {
#define CASE(NAME)                                                                                    \
  case 2 * T_##NAME: vector_##NAME##_1(w, row_bytes, rows, columns, tokens, first_row); break;        \
  case 2 * T_##NAME + 1: vector_##NAME##_2(w, row_bytes, rows, columns, tokens, first_row); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
}

#endif
