// Super-blocks with scales and minima: Q4_K, Q5_K and Q2_K. One super-block of 256 values per lane.

// Sum of squares in index order.
INLINE vf square_sum(const vf *x, int n) {
  vf s = (vf)0.0f;
  for (int i = 0; i < n; i++) s = s + x[i] * x[i];
  return s;
}

// Importance of each value: q * sqrt(sigma2 + x * x), in place of q.
INLINE void weigh(const vf *x, vf *q, int n, vf sigma2) {
  for (int i = 0; i < n; i++) q[i] = q[i] * sqrt_f(sigma2 + x[i] * x[i]);
}

INLINE void sums_of(int count, int n, const vf *w, vf *sums) {
  for (int j = 0; j < count; j++) {
    vf s = (vf)0.0f;
    for (int i = 0; i < n; i++) s = s + w[j * n + i];
    sums[j] = s;
  }
}

// Codes from the stored scale D and minimum M: clamp(round((x + M) / D)). Where D is zero, the search's own
// codes count; that is rare, so the search is repeated for them instead of keeping codes always.
// Results replace x. The AFFINE_SIDE sub-blocks start at x and w.
INLINE void requantize_side(affine_plan p, vf *x, const vf *w, const vf *D, const vf *M,
                            void (*search)(const vf *, const vf *, vf *, vf *, vf *)) {
  vf kept[AFFINE_SIDE * 32], unused_scale[AFFINE_SIDE], unused_min[AFFINE_SIDE];
  vi empty = (vi)0;
  for (int u = 0; u < AFFINE_SIDE; u++) empty |= D[u] == 0.0f;
  int repeat = ANY(empty);
  if (__builtin_expect(repeat, 0)) search(x, w, unused_scale, unused_min, kept);
  for (int u = 0; u < AFFINE_SIDE; u++)
    for (int i = 0; i < p.n; i++) {
      vi l = round_clamped_i((x[u * p.n + i] + M[u]) / D[u], 0, p.nmax);
      if (__builtin_expect(repeat, 0))
        l = D[u] == 0.0f ? __builtin_convertvector(kept[u * p.n + i], vi) : l;
      x[u * p.n + i] = (vf)l;
    }
}

#define SEARCH(NAME, ...)                                                                             \
  static __attribute__((noinline)) void NAME(const vf *x, const vf *w, vf *scale, vf *negmin) {       \
    affine((affine_plan){__VA_ARGS__}, x, w, scale, negmin, NULL);                                    \
  }                                                                                                   \
  static __attribute__((noinline)) void NAME##_keeping(const vf *x, const vf *w, vf *scale,           \
                                                       vf *negmin, vf *kept) {                        \
    affine((affine_plan){__VA_ARGS__}, x, w, scale, negmin, kept);                                    \
  }

SEARCH(search_q4_plain, 32, 15, -1.0f, 0.1f, 20, 0, 0)
SEARCH(search_q4_weighted, 32, 15, -0.9f, 0.05f, 36, 0, 1)
SEARCH(search_q5_plain, 32, 31, -0.5f, 0.1f, 15, 0, 0)
SEARCH(search_q5_weighted, 32, 31, -0.9f, 0.05f, 36, 0, 1)
SEARCH(search_q2_plain, 16, 3, -0.5f, 0.1f, 15, 1, 0)
SEARCH(search_q2_weighted, 16, 3, -0.9f, 0.05f, 36, 0, 1)

// Largest value, at least zero.
INLINE vf top_of(const vf *v, int n) {
  vf m = (vf)0.0f;
  for (int j = 0; j < n; j++) m = v[j] > m ? v[j] : m;
  return m;
}

// Six-bit levels of non-negative numbers: round(63 / top * v), cut to a byte, at most 63.
INLINE void six_bit_levels(const vf *v, vf top, vi *levels) {
  vf inverse = top > 0.0f ? 63.0f / top : (vf)0.0f;
  for (int j = 0; j < 8; j++) levels[j] = min_i((vi)63, round_i(inverse * v[j]) & 0xFF);
}

