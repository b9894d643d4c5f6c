// Super-blocks with scales only: Q6_K and Q3_K. One super-block of 256 values per lane.

#define SYM_SIDE 2

static __attribute__((noinline)) void search_q6(const vf *x, const vf *w, vf *scale) {
  symq(SYM_SIDE, 16, 32, 0, x, w, scale, NULL);
}

static __attribute__((noinline)) void search_q6_keeping(const vf *x, const vf *w, vf *scale, vi *kept) {
  symq(SYM_SIDE, 16, 32, 0, x, w, scale, kept);
}

static __attribute__((noinline)) void search_q3(const vf *x, const vf *w, vf *scale) {
  symq(SYM_SIDE, 16, 4, 0, x, w, scale, NULL);
}

static __attribute__((noinline)) void search_q3_keeping(const vf *x, const vf *w, vf *scale, vi *kept) {
  symq(SYM_SIDE, 16, 4, 0, x, w, scale, kept);
}

static __attribute__((noinline)) void search_q3_plain(const vf *x, vf *scale, vi *kept) {
  sym3(4, x, scale, kept);
}

static __attribute__((noinline)) void search_q3_scales(const vf *x, const vf *w, vf *scale, vi *kept) {
  symq(1, 16, 32, 1, x, w, scale, kept);
}

// Codes clamp(round(x / D), -nmax, nmax - 1) + nmax for one sub-block of 16, in place of x.
INLINE void requantize_16(int nmax, vf *x, vf D) {
  for (int i = 0; i < 16; i++) x[i] = (vf)(round_clamped_i(x[i] / D, -nmax, nmax - 1) + nmax);
}

INLINE void select_16(vf *x, vi empty, const vi *kept) {
  for (int i = 0; i < 16; i++) x[i] = (vf)(empty ? kept[i] : (vi)x[i]);
}

static void quantize_q6_k(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  enum { size = 210 };
  ptrdiff_t per_row = row_length / 256, blocks = row_count * per_row;
  vf x[256], w[256];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, importance, first, blocks, per_row, 256);
    load_lanes(g.x, 256, x);
    if (importance)
      load_lanes(g.w, 256, w);
    else
      for (int i = 0; i < 256; i++) w[i] = x[i] * x[i];
    vf scale[16], top = (vf)0.0f, peak = (vf)0.0f;
    for (int j = 0; j < 16; j += SYM_SIDE) search_q6(x + 16 * j, w + 16 * j, scale + j);
    for (int j = 0; j < 16; j++) {
      vi above = abs_f(scale[j]) > top;
      top = above ? abs_f(scale[j]) : top;
      peak = above ? scale[j] : peak;
    }
    // A super-block without any scale is all zero bytes.
    vi dead = top < EPS;
    vf isc = -128.0f / peak;
    vi d = dead ? (vi)0 : half_of(1.0f / isc);
    vi s[16];
    for (int j = 0; j < 16; j++) {
      vi l = min_i((vi)127, round_i(isc * scale[j]));
      s[j] = dead ? (vi)0 : (l << 24) >> 24;
    }
    vf df = float_of_half(d);
    for (int j = 0; j < 16; j += SYM_SIDE) {
      vf D[SYM_SIDE];
      vi empty = (vi)0;
      for (int u = 0; u < SYM_SIDE; u++) {
        D[u] = df * float_of(s[j + u]);
        empty |= D[u] == 0.0f;
      }
      vi kept[SYM_SIDE * 16];
      vf unused[SYM_SIDE];
      int repeat = ANY(empty);
      if (__builtin_expect(repeat, 0)) search_q6_keeping(x + 16 * j, w + 16 * j, unused, kept);
      for (int u = 0; u < SYM_SIDE; u++) {
        requantize_16(32, x + 16 * (j + u), D[u]);
        if (__builtin_expect(repeat, 0)) select_16(x + 16 * (j + u), D[u] == 0.0f, kept + 16 * u);
      }
    }
    if (__builtin_expect(ANY(dead), 0))
      for (int i = 0; i < 256; i++) x[i] = (vf)(dead ? (vi)0 : (vi)x[i]);
    const vi *l = (const vi *)x;
    for (int h = 0; h < 2; h++)
      for (int i = 0; i < 32; i += 4) {
        vi low[4], top2 = (vi)0;
        for (int k = 0; k < 4; k++) {
          const vi *c = l + 128 * h + 32 * k + i;
          low[k] = pack4(c[0] & 15, c[1] & 15, c[2] & 15, c[3] & 15);
          top2 |= pack4(c[0] >> 4, c[1] >> 4, c[2] >> 4, c[3] >> 4) << (2 * k);
        }
        store_words(out + 64 * h + i, size, g.valid, low[0] | (low[2] << 4));
        store_words(out + 64 * h + 32 + i, size, g.valid, low[1] | (low[3] << 4));
        store_words(out + 128 + 32 * h + i, size, g.valid, top2);
      }
    for (int j = 0; j < 16; j += 4)
      store_words(out + 192 + j, size, g.valid, pack4(s[j] & 0xFF, s[j + 1] & 0xFF, s[j + 2] & 0xFF, s[j + 3] & 0xFF));
    store_halves(out + 208, size, g.valid, d);
  }
}

