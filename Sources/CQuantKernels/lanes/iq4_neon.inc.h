// The levels next to 16 quotients at a time, in bytes.
//
// Halfway points are multiples of 1/2, so that the number of halves in a quotient, rounded down, tells its level: as
// two bytes, the quotient rounded down and its nearest integer, for the points that are integers and those that are
// not. A range of eight holds one such point at most: its number leads to the levels below it and to that point.

#define IQ4_TOGETHER 4

// By the upper five bits of the quotient, rounded down, in two's complement: the levels below the range, and one less
// than its halfway point, with 1/2 added if that is no integer; 127 if there is none.
static const uint8_t iq4_below[32] = {8, 9, 9, 10, 11, 11, 12, 12, 13, 13, 14, 14, 14, 15, 15, 15, 0, 0, 1, 1, 1, 2,
    2, 3, 3, 4, 4, 5, 5, 6, 6, 7};
static const int8_t iq4_whole[32] = {6, 127, 18, 127, 127, 127, 127, 60, 127, 78, 127, 127, 100, 127, 127, 127, 127,
    127, 127, 127, 127, 127, -75, 127, -58, 127, -43, 127, 127, 127, -17, 127};
static const int8_t iq4_halves[32] = {127, 127, 127, 31, 127, 45, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, -116, 127, 127, -94, 127, 127, 127, 127, 127, 127, 127, -29, 127, 127, -5};
// The levels as binary16, upper and lower bytes.
static const uint8_t iq4_high[16] = {215, 214, 213, 212, 210, 208, 205, 201, 60, 74, 78, 80, 82, 84, 85, 87};
static const uint8_t iq4_low[16] = {240, 128, 48, 16, 32, 96, 128, 0, 0, 128, 64, 192, 160, 80, 144, 16};

INLINE int8x16x2_t iq4_table(const int8_t *from) { return (int8x16x2_t){{vld1q_s8(from), vld1q_s8(from + 16)}}; }

// Quotients must be numbers.
INLINE void iq4_levels_near(vf inverse, const vf *x, vf *q) {
  const float32x4_t doubled = (float32x4_t)(inverse + inverse);
  int32x4_t h[4];
  for (int k = 0; k < 4; k++) h[k] = vcvtmq_s32_f32(vmulq_f32(doubled, (float32x4_t)x[k]));
  int16x8_t a = vqmovn_high_s32(vqmovn_s32(h[0]), h[1]), b = vqmovn_high_s32(vqmovn_s32(h[2]), h[3]);
  int8x16_t down = vqshrn_high_n_s16(vqshrn_n_s16(a, 1), b, 1), near = vqrshrn_high_n_s16(vqrshrn_n_s16(a, 1), b, 1);
  uint8x16_t range = vshrq_n_u8(vreinterpretq_u8_s8(down), 3);
  const uint8x16x2_t below = {{vld1q_u8(iq4_below), vld1q_u8(iq4_below + 16)}};
  uint8x16_t code = vqtbl2q_u8(below, range);
  code = vsubq_u8(code, vcgtq_s8(down, vqtbl2q_s8(iq4_table(iq4_whole), range)));
  code = vsubq_u8(code, vcgtq_s8(near, vqtbl2q_s8(iq4_table(iq4_halves), range)));
  uint8x16_t high = vqtbl1q_u8(vld1q_u8(iq4_high), code), low = vqtbl1q_u8(vld1q_u8(iq4_low), code);
  for (int k = 0; k < 2; k++) {
    float16x8_t half = vreinterpretq_f16_u8(k ? vzip2q_u8(low, high) : vzip1q_u8(low, high));
    q[2 * k] = (vf)vcvt_f32_f16(vget_low_f16(half));
    // From the intrinsic function, the compiler makes two instructions.
    __asm__("fcvtl2 %0.4s, %1.8h" : "=w"(q[2 * k + 1]) : "w"(half));
  }
}
