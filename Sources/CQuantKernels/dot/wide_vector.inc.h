// Products of one token with 512-bit vectors: a block of 256 codes in four of them, two blocks of 32 in one.
//
// Included by wide_tile.inc.h, after its macros. The order of all f32 operations is that of avx2_vector.h.

typedef int16_t vs __attribute__((ext_vector_type(32)));

#ifdef NEEDS_WIDE_SHUFFLES
typedef uint8_t vb __attribute__((ext_vector_type(64)));

INLINE vs wide_pack(vi a, vi b) {
  vs out;
  for (int k = 0; k < 32; k++) out[k] = (int16_t)(k / 4 % 2 == 0 ? a : b)[4 * (k / 8) + k % 4];
  return out;
}

INLINE vs wide_pick(__m256i v, vs index) {
  int16_t from[16];
  memcpy(from, &v, sizeof from);
  vs out;
  for (int k = 0; k < 32; k++) out[k] = from[index[k] & 15];
  return out;
}

INLINE vi wide_spread_bits(uint64_t bits, int byte) {
  vb out;
  for (int k = 0; k < 64; k++) out[k] = (uint8_t)((bits >> k & 1) ? byte : 0);
  return (vi)out;
}

INLINE vi wide_look_up(const uint8_t *table, vi index) {
  vb at = (vb)index, out;
  for (int k = 0; k < 64; k++) out[k] = table[at[k] & 15];
  return (vi)out;
}
#endif

// `iq4_values`, larger by 128.
static const uint8_t wide_iq4_values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

// Two vectors of 32 bytes one behind the other.
INLINE vi wide_pair(__m256i low, __m256i high) {
  vi v;
  memcpy(&v, &low, 32);
  memcpy((char *)&v + 32, &high, 32);
  return v;
}

INLINE vi wide_bytes(const int byte) { return (vi)(0x01010101 * byte); }

// Which 16 columns are at place `piece` of the four vectors that `wide_codes_of` gives: nibbles and pairs of bits
// are used where they are in the block, so that columns come in the order of the format.
INLINE size_t wide_order(const int type, const size_t piece) {
  const size_t v = piece / 4, quarter = piece % 4;
  switch (type) {
    case T_Q4_K:
    case T_Q5_K: return 2 * (4 * (v / 2) + v % 2 + 2 * (quarter / 2)) + quarter % 2;
    case T_Q2_K:
    case T_Q3_K: return 2 * v + quarter % 2 + 8 * (quarter / 2);
    case T_IQ4_XS: return 2 * (4 * (v / 2) + quarter) + v % 2;
    default: return piece;
  }
}

// Shifts to the left of the low and the high half, to the right where negative.
INLINE vi wide_shift(vi v, const int low, const int high) {
  typedef uint32_t vu __attribute__((ext_vector_type(16)));
  const vi halves = {low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high};
  const vi left = __builtin_elementwise_max(halves, (vi)0);
  return (vi)((vu)v << (vu)left >> (vu)(left - halves));
}