INLINE void quantize_q3_k_as(int weighted, const float *rows, ptrdiff_t blocks, ptrdiff_t per_row,
                             const float *importance, uint8_t *out) {
  enum { size = 110 };
  vf x[256], w[256];
  vi searched[256];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, importance, first, blocks, per_row, 256);
    load_lanes(g.x, 256, x);
    vf scale[16], sumw[16];
    vi u6[16], d;
    if (weighted) {
      load_lanes(g.w, 256, w);
      weigh(x, w, 256, (2.0f * square_sum(x, 256)) / 256.0f);
      sums_of(16, 16, w, sumw);
      for (int j = 0; j < 16; j += SYM_SIDE) search_q3(x + 16 * j, w + 16 * j, scale + j);
      vf block_scale;
      search_q3_scales(scale, sumw, &block_scale, u6);
      d = half_of(block_scale);
    } else {
      for (int j = 0; j < 16; j += 4) search_q3_plain(x + 16 * j, scale + j, searched + 16 * j);
      vf top = (vf)0.0f, peak = (vf)0.0f;
      for (int j = 0; j < 16; j++) {
        vi above = abs_f(scale[j]) > top;
        top = above ? abs_f(scale[j]) : top;
        peak = above ? scale[j] : peak;
      }
      vi any = peak != 0.0f;
      vf isc = -32.0f / peak;
      for (int j = 0; j < 16; j++) {
        vi l = (round_i(isc * scale[j]) << 24) >> 24;
        u6[j] = any ? max_i((vi)-32, min_i((vi)31, l)) + 32 : (vi)0;
      }
      d = any ? half_of(1.0f / isc) : (vi)0;
    }
    vf df = float_of_half(d);
    for (int j = 0; j < 16; j += SYM_SIDE) {
      vf D[SYM_SIDE], unused[SYM_SIDE];
      vi empty = (vi)0;
      for (int u = 0; u < SYM_SIDE; u++) {
        D[u] = df * float_of(u6[j + u] - 32);
        empty |= D[u] == 0.0f;
      }
      int repeat = ANY(empty);
      if (weighted && repeat) search_q3_keeping(x + 16 * j, w + 16 * j, unused, searched + 16 * j);
      for (int u = 0; u < SYM_SIDE; u++) {
        requantize_16(4, x + 16 * (j + u), D[u]);
        if (repeat) select_16(x + 16 * (j + u), D[u] == 0.0f, searched + 16 * (j + u));
      }
    }
    const vi *l = (const vi *)x;
    for (int i = 0; i < 32; i += 4) {
      vi mask = (vi)0;
      for (int k = 0; k < 8; k++) {
        const vi *c = l + 32 * k + i;
        mask |= pack4(c[0] >> 2, c[1] >> 2, c[2] >> 2, c[3] >> 2) << k;
      }
      store_words(out + i, size, g.valid, mask);
    }
    store_two_bit(l, out + 32, size, g.valid);
    vi s[12];
    for (int j = 0; j < 8; j++) s[j] = (u6[j] & 15) | ((u6[j + 8] & 15) << 4);
    for (int j = 0; j < 4; j++)
      s[j + 8] = (u6[j] >> 4) | ((u6[j + 4] >> 4) << 2) | ((u6[j + 8] >> 4) << 4) | ((u6[j + 12] >> 4) << 6);
    for (int j = 0; j < 12; j += 4) store_words(out + 96 + j, size, g.valid, pack4(s[j], s[j + 1], s[j + 2], s[j + 3]));
    store_halves(out + 108, size, g.valid, d);
  }
}

static void quantize_q3_k(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  ptrdiff_t per_row = row_length / 256;
  if (importance)
    quantize_q3_k_as(1, rows, row_count * per_row, per_row, importance, out);
  else
    quantize_q3_k_as(0, rows, row_count * per_row, per_row, NULL, out);
}