// Q4_K (nmax 15) and Q5_K (nmax 31).
INLINE void quantize_q45_k(int nmax, const float *rows, ptrdiff_t blocks, ptrdiff_t per_row,
                           const float *importance, uint8_t *out) {
  const int size = nmax == 15 ? 144 : 176;
  affine_plan p = {.n = 32, .nmax = nmax};
  vf x[256], w[256];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, importance, first, blocks, per_row, 256);
    load_lanes(g.x, 256, x);
    vf scale[8], negmin[8], sumw[8];
    if (importance) {
      load_lanes(g.w, 256, w);
      weigh(x, w, 256, (2.0f * square_sum(x, 256)) / 256.0f);
      sums_of(8, 32, w, sumw);
    } else {
      vf s2[8];
      for (int j = 0; j < 8; j++) s2[j] = (vf)0.0f;
      for (int i = 0; i < 32; i++)
        for (int j = 0; j < 8; j++) s2[j] = s2[j] + x[32 * j + i] * x[32 * j + i];
      for (int j = 0; j < 8; j++) {
        vf av = sqrt_f(s2[j] / 32.0f);
        for (int i = 0; i < 32; i++) w[32 * j + i] = av + abs_f(x[32 * j + i]);
      }
    }
    for (int j = 0; j < 8; j += AFFINE_SIDE) {
      if (nmax == 15 && importance) search_q4_weighted(x + 32 * j, w + 32 * j, scale + j, negmin + j);
      if (nmax == 15 && !importance) search_q4_plain(x + 32 * j, w + 32 * j, scale + j, negmin + j);
      if (nmax == 31 && importance) search_q5_weighted(x + 32 * j, w + 32 * j, scale + j, negmin + j);
      if (nmax == 31 && !importance) search_q5_plain(x + 32 * j, w + 32 * j, scale + j, negmin + j);
    }
    vi ls[8], lm[8], d, dmin;
    if (importance) {
      d = half_of(posq(8, 63, scale, sumw, ls));
      dmin = half_of(posq(8, 63, negmin, sumw, lm));
      if (nmax == 31)
        for (int j = 0; j < 8; j++) {
          ls[j] = min_i((vi)63, ls[j]);
          lm[j] = min_i((vi)63, lm[j]);
        }
    } else {
      vf ms = top_of(scale, 8), mm = top_of(negmin, 8);
      six_bit_levels(scale, ms, ls);
      six_bit_levels(negmin, mm, lm);
      d = half_of(ms / 63.0f);
      dmin = half_of(mm / 63.0f);
    }
    vi s[12];
    for (int j = 0; j < 4; j++) {
      s[j] = ls[j] | (((ls[j + 4] >> 4) << 6) & 0xFF);
      s[j + 4] = lm[j] | (((lm[j + 4] >> 4) << 6) & 0xFF);
      s[j + 8] = (ls[j + 4] & 15) | ((lm[j + 4] & 15) << 4);
    }
    store_words(out, size, g.valid, d | (dmin << 16));
    for (int j = 0; j < 12; j += 4) store_words(out + 4 + j, size, g.valid, pack4(s[j], s[j + 1], s[j + 2], s[j + 3]));
    vf df = float_of_half(d), mf = float_of_half(dmin), D[8], M[8];
    for (int j = 0; j < 8; j++) {
      vi sc = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | ((s[j - 4] >> 6) << 4);
      vi m = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | ((s[j] >> 6) << 4);
      D[j] = df * float_of(sc);
      M[j] = mf * float_of(m);
    }
    for (int j = 0; j < 8; j += AFFINE_SIDE) {
      if (nmax == 15 && importance) requantize_side(p, x + 32 * j, w + 32 * j, D + j, M + j, search_q4_weighted_keeping);
      if (nmax == 15 && !importance) requantize_side(p, x + 32 * j, w + 32 * j, D + j, M + j, search_q4_plain_keeping);
      if (nmax == 31 && importance) requantize_side(p, x + 32 * j, w + 32 * j, D + j, M + j, search_q5_weighted_keeping);
      if (nmax == 31 && !importance) requantize_side(p, x + 32 * j, w + 32 * j, D + j, M + j, search_q5_plain_keeping);
    }
    const vi *l = (const vi *)x;
    if (nmax == 31)
      for (int i = 0; i < 32; i += 4) {
        vi high = (vi)0;
        for (int j = 0; j < 8; j++) {
          const vi *c = l + 32 * j + i;
          high |= pack4(c[0] >> 4, c[1] >> 4, c[2] >> 4, c[3] >> 4) << j;
        }
        store_words(out + 16 + i, size, g.valid, high);
      }
    for (int k = 0; k < 4; k++)
      for (int i = 0; i < 32; i += 4) {
        const vi *a = l + 64 * k + i, *b = a + 32;
        vi low = pack4(a[0] & 15, a[1] & 15, a[2] & 15, a[3] & 15);
        vi high = pack4(b[0] & 15, b[1] & 15, b[2] & 15, b[3] & 15);
        store_words(out + size - 128 + 32 * k + i, size, g.valid, low | (high << 4));
      }
  }
}