// 256 codes as unsigned bytes, larger than the true ones by `wide_offset_bits`.
INLINE void wide_codes_of(const int type, const uint8_t *s, vi q[4]) {
  switch (type) {
    case T_Q2_K: {
      vi v = wide_load(s + 16);
      for (int k = 0; k < 4; k++) q[k] = wide_shift(v, -2 * k, -2 * k) & wide_bytes(3);
      break;
    }
    case T_Q3_K: {
      vi v = wide_load(s + 32), high = wide_pair(load_bytes(s), load_bytes(s));
      for (int k = 0; k < 4; k++)
        q[k] = (wide_shift(v, -2 * k, -2 * k) & wide_bytes(3)) | (wide_shift(high, 2 - k, -2 - k) & wide_bytes(4));
      break;
    }
    case T_Q4_K:
    case T_Q5_K: {
      const uint8_t *qs = s + (type == T_Q4_K ? 16 : 48);
      for (int i = 0; i < 2; i++) {
        vi v = wide_load(qs + 64 * i);
        q[2 * i] = v & wide_bytes(15);
        q[2 * i + 1] = wide_shift(v, -4, -4) & wide_bytes(15);
      }
      if (type == T_Q5_K) {
        vi high = wide_pair(load_bytes(s + 16), load_bytes(s + 16));
        q[0] |= wide_shift(high, 4, 2) & wide_bytes(16);
        q[1] |= wide_shift(high, 3, 1) & wide_bytes(16);
        q[2] |= wide_shift(high, 0, -2) & wide_bytes(16);
        q[3] |= wide_shift(high, -1, -3) & wide_bytes(16);
      }
      break;
    }
    case T_Q6_K:
      for (int i = 0; i < 2; i++) {
        vi v = wide_load(s + 64 * i), high = wide_pair(load_bytes(s + 128 + 32 * i), load_bytes(s + 128 + 32 * i));
        q[2 * i] = (v & wide_bytes(15)) | (wide_shift(high, 4, 2) & wide_bytes(48));
        q[2 * i + 1] = (wide_shift(v, -4, -4) & wide_bytes(15)) | (wide_shift(high, 0, -2) & wide_bytes(48));
      }
      break;
    case T_IQ4_XS:
      for (int i = 0; i < 2; i++) {
        vi v = wide_load(s + 8 + 64 * i);
        q[2 * i] = LOOK_UP(wide_iq4_values, v & wide_bytes(15));
        q[2 * i + 1] = LOOK_UP(wide_iq4_values, wide_shift(v, -4, -4) & wide_bytes(15));
      }
      break;
    default: break;
  }
}

INLINE int wide_offset_bits(const int type) {
  switch (type) {
    case T_Q3_K: return 2;
    case T_Q6_K: return 5;
    case T_IQ4_XS: return 7;
    default: return 0;
  }
}

// Which groups the sums of two vectors belong to, as `PACK` orders them: four times that of each quarter of the one,
// then of the other; by `wide_order`.
#define QUARTER(a, b) a, a, a, a, b, b, b, b
static const int16_t wide_groups_q2[2][32] = {
    {QUARTER(0, 2), QUARTER(1, 3), QUARTER(8, 10), QUARTER(9, 11)},
    {QUARTER(4, 6), QUARTER(5, 7), QUARTER(12, 14), QUARTER(13, 15)}};
static const int16_t wide_groups_q4[2][32] = {
    {QUARTER(0, 1), QUARTER(0, 1), QUARTER(2, 3), QUARTER(2, 3)},
    {QUARTER(4, 5), QUARTER(4, 5), QUARTER(6, 7), QUARTER(6, 7)}};
static const int16_t wide_groups_q6[2][32] = {
    {QUARTER(0, 4), QUARTER(1, 5), QUARTER(2, 6), QUARTER(3, 7)},
    {QUARTER(8, 12), QUARTER(9, 13), QUARTER(10, 14), QUARTER(11, 15)}};
#undef QUARTER

INLINE vs wide_scales_of(const int type, const int i, __m256i scales) {
  vs index;
  const int16_t *groups = has_groups_of_16(type) ? wide_groups_q2[i] : wide_groups_q4[i];
  memcpy(&index, type == T_Q6_K ? wide_groups_q6[i] : groups, 64);
  return PICK_16(scales, index);
}

// Four of the eight scales of IQ4_XS, one in the lanes of each quarter.
INLINE vi wide_quarter_scales(const int i, __m256i scales) {
  typedef int32_t eight __attribute__((ext_vector_type(8)));
  eight v;
  __m256i wide = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(scales));
  memcpy(&v, &wide, sizeof v);
  return i == 0 ? __builtin_shufflevector(v, v, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)
                : __builtin_shufflevector(v, v, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
}

