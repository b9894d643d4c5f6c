// One super-block or block of weights in plain integers: the definition that all levels follow.

#ifndef DOT_UNPACK_H
#define DOT_UNPACK_H

#include "dot_common.h"

// 256 weights: value e = (d * scale[e / 16]) * code[e] - dmin * min[e / 16].
typedef struct {
  int8_t code[256];
  int16_t scale[16];
  int16_t min[16];
  float d;
  float dmin;
} super_block;

// 32 weights: value e = d * code[e] + m.
typedef struct {
  int8_t code[32];
  float d;
  float m;
} small_block;

// The loops below run over bytes that are next to each other, so that compilers can vectorize them.

static inline void unpack_affine_k(int type, const uint8_t *s, super_block *b) {
  uint64_t sc, m;
  unpack_scales_6bit(s + 4, &sc, &m);
  b->d = float_of_f16(read_u16(s));
  b->dmin = float_of_f16(read_u16(s + 2));
  for (int j = 0; j < 16; j++) {
    b->scale[j] = (int16_t)((sc >> (8 * (j / 2))) & 63);
    b->min[j] = (int16_t)((m >> (8 * (j / 2))) & 63);
  }
  const uint8_t *qs = s + (type == T_Q4_K ? 16 : 48);
  for (int j = 0; j < 4; j++)
    for (int l = 0; l < 32; l++) {
      b->code[64 * j + l] = qs[32 * j + l] & 15;
      b->code[64 * j + 32 + l] = qs[32 * j + l] >> 4;
    }
  if (type == T_Q4_K) return;
  for (int j = 0; j < 8; j++)
    for (int l = 0; l < 32; l++) b->code[32 * j + l] |= (int8_t)(((s[16 + l] >> j) & 1) << 4);
}

static inline void unpack_256(int type, const uint8_t *s, super_block *b) {
  memset(b->min, 0, sizeof b->min);
  b->dmin = 0;
  switch (type) {
    case T_Q2_K:
      b->d = float_of_f16(read_u16(s + 80));
      b->dmin = float_of_f16(read_u16(s + 82));
      for (int j = 0; j < 16; j++) {
        b->scale[j] = s[j] & 15;
        b->min[j] = s[j] >> 4;
      }
      for (int h = 0; h < 2; h++)
        for (int k = 0; k < 4; k++)
          for (int l = 0; l < 32; l++) b->code[128 * h + 32 * k + l] = (s[16 + 32 * h + l] >> (2 * k)) & 3;
      break;
    case T_Q3_K: {
      uint8_t u[16];
      unpack_scales_q3(s + 96, u);
      b->d = float_of_f16(read_u16(s + 108));
      for (int j = 0; j < 16; j++) b->scale[j] = (int16_t)(u[j] - 32);
      for (int h = 0; h < 2; h++)
        for (int k = 0; k < 4; k++)
          for (int l = 0; l < 32; l++) {
            int low = (s[32 + 32 * h + l] >> (2 * k)) & 3, high = (s[l] >> (4 * h + k)) & 1;
            b->code[128 * h + 32 * k + l] = (int8_t)(low + 4 * high - 4);
          }
      break;
    }
    case T_Q4_K:
    case T_Q5_K: unpack_affine_k(type, s, b); break;
    case T_Q6_K:
      b->d = float_of_f16(read_u16(s + 208));
      for (int j = 0; j < 16; j++) b->scale[j] = (int8_t)s[192 + j];
      for (int h = 0; h < 2; h++)
        for (int k = 0; k < 4; k++)
          for (int l = 0; l < 32; l++) {
            int low = (s[64 * h + 32 * (k % 2) + l] >> (4 * (k / 2))) & 15;
            int high = (s[128 + 32 * h + l] >> (2 * k)) & 3;
            b->code[128 * h + 32 * k + l] = (int8_t)((low | high << 4) - 32);
          }
      break;
    case T_IQ4_XS: {
      uint8_t u[8];
      unpack_scales_iq4_xs(s, u);
      b->d = float_of_f16(read_u16(s));
      for (int j = 0; j < 16; j++) b->scale[j] = (int16_t)(u[j / 2] - 32);
      for (int j = 0; j < 8; j++)
        for (int l = 0; l < 16; l++) {
          b->code[32 * j + l] = iq4_values[s[8 + 16 * j + l] & 15];
          b->code[32 * j + 16 + l] = iq4_values[s[8 + 16 * j + l] >> 4];
        }
      break;
    }
    default: memset(b, 0, sizeof *b);
  }
}

static inline void unpack_32(int type, const uint8_t *s, small_block *b) {
  b->m = 0;
  if (type == T_Q8_0) {
    b->d = float_of_f16(read_u16(s));
    memcpy(b->code, s + 2, 32);
    return;
  }
  if (type == T_MXFP4) {
    b->d = float_of_e8m0_half(s[0]);
  } else {
    b->d = float_of_f16(read_u16(s));
    if (type == T_Q4_1 || type == T_Q5_1) b->m = float_of_f16(read_u16(s + 2));
  }
  const uint8_t *qs = s + block_bytes(type) - 16;
  uint32_t high = 0;
  if (type == T_Q5_0) high = read_u32(s + 2);
  if (type == T_Q5_1) high = read_u32(s + 4);
  for (int e = 0; e < 32; e++) {
    int q = (qs[e % 16] >> (4 * (e / 16))) & 15;
    q |= (int)((high >> e) & 1) << 4;
    switch (type) {
      case T_Q4_0: q -= 8; break;
      case T_Q5_0: q -= 16; break;
      case T_IQ4_NL: q = iq4_values[q]; break;
      case T_MXFP4: q = mxfp4_values[q]; break;
      default: break;
    }
    b->code[e] = (int8_t)q;
  }
}

#endif