// Two-bit codes of 256 values in Q2_K and Q3_K order: byte 32 h + l holds values 128 h + 32 k + l, k = 0...3.
INLINE void store_two_bit(const vi *l, uint8_t *out, ptrdiff_t size, int valid) {
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < 32; i += 4) {
      vi word = (vi)0;
      for (int k = 0; k < 4; k++) {
        const vi *c = l + 128 * h + 32 * k + i;
        word |= pack4(c[0] & 3, c[1] & 3, c[2] & 3, c[3] & 3) << (2 * k);
      }
      store_words(out + 32 * h + i, size, valid, word);
    }
}

INLINE void quantize_q2_k_as(int weighted, const float *rows, ptrdiff_t blocks, ptrdiff_t per_row,
                             const float *importance, uint8_t *out) {
  enum { size = 84 };
  affine_plan p = {.n = 16, .nmax = 3};
  vf x[256], w[256];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, importance, first, blocks, per_row, 256);
    load_lanes(g.x, 256, x);
    vf scale[16], negmin[16], sumw[16];
    if (weighted) {
      load_lanes(g.w, 256, w);
      weigh(x, w, 256, square_sum(x, 256) / 256.0f);
      sums_of(16, 16, w, sumw);
    } else {
      for (int i = 0; i < 256; i++) w[i] = abs_f(x[i]);
    }
    for (int j = 0; j < 16; j += AFFINE_SIDE) {
      if (weighted)
        search_q2_weighted(x + 16 * j, w + 16 * j, scale + j, negmin + j);
      else
        search_q2_plain(x + 16 * j, w + 16 * j, scale + j, negmin + j);
    }
    vi s[16], ls[16], lm[16], d, dmin;
    if (weighted) {
      d = half_of(posq(16, 15, scale, sumw, ls));
      dmin = half_of(posq(16, 15, negmin, sumw, lm));
      for (int j = 0; j < 16; j++) s[j] = (ls[j] | (lm[j] << 4)) & 0xFF;
    } else {
      vf ms = top_of(scale, 16), mm = top_of(negmin, 16);
      vf is = 15.0f / ms, im = 15.0f / mm;
      for (int j = 0; j < 16; j++) {
        vi a = ms > 0.0f ? round_i(is * scale[j]) : (vi)0;
        vi b = mm > 0.0f ? round_i(im * negmin[j]) : (vi)0;
        s[j] = (a | (b << 4)) & 0xFF;
      }
      d = half_of(ms > 0.0f ? ms / 15.0f : (vf)0.0f);
      dmin = half_of(mm > 0.0f ? mm / 15.0f : (vf)0.0f);
    }
    for (int j = 0; j < 16; j += 4) store_words(out + j, size, g.valid, pack4(s[j], s[j + 1], s[j + 2], s[j + 3]));
    store_words(out + 80, size, g.valid, d | (dmin << 16));
    vf df = float_of_half(d), mf = float_of_half(dmin);
    for (int j = 0; j < 16; j += AFFINE_SIDE) {
      vf D[AFFINE_SIDE], M[AFFINE_SIDE];
      for (int u = 0; u < AFFINE_SIDE; u++) {
        D[u] = df * float_of(s[j + u] & 15);
        M[u] = mf * float_of(s[j + u] >> 4);
      }
      requantize_side(p, x + 16 * j, w + 16 * j, D, M,
                      weighted ? search_q2_weighted_keeping : search_q2_plain_keeping);
    }
    store_two_bit((const vi *)x, out + 16, size, g.valid);
  }
}

static void quantize_q4_k(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  ptrdiff_t per_row = row_length / 256;
  if (importance)
    quantize_q45_k(15, rows, row_count * per_row, per_row, importance, out);
  else
    quantize_q45_k(15, rows, row_count * per_row, per_row, NULL, out);
}

static void quantize_q5_k(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  ptrdiff_t per_row = row_length / 256;
  if (importance)
    quantize_q45_k(31, rows, row_count * per_row, per_row, importance, out);
  else
    quantize_q45_k(31, rows, row_count * per_row, per_row, NULL, out);
}

static void quantize_q2_k(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                          uint8_t *out) {
  ptrdiff_t per_row = row_length / 256;
  quantize_q2_k_as(importance != NULL, rows, row_count * per_row, per_row, importance, out);
}
