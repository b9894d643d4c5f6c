// Formats of 32 values per block: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, MXFP4. One block per lane.

#define BLOCK_SIDE AFFINE_SIDE

// BLOCK_SIDE groups of LANES blocks: values, and weights when there are any.
typedef struct {
  vf x[BLOCK_SIDE * 32], w[BLOCK_SIDE * 32];
  int valid[BLOCK_SIDE];
} block_side;

// The mean square of one row, the sum taken in index order.
typedef struct {
  const float *rows;
  ptrdiff_t row_length, row;
  float sigma2;
} row_power;

INLINE float power_of_row(row_power *p, ptrdiff_t row) {
  if (p->row != row) {
    const float *x = p->rows + row * p->row_length;
    float s = 0.0f;
    for (ptrdiff_t i = 0; i < p->row_length; i++) s = s + x[i] * x[i];
    p->sigma2 = s / (float)p->row_length;
    p->row = row;
  }
  return p->sigma2;
}

INLINE void load_side(block_side *side, row_power *power, const float *rows, const float *importance,
                      ptrdiff_t first, ptrdiff_t blocks, ptrdiff_t per_row) {
  for (int u = 0; u < BLOCK_SIDE; u++) {
    // A group past the end repeats the last block and is not stored.
    ptrdiff_t from = first + u * LANES < blocks ? first + u * LANES : blocks - 1;
    block_group g = group_at(rows, importance, from, blocks, per_row, 32);
    side->valid[u] = first + u * LANES < blocks ? g.valid : 0;
    load_lanes(g.x, 32, side->x + 32 * u);
    if (importance) {
      float sigma2[LANES];
      for (int b = 0; b < LANES; b++) {
        ptrdiff_t k = from + (b < g.valid ? b : g.valid - 1);
        sigma2[b] = power_of_row(power, k / per_row);
      }
      vf s;
      memcpy(&s, sigma2, sizeof s);
      load_lanes(g.w, 32, side->w + 32 * u);
      weigh(side->x + 32 * u, side->w + 32 * u, 32, s);
    }
  }
}

// Nibbles of 32 codes: value i low, value i + 16 high.
INLINE void store_nibbles(const vi *c, uint8_t *out, ptrdiff_t size, int valid) {
  for (int i = 0; i < 16; i += 4) {
    vi b[4];
    for (int k = 0; k < 4; k++) b[k] = (c[i + k] | (c[i + k + 16] << 4)) & 0xFF;
    store_words(out + i, size, valid, pack4(b[0], b[1], b[2], b[3]));
  }
}

// Fifth bits of 32 codes as one word, then their low nibbles.
INLINE void store_five_bits(const vi *c, uint8_t *out, ptrdiff_t size, int valid) {
  vi high = (vi)0, low[32];
  for (int i = 0; i < 32; i++) {
    high |= ((c[i] >> 4) & 1) << i;
    low[i] = c[i] & 15;
  }
  store_words(out, size, valid, high);
  store_nibbles(low, out + 4, size, valid);
}

INLINE void store_block(int bits, int has_min, const vi *codes, vi d, vi m, uint8_t *out, int valid) {
  const int size = 2 + 2 * has_min + (bits == 5 ? 4 : 0) + 16;
  store_halves(out, size, valid, d);
  if (has_min) store_halves(out + 2, size, valid, m);
  uint8_t *q = out + 2 + 2 * has_min;
  if (bits == 5)
    store_five_bits(codes, q, size, valid);
  else
    store_nibbles(codes, q, size, valid);
}

