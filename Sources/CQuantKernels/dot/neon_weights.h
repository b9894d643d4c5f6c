// Weights as f32, four rows side by side, and the decoding of rows.

#ifndef NEON_WEIGHTS_H
#define NEON_WEIGHTS_H

#include "neon_unpack.h"

// Whether the table is that of numbers that follow each other, from the least on.
INLINE int is_counted(int type) { return type == T_Q4_0 || type == T_Q3_K; }

// Codes become floats by way of binary16, which one instruction widens to f32: this takes half of what it takes to
// widen integers twice and to convert them. Types with few values have a table of the halves' bytes. Other codes are
// the low byte of a half: as a subnormal number that is the code times 2^-24, exactly, and the scale makes up for it.
INLINE int has_half_table(int type) {
  return is_counted(type) || type == T_MXFP4 || type == T_IQ4_NL || type == T_IQ4_XS;
}

// The bytes of the halves that codes of the type stand for; the low bytes are all zero for small numbers.
typedef struct {
  int8x16_t high, low;
} half_bytes;

INLINE half_bytes half_table(const int type) {
  half_bytes t = {vdupq_n_s8(0), vdupq_n_s8(0)};
  if (!has_half_table(type)) return t;
  int8x16_t values = code_table(type);
  if (is_counted(type)) {
    static const int8_t counted[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    values = vsubq_s8(vld1q_s8(counted), vdupq_n_s8((int8_t)code_offset(type)));
  }
  float32x4_t f[4];
  int16x8_t low = vmovl_s8(vget_low_s8(values)), high = vmovl_high_s8(values);
  f[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
  f[1] = vcvtq_f32_s32(vmovl_high_s16(low));
  f[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
  f[3] = vcvtq_f32_s32(vmovl_high_s16(high));
  int8x16_t a = vreinterpretq_s8_f16(vcvt_high_f16_f32(vcvt_f16_f32(f[0]), f[1]));
  int8x16_t b = vreinterpretq_s8_f16(vcvt_high_f16_f32(vcvt_f16_f32(f[2]), f[3]));
  t.low = vuzp1q_s8(a, b);
  t.high = vuzp2q_s8(a, b);
  return t;
}

// The halves of 16 codes. `high` and, for types with a table, `low` are what `code_256` and `codes_32` made of these
// bytes as their table; those of types that count are looked up here.
INLINE void halves_of(const int type, int8x16_t high, int8x16_t low, const half_bytes *table, uint8x16_t h[2]) {
  if (is_counted(type)) high = vqtbl1q_s8(table->high, vreinterpretq_u8_s8(high));
  uint8x16_t v = vreinterpretq_u8_s8(high);
  if (is_counted(type) || type == T_MXFP4) {
    h[0] = vreinterpretq_u8_u16(vshll_n_u8(vget_low_u8(v), 8));
    h[1] = vreinterpretq_u8_u16(vshll_high_n_u8(v, 8));
  } else if (has_half_table(type)) {
    h[0] = vzip1q_u8(vreinterpretq_u8_s8(low), v);
    h[1] = vzip2q_u8(vreinterpretq_u8_s8(low), v);
  } else if (has_mins(type)) {
    h[0] = vreinterpretq_u8_u16(vmovl_u8(vget_low_u8(v)));
    h[1] = vreinterpretq_u8_u16(vmovl_high_u8(v));
  } else {
    int8x16_t q = code_offset(type) ? vsubq_s8(high, vdupq_n_s8((int8_t)code_offset(type))) : high;
    uint8x16_t magnitude = vreinterpretq_u8_s8(vabsq_s8(q)), sign = vreinterpretq_u8_s8(q) & 128;
    h[0] = vzip1q_u8(magnitude, sign);
    h[1] = vzip2q_u8(magnitude, sign);
  }
}

// What a scale is multiplied with: a power of two, so that products round as those of codes do.
INLINE float code_factor(const int type) { return has_half_table(type) ? 1.0f : 0x1p24f; }

// The upper four halves as f32; from the intrinsic function, the compiler makes two instructions.
INLINE float32x4_t widened_high(uint8x16_t h) {
  float32x4_t f;
  __asm__("fcvtl2 %0.4s, %1.8h" : "=w"(f) : "w"(h));
  return f;
}

// Sixteen weights of row r of two; `scale` and `min` have rows in lanes, and `one` is 1 in a register that the compiler
// does not know: a multiply-add takes a lane where an addition would need a copy of it.
INLINE void weights_of(const int type, const uint8x16_t h[2], float32x2_t scale, float32x2_t min, float32x4_t one,
                       const int r, float32x4_t f[4]) {
  UNROLLED
  for (int i = 0; i < 2; i++) {
    f[2 * i] = vcvt_f32_f16(vget_low_f16(vreinterpretq_f16_u8(h[i])));
    f[2 * i + 1] = widened_high(h[i]);
  }
  UNROLLED
  for (int j = 0; j < 4; j++) {
    f[j] = vmulq_n_f32(f[j], scale[r]);
    // Types without a minimum must keep the sign of a zero.
    if (!has_mins(type)) continue;
    f[j] = is_256(type) ? vfmsq_n_f32(f[j], one, min[r]) : vfmaq_n_f32(f[j], one, min[r]);
  }
}

INLINE float32x4_t hidden_one(void) {
  float32x4_t one = vdupq_n_f32(1);
  __asm__("" : "+w"(one));
  return one;
}

// Where weights go: to a row, to a tile (see neon_float.h), or times activations into sums.
enum { TO_ROW, TO_TILE, TO_SUMS };

// A tile of four rows: of every 16 columns the halves lie apart, rows of a half side by side.
#define FLOAT_ROWS 4
#define TILE_STEP (8 * FLOAT_ROWS)
#define TILE_HALF (FLOAT_COLUMNS / 16 * TILE_STEP)

// Partial sum 4k + l of a row is lane l of register k.
typedef struct {
  float32x4_t sums[FLOAT_ROWS][4];
} row_sums;

INLINE void store_weights(const int use, const float32x4_t f[4], float *out, const int r) {
  UNROLLED
  for (int j = 0; j < 4; j++)
    vst1q_f32(use == TO_ROW ? out + 4 * j : out + j / 2 * TILE_HALF + 8 * r + j % 2 * 4, f[j]);
}

INLINE void add_weights(const float32x4_t f[4], const float32x4_t x[4], float32x4_t sums[4]) {
  UNROLLED
  for (int j = 0; j < 4; j++) sums[j] = vfmaq_f32(sums[j], f[j], x[j]);
}

INLINE void load_four(const float *x, float32x4_t v[4]) {
  UNROLLED
  for (int j = 0; j < 4; j++) v[j] = vld1q_f32(x + 4 * j);
}

// The target of column 16 `at` when that of column 0 is `out`.
INLINE float *target_at(const int use, float *out, const int at) {
  return out + (use == TO_TILE ? TILE_STEP : 16) * at;
}

// The block of 256 columns of one or four rows. Two rows at a time, in the order of columns: the sums of four would
// take the registers that unpacking needs.
INLINE void take_256(const int type, const int use, const uint8_t *const s[4], const half_bytes *table,
                     float32x4_t one, const float *x, float *out, row_sums *to) {
  const int wide = !has_groups_of_16(type);
  float scales[16][4], mins[16][4];
  {
    const four_heads h = load_heads(type, s);
    const float32x4_t d = vmulq_n_f32(h.d, code_factor(type));
    UNROLLED
    for (int g = 0; g < (wide ? 8 : 16); g++) {
      vst1q_f32(scales[g], vmulq_f32(d, vcvtq_f32_s32(group_scale(type, &h, g))));
      if (has_mins(type)) vst1q_f32(mins[g], vmulq_f32(h.dmin, vcvtq_f32_s32(group_min(&h, g))));
    }
  }
#pragma clang loop unroll(disable)
  for (int pair = 0; pair < (use == TO_ROW ? 1 : 2); pair++) {
    float32x4_t sums[2][4];
    if (use == TO_SUMS) memcpy(sums, to->sums[2 * pair], sizeof sums);
    UNROLLED
    for (int at = 0; at < 16; at++) {
      const int g = wide ? at / 2 : at, i = wide ? at / 4 : at / 8 * 2 + at % 2, k = wide ? at % 4 : at % 8 / 2;
      const float32x2_t scale = vld1_f32(scales[g] + 2 * pair);
      const float32x2_t min = has_mins(type) ? vld1_f32(mins[g] + 2 * pair) : scale;
      float32x4_t v[4];
      if (use == TO_SUMS) load_four(x + 16 * at, v);
      UNROLLED
      for (int r = 0; r < (use == TO_ROW ? 1 : 2); r++) {
        const quarter w = load_quarter(type, s[2 * pair + r], i);
        uint8x16_t halves[2];
        float32x4_t f[4];
        halves_of(type, code_256(type, &w, i, k, table->high), code_256(type, &w, i, k, table->low), table, halves);
        weights_of(type, halves, scale, min, one, r, f);
        if (use == TO_SUMS) add_weights(f, v, sums[r]);
        else store_weights(use, f, target_at(use, out, at), 2 * pair + r);
      }
    }
    if (use == TO_SUMS) memcpy(to->sums[2 * pair], sums, sizeof sums);
  }
}

// The block of 32 columns of one, two or four rows, the others being the last of these; moves `s` on.
INLINE void take_32(const int type, const int use, const uint8_t *s[4], size_t step, const half_bytes *table,
                    float32x4_t one, const float *x, float *out, float32x4_t sums[2][4]) {
  const uint8_t *block[4] = {s[0], s[1], s[2], s[3]};
  four_scales heads = scales_32(type, s, step);
  heads.d = vmulq_n_f32(heads.d, code_factor(type));
  if (!has_mins(type)) heads.m = heads.d;
  UNROLLED
  for (int r = 0; r < (use == TO_ROW ? 1 : use == TO_SUMS ? 2 : FLOAT_ROWS); r++) {
    const float32x2_t scale = r < 2 ? vget_low_f32(heads.d) : vget_high_f32(heads.d);
    const float32x2_t min = r < 2 ? vget_low_f32(heads.m) : vget_high_f32(heads.m);
    int8x16_t high[2], low[2];
    codes_32(type, block[r], table->high, high);
    codes_32(type, block[r], table->low, low);
    UNROLLED
    for (int i = 0; i < 2; i++) {
      uint8x16_t halves[2];
      float32x4_t f[4], v[4];
      halves_of(type, high[i], low[i], table, halves);
      weights_of(type, halves, scale, min, one, r % 2, f);
      if (use == TO_SUMS) {
        load_four(x + 16 * i, v);
        add_weights(f, v, sums[r]);
      } else {
        store_weights(use, f, target_at(use, out, i), r);
      }
    }
  }
}

// `columns` columns, a multiple of the block length.
INLINE void take_columns_256(const int type, const int use, const uint8_t *s[4], size_t columns, const float *x,
                             float *out, row_sums *to) {
  const half_bytes table = half_table(type);
  const float32x4_t one = hidden_one();
#pragma clang loop unroll(disable)
  for (size_t c = 0; c < columns; c += 256) {
    take_256(type, use, s, &table, one, x, out, to);
    UNROLLED
    for (int r = 0; r < 4; r++) s[r] += block_bytes(type);
    x += 256;
    out = target_at(use, out, 16);
  }
}

INLINE void take_columns_32(const int type, const int use, const uint8_t *s[4], size_t columns, const float *x,
                            float *out, row_sums *to) {
  const half_bytes table = half_table(type);
  const float32x4_t one = hidden_one();
  size_t step = block_bytes(type);
  // Hidden from the compiler, so that it lets the loads of scales move the pointers on instead of adding constants.
  __asm__("" : "+r"(step));
  // Of two rows, the sums and what unpacking needs fit in the registers.
#pragma clang loop unroll(disable)
  for (int pair = 0; pair < (use == TO_SUMS ? 2 : 1); pair++) {
    const uint8_t *four[4] = {s[2 * pair], s[2 * pair + 1], s[2], s[3]};
    if (use == TO_SUMS) four[2] = four[3] = four[1];
    float32x4_t sums[2][4];
    if (use == TO_SUMS) memcpy(sums, to->sums[2 * pair], sizeof sums);
#pragma clang loop unroll(disable)
    for (size_t c = 0; c < columns; c += 32) {
      take_32(type, use, four, step, &table, one, use == TO_SUMS ? x + c : x, out, sums);
      out = target_at(use, out, 2);
    }
    if (use == TO_SUMS) memcpy(to->sums[2 * pair], sums, sizeof sums);
  }
}

INLINE void take_columns(const int type, const int use, const uint8_t *s[4], size_t columns, const float *x,
                         float *out, row_sums *to) {
  if (is_256(type)) take_columns_256(type, use, s, columns, x, out, to);
  else take_columns_32(type, use, s, columns, x, out, to);
}

#define DEFINE(NAME)                                                                                           \
  static __attribute__((noinline)) void decode_##NAME(const uint8_t *row, size_t columns, float *out) {         \
    const uint8_t *s[4] = {row, row, row, row};                                                                 \
    row_sums to;                                                                                          \
    take_columns(T_##NAME, TO_ROW, s, columns, NULL, out, &to);                                                 \
  }                                                                                                            \
  static __attribute__((noinline)) void tile_##NAME(const uint8_t *s[4], size_t columns, float *out) {          \
    row_sums to;                                                                                          \
    take_columns(T_##NAME, TO_TILE, s, columns, NULL, out, &to);                                                \
  }                                                                                                            \
  static __attribute__((noinline)) void sums_##NAME(const uint8_t *s[4], size_t columns, const float *x,        \
                                                    float32x4_t sums[FLOAT_ROWS][4]) {                         \
    row_sums to;                                                                                          \
    UNROLLED                                                                                                   \
    for (int r = 0; r < FLOAT_ROWS; r++)                                                                       \
      UNROLLED                                                                                                 \
      for (int j = 0; j < 4; j++) to.sums[r][j] = vdupq_n_f32(0);                                              \
    take_columns(T_##NAME, TO_SUMS, s, columns, x, NULL, &to);                                                  \
    memcpy(sums, to.sums, sizeof to.sums);                                                                     \
  }
FOR_TYPES_256(DEFINE)
FOR_TYPES_32(DEFINE)
#undef DEFINE

// Sixteen numbers of a float type.
INLINE void load_floats(const int type, const uint8_t *s, float32x4_t f[4]) {
  UNROLLED
  for (int j = 0; j < 4; j++) {
    if (type == T_F32) {
      f[j] = vreinterpretq_f32_u8(vld1q_u8(s + 16 * j));
      continue;
    }
    uint16x4_t h = vreinterpret_u16_u8(vld1_u8(s + 8 * j));
    f[j] = type == T_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(h)) : vreinterpretq_f32_u32(vshll_n_u16(h, 16));
  }
}

// Any number of columns; a tile is filled with zeros up to a multiple of 16.
INLINE void take_floats(const int type, const int use, const uint8_t *s[4], size_t columns, float *out) {
  const size_t size = type == T_F32 ? 4 : 2;
  for (size_t c = 0; c < columns; c += 16) {
    const size_t n = columns - c < 16 ? columns - c : 16;
    float *to = target_at(use, out, (int)(c / 16));
    UNROLLED
    for (int r = 0; r < (use == TO_ROW ? 1 : FLOAT_ROWS); r++) {
      float32x4_t f[4];
      uint8_t last[64] = {0};
      const uint8_t *from = s[r] + c * size;
      if (n < 16) from = memcpy(last, from, n * size);
      load_floats(type, from, f);
      if (use == TO_ROW && n < 16) memcpy(to, f, 4 * n);
      else store_weights(use, f, to, r);
    }
  }
}

#define DEFINE(NAME)                                                                            \
  static __attribute__((noinline)) void decode_##NAME(const uint8_t *row, size_t columns, float *out) { \
    const uint8_t *s[4] = {row, row, row, row};                                                 \
    take_floats(T_##NAME, TO_ROW, s, columns, out);                                             \
  }                                                                                             \
  static __attribute__((noinline)) void tile_##NAME(const uint8_t *s[4], size_t columns, float *out) { \
    take_floats(T_##NAME, TO_TILE, s, columns, out);                                            \
  }
DEFINE(F32) DEFINE(F16) DEFINE(BF16)
#undef DEFINE

#endif
