// SYMQ and SYM3: scales of symmetric codes, x ~ scale * code with -nmax <= code < nmax.

// The signed value of largest magnitude; of equals the first one.
INLINE vf signed_peak(int n, const vf *x, vf *magnitude) {
  vf peak = (vf)0.0f, top = (vf)0.0f;
  for (int i = 0; i < n; i++) {
    vf a = abs_f(x[i]);
    vi above = a > top;
    top = above ? a : top;
    peak = above ? x[i] : peak;
  }
  *magnitude = top;
  return peak;
}

#define SYMQ_SIDE_MAX 4

// `side` sub-blocks of n vectors at once. wide: integer rounding, for data whose quotients are not bounded
// (|x| <= |peak| bounds them whenever peak is finite). kept: codes + nmax, or NULL.
INLINE void symq(int side, int n, int nmax, int wide, const vf *x, const vf *w, vf *scale_out, vi *kept) {
  vf peak[SYMQ_SIDE_MAX], scale[SYMQ_SIDE_MAX], best[SYMQ_SIDE_MAX], wx[SYMQ_SIDE_MAX * 32];
  vf next[SYMQ_SIDE_MAX];
  vi dead[SYMQ_SIDE_MAX];
  for (int u = 0; u < side; u++) {
    vf top;
    vf m = signed_peak(n, x + u * n, &top);
    dead[u] = top < EPS;
    peak[u] = dead[u] ? (vf)1.0f : m;
    scale[u] = best[u] = (vf)0.0f;
    next[u] = (float)-nmax / peak[u];
  }
  for (int i = 0; i < side * n; i++) wx[i] = w[i] * x[i];
  // The candidate without offset comes first and sets the value to beat.
  for (int step = -10; step <= 9; step++) {
    if (step == 0) continue;
    // The division for the next candidate starts now, so that it is done in time.
    float numerator = -((float)nmax + 0.1f * (float)(step == -1 ? 1 : step + 1));
    vf isc[SYMQ_SIDE_MAX], slx[SYMQ_SIDE_MAX], sl2[SYMQ_SIDE_MAX];
    vf codes[SYMQ_SIDE_MAX * 32];
    for (int u = 0; u < side; u++) {
      isc[u] = next[u];
      next[u] = numerator / peak[u];
      slx[u] = sl2[u] = (vf)0.0f;
    }
#pragma clang loop unroll_count(4)
    for (int i = 0; i < n; i++)
      for (int u = 0; u < side; u++) {
        vf v = isc[u] * x[u * n + i];
        vf l = wide ? float_of(round_clamped_i(v, -nmax, nmax - 1)) : round_clamped_f(v, -nmax, nmax - 1);
        if (kept) codes[u * n + i] = l;
        slx[u] = slx[u] + wx[u * n + i] * l;
        sl2[u] = sl2[u] + (w[u * n + i] * l) * l;
      }
    for (int u = 0; u < side; u++) {
      vi better;
      if (step == -10)
        better = (vi)-1;
      else
        better = (sl2[u] > 0.0f) & (slx[u] * slx[u] > best[u] * sl2[u]);
      vf ratio = slx[u] / sl2[u];
      if (step == -10) ratio = sl2[u] != 0.0f ? ratio : (vf)0.0f;
      scale[u] = better ? ratio : scale[u];
      best[u] = better ? ratio * slx[u] : best[u];
      if (kept)
        for (int i = 0; i < n; i++) {
          vi code = __builtin_convertvector(codes[u * n + i], vi) + nmax;
          kept[u * n + i] = better ? code : kept[u * n + i];
        }
    }
  }
  for (int u = 0; u < side; u++) {
    scale_out[u] = dead[u] ? (vf)0.0f : scale[u];
    if (kept)
      for (int i = 0; i < n; i++) kept[u * n + i] = dead[u] ? (vi)0 : kept[u * n + i];
  }
}

// Plain Q3_K sub-blocks: 16 values, codes -4...3, refined one code at a time. kept: codes + 4.
INLINE void sym3(int side, const vf *x, vf *scale_out, vi *kept) {
  enum { n = 16, nmax = 4 };
  vf peak[SYMQ_SIDE_MAX], slx[SYMQ_SIDE_MAX], sl2[SYMQ_SIDE_MAX];
  vf codes[SYMQ_SIDE_MAX * n];
  vi dead[SYMQ_SIDE_MAX];
  for (int u = 0; u < side; u++) {
    vf top;
    vf m = signed_peak(n, x + u * n, &top);
    dead[u] = top < EPS;
    peak[u] = dead[u] ? (vf)1.0f : m;
    slx[u] = sl2[u] = (vf)0.0f;
  }
  for (int u = 0; u < side; u++) {
    vf isc = (float)-nmax / peak[u];
    for (int i = 0; i < n; i++) {
      vf xi = x[u * n + i], w = xi * xi;
      vf l = round_clamped_f(isc * xi, -nmax, nmax - 1);
      codes[u * n + i] = l;
      slx[u] = slx[u] + (w * xi) * l;
      sl2[u] = sl2[u] + (w * l) * l;
    }
  }
  for (int round = 0; round < 5; round++) {
    vi changed = (vi)0;
    for (int i = 0; i < n; i++)
      for (int u = 0; u < side; u++) {
        vf xi = x[u * n + i], w = xi * xi, l = codes[u * n + i];
        vf a = slx[u] - (w * xi) * l;
        vf b = sl2[u] - (w * l) * l;
        vf k = float_of(round_clamped_i((xi * b) / a, -nmax, nmax - 1));
        vi take = (a > 0.0f) & (k != l) & ~dead[u];
        a = a + (w * xi) * k;
        b = b + (w * k) * k;
        take &= (b > 0.0f) & ((a * a) * sl2[u] > (slx[u] * slx[u]) * b);
        codes[u * n + i] = take ? k : l;
        slx[u] = take ? a : slx[u];
        sl2[u] = take ? b : sl2[u];
        changed |= take;
      }
    if (!ANY(changed)) break;
  }
  for (int u = 0; u < side; u++) {
    vf d = sl2[u] > 0.0f ? slx[u] / sl2[u] : (vf)0.0f;
    scale_out[u] = dead[u] ? (vf)0.0f : d;
    for (int i = 0; i < n; i++)
      kept[u * n + i] = dead[u] ? (vi)0 : __builtin_convertvector(codes[u * n + i], vi) + nmax;
  }
}