// Q4_0 and Q5_0: the value of largest magnitude becomes code 0.
INLINE void quantize_signed(int bits, int weighted, const float *rows, ptrdiff_t row_count, ptrdiff_t row_length,
                            const float *importance, uint8_t *out) {
  const int size = bits == 5 ? 22 : 18, half = 1 << (bits - 1);
  ptrdiff_t per_row = row_length / 32, blocks = row_count * per_row;
  row_power power = {rows, row_length, -1, 0.0f};
  block_side p;
  for (ptrdiff_t first = 0; first < blocks; first += BLOCK_SIDE * LANES) {
    load_side(&p, &power, rows, weighted ? importance : NULL, first, blocks, per_row);
    vi codes[BLOCK_SIDE * 32], d[BLOCK_SIDE];
    if (weighted) {
      vf scale[BLOCK_SIDE];
      for (int u = 0; u < BLOCK_SIDE; u += 2)
        symq(2, 32, half, 0, p.x + 32 * u, p.w + 32 * u, scale + u, codes + 32 * u);
      for (int u = 0; u < BLOCK_SIDE; u++) d[u] = half_of(scale[u]);
    } else {
      for (int u = 0; u < BLOCK_SIDE; u++) {
        vf top, peak = signed_peak(32, p.x + 32 * u, &top);
        vf scale = peak / (float)-half;
        vf id = scale != 0.0f ? 1.0f / scale : (vf)0.0f;
        for (int i = 0; i < 32; i++) {
          vi c = truncate_i(p.x[32 * u + i] * id + ((float)half + 0.5f));
          codes[32 * u + i] = min_i((vi)(2 * half - 1), (c << 24) >> 24) & 0xFF;
        }
        d[u] = half_of(scale);
      }
    }
    for (int u = 0; u < BLOCK_SIDE; u++)
      store_block(bits, 0, codes + 32 * u, d[u], (vi)0, out + (first + u * LANES) * size, p.valid[u]);
  }
}

// Q4_1 and Q5_1: scale and minimum.
INLINE void quantize_ranged(int bits, int weighted, const float *rows, ptrdiff_t row_count, ptrdiff_t row_length,
                            const float *importance, uint8_t *out) {
  const int size = bits == 5 ? 24 : 20, nmax = (1 << bits) - 1;
  ptrdiff_t per_row = row_length / 32, blocks = row_count * per_row;
  row_power power = {rows, row_length, -1, 0.0f};
  block_side p;
  for (ptrdiff_t first = 0; first < blocks; first += BLOCK_SIDE * LANES) {
    load_side(&p, &power, rows, weighted ? importance : NULL, first, blocks, per_row);
    vi codes[BLOCK_SIDE * 32], d[BLOCK_SIDE], m[BLOCK_SIDE];
    if (weighted) {
      vf scale[AFFINE_SIDE], negmin[AFFINE_SIDE], kept[AFFINE_SIDE * 32];
      if (bits == 4)
        search_q4_weighted_keeping(p.x, p.w, scale, negmin, kept);
      else
        search_q5_weighted_keeping(p.x, p.w, scale, negmin, kept);
      for (int i = 0; i < BLOCK_SIDE * 32; i++) codes[i] = __builtin_convertvector(kept[i], vi);
      for (int u = 0; u < BLOCK_SIDE; u++) {
        d[u] = half_of(scale[u]);
        m[u] = half_of(-negmin[u]);
      }
    } else {
      for (int u = 0; u < BLOCK_SIDE; u++) {
        vf low = p.x[32 * u], high = low;
        for (int i = 1; i < 32; i++) {
          low = min_f(p.x[32 * u + i], low);
          high = max_f(p.x[32 * u + i], high);
        }
        vf scale = (high - low) / (float)nmax;
        vf id = scale != 0.0f ? 1.0f / scale : (vf)0.0f;
        for (int i = 0; i < 32; i++) {
          vi c = truncate_i((p.x[32 * u + i] - low) * id + 0.5f);
          codes[32 * u + i] = bits == 4 ? min_i((vi)15, (c << 24) >> 24) & 0xFF : c & 0xFF;
        }
        d[u] = half_of(scale);
        m[u] = half_of(low);
      }
    }
    for (int u = 0; u < BLOCK_SIDE; u++)
      store_block(bits, 1, codes + 32 * u, d[u], m[u], out + (first + u * LANES) * size, p.valid[u]);
  }
}

