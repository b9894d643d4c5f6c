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
      for (int e = 0; e < 256; e++)
        b->code[e] = (s[16 + 32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32))) & 3;
      break;
    case T_Q3_K: {
      uint8_t u[16];
      unpack_scales_q3(s + 96, u);
      b->d = float_of_f16(read_u16(s + 108));
      for (int j = 0; j < 16; j++) b->scale[j] = (int16_t)(u[j] - 32);
      for (int e = 0; e < 256; e++) {
        int low = (s[32 + 32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32))) & 3;
        int high = (s[e % 32] >> (e / 32)) & 1;
        b->code[e] = (int8_t)(low + 4 * high - 4);
      }
      break;
    }
    case T_Q4_K:
    case T_Q5_K: {
      uint64_t sc, m;
      unpack_scales_6bit(s + 4, &sc, &m);
      b->d = float_of_f16(read_u16(s));
      b->dmin = float_of_f16(read_u16(s + 2));
      for (int j = 0; j < 16; j++) {
        b->scale[j] = (int16_t)((sc >> (8 * (j / 2))) & 63);
        b->min[j] = (int16_t)((m >> (8 * (j / 2))) & 63);
      }
      const uint8_t *qs = s + (type == T_Q4_K ? 16 : 48);
      for (int e = 0; e < 256; e++) b->code[e] = (qs[32 * (e / 64) + e % 32] >> (4 * (e % 64 / 32))) & 15;
      if (type == T_Q5_K)
        for (int e = 0; e < 256; e++) b->code[e] += (int8_t)(16 * ((s[16 + e % 32] >> (e / 32)) & 1));
      break;
    }
    case T_Q6_K:
      b->d = float_of_f16(read_u16(s + 208));
      for (int j = 0; j < 16; j++) b->scale[j] = (int8_t)s[192 + j];
      for (int e = 0; e < 256; e++) {
        int h = e / 128, k = e % 128 / 32, l = e % 32;
        int low = (s[64 * h + 32 * (k % 2) + l] >> (4 * (k / 2))) & 15;
        int high = (s[128 + 32 * h + l] >> (2 * k)) & 3;
        b->code[e] = (int8_t)((low | high << 4) - 32);
      }
      break;
    case T_IQ4_XS: {
      uint8_t u[8];
      unpack_scales_iq4_xs(s, u);
      b->d = float_of_f16(read_u16(s));
      for (int j = 0; j < 16; j++) b->scale[j] = (int16_t)(u[j / 2] - 32);
      for (int e = 0; e < 256; e++)
        b->code[e] = iq4_values[(s[8 + 16 * (e / 32) + e % 16] >> (4 * (e % 32 / 16))) & 15];
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