INLINE block_sums wide_sums_of(const int type, const uint8_t *s, const int8_t *x, const int16_t *sums) {
  wide_block w;
  load_256(type, s, &w);
  vi q[4], sum = (vi)0;
  wide_codes_of(type, s, q);
  for (int i = 0; i < 2; i++) {
    vi even = DOT_4((vi)0, q[2 * i], wide_load(x + 128 * i));
    if (type == T_IQ4_XS) {
      // Low and high nibbles have their scale in common; eight products of up to 241 * 127 do not fit in 16 bits.
      sum += DOT_4(even, q[2 * i + 1], wide_load(x + 128 * i + 64)) * wide_quarter_scales(i, w.scales);
    } else {
      // At most 4 * 63 * 127 each.
      vi odd = DOT_4((vi)0, q[2 * i + 1], wide_load(x + 128 * i + 64));
      sum = DOT_2(sum, PACK(even, odd), wide_scales_of(type, i, w.scales));
    }
  }
  __m256i halves[2];
  memcpy(halves, &sum, 64);
  block_sums out = {.products = _mm256_add_epi32(halves[0], halves[1])};
  add_offsets(type, wide_offset_bits(type), &w, sums, &out);
  return out;
}

// `mxfp4_values`, larger by 16.
static const uint8_t wide_mxfp4_values[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

// How much larger than the true codes those of `wide_codes_32` are.
INLINE int wide_offset_32(const int type) {
  switch (type) {
    case T_Q8_0:
    case T_IQ4_NL: return 128;
    case T_MXFP4: return 16;
    default: return code_offset(type);
  }
}

// The codes of two blocks of 32 as unsigned bytes.
INLINE vi wide_codes_32(const int type, const uint8_t *s, const uint8_t *t) {
  switch (type) {
    case T_Q8_0: return wide_pair(load_bytes(s + 2), load_bytes(t + 2)) ^ wide_bytes(0x80);
    case T_Q4_0: return wide_pair(load_nibbles(s + 2), load_nibbles(t + 2));
    case T_Q4_1: return wide_pair(load_nibbles(s + 4), load_nibbles(t + 4));
    case T_Q5_0: {
      uint64_t high = read_u32(s + 2) | (uint64_t)read_u32(t + 2) << 32;
      return wide_pair(load_nibbles(s + 6), load_nibbles(t + 6)) | SPREAD_BITS(high, 16);
    }
    case T_Q5_1: {
      uint64_t high = read_u32(s + 4) | (uint64_t)read_u32(t + 4) << 32;
      return wide_pair(load_nibbles(s + 8), load_nibbles(t + 8)) | SPREAD_BITS(high, 16);
    }
    case T_IQ4_NL: return LOOK_UP(wide_iq4_values, wide_pair(load_nibbles(s + 2), load_nibbles(t + 2)));
    default: return LOOK_UP(wide_mxfp4_values, wide_pair(load_nibbles(s + 1), load_nibbles(t + 1)));
  }
}

INLINE vi wide_add_pairs(vi a, vi b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
         __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}

INLINE vi wide_add_quads(vi a, vi b) {
  return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
         __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

INLINE pair_sums wide_pair_of(const int type, const uint8_t *s, const uint8_t *t, const uint8_t *x, const uint8_t *y) {
  vi sum = DOT_4((vi)0, wide_codes_32(type, s, t), wide_pair(load_bytes(x), load_bytes(y)));
  pair_sums out;
  memcpy(&out, &sum, sizeof out);
  return out;
}

INLINE void wide_pair_totals(const pair_sums rows[8], __m256i totals[2]) {
  vi t[4];
  for (int i = 0; i < 4; i++) t[i] = wide_add_pairs(wide_load(rows + 2 * i), wide_load(rows + 2 * i + 1));
  __m256i a[2], b[2];
  vi first = wide_add_quads(t[0], t[1]), second = wide_add_quads(t[2], t[3]);
  memcpy(a, &first, 64);
  memcpy(b, &second, 64);
  for (int h = 0; h < 2; h++)
    totals[h] =
        _mm256_add_epi32(_mm256_permute2x128_si256(a[h], b[h], 0x20), _mm256_permute2x128_si256(a[h], b[h], 0x31));
}