#define BOTH_PATHS(NAME, FUNCTION, BITS)                                                                      \
  static void NAME(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,     \
                   uint8_t *out) {                                                                            \
    if (importance)                                                                                           \
      FUNCTION(BITS, 1, rows, row_count, row_length, importance, out);                                        \
    else                                                                                                      \
      FUNCTION(BITS, 0, rows, row_count, row_length, NULL, out);                                              \
  }

BOTH_PATHS(quantize_q4_0, quantize_signed, 4)
BOTH_PATHS(quantize_q5_0, quantize_signed, 5)
BOTH_PATHS(quantize_q4_1, quantize_ranged, 4)
BOTH_PATHS(quantize_q5_1, quantize_ranged, 5)

// Half away from zero. Adding 0.5 first would round 0.49999997 up, so the fraction is compared instead.
INLINE vi round_away_i(vf v) {
  vf a = abs_f(v);
  vi t = truncate_i(a);
  // At 2^23 and above there is no fraction; out of range stays INT32_MIN whatever the sign.
  vi up = (a < 8388608.0f) & (a - float_of(t) >= 0.5f);
  t = t - up;
  return v < 0.0f ? -t : t;
}

static void quantize_q8_0(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  (void)importance;
  enum { size = 34 };
  ptrdiff_t per_row = row_length / 32, blocks = row_count * per_row;
  vf x[32];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, NULL, first, blocks, per_row, 32);
    load_lanes(g.x, 32, x);
    vf top = (vf)0.0f;
    for (int i = 0; i < 32; i++) top = max_f(top, abs_f(x[i]));
    vf d = top / 127.0f;
    vf id = d != 0.0f ? 1.0f / d : (vf)0.0f;
    store_halves(out, size, g.valid, half_of(d));
    for (int i = 0; i < 32; i += 4) {
      vi c[4];
      for (int k = 0; k < 4; k++) c[k] = round_away_i(x[i + k] * id) & 0xFF;
      store_words(out + 2 + i, size, g.valid, pack4(c[0], c[1], c[2], c[3]));
    }
  }
}

// Halfway points between the magnitudes 0, 1, 2, 3, 4, 6, 8 and 12 of MXFP4. The reference takes the first of the
// values with the least distance, that is the lower one at such a point. Near it both distances are exact, so comparing
// with it decides alike.
static const float mxfp4_edges[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};

static void quantize_mxfp4(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                           uint8_t *out) {
  (void)importance;
  enum { size = 17 };
  ptrdiff_t per_row = row_length / 32, blocks = row_count * per_row;
  vf x[32];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, NULL, first, blocks, per_row, 32);
    load_lanes(g.x, 32, x);
    vf top = (vf)0.0f;
    for (int i = 0; i < 32; i++) top = max_f(top, abs_f(x[i]));
    float tops[LANES], scales[LANES];
    memcpy(tops, &top, sizeof tops);
    for (int b = 0; b < LANES; b++) {
      int e = tops[b] > 0.0f && tops[b] < INFINITY ? (floor_log2(tops[b]) - 2 + 127) & 0xFF : 0;
      scales[b] = float_of_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
      if (b < g.valid) out[b * size] = (uint8_t)e;
    }
    vf d;
    memcpy(&d, scales, sizeof d);
    vi codes[32];
    vf edge[7];
    for (int k = 0; k < 7; k++) edge[k] = mxfp4_edges[k] * d;
    for (int i = 0; i < 32; i++) {
      vf magnitude = abs_f(x[i]);
      vi code = (vi)0;
      for (int k = 0; k < 7; k++) code -= magnitude > edge[k];
      // Zero has no sign.
      codes[i] = code | (((vi)x[i] >> 28) & 8 & (code != 0));
    }
    store_nibbles(codes, out + 1, size, g.valid);
  }
}
