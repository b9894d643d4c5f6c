// AFFINE: scale and minimum of sub-blocks, x ~ scale * code - negmin (Q2_K, Q4_K, Q5_K, Q4_1, Q5_1).
//
// Two sub-blocks are searched side by side, because each sum is one serial chain of
// additions: the second sub-block fills the gaps of the first.

#define AFFINE_SIDE 2

typedef struct {
  int n, nmax;          // values per sub-block, largest code
  float rmin, rdelta;   // candidate s uses nmax + rmin + rdelta * s
  int steps;            // candidates 0...steps
  int absolute;         // absolute instead of squared error
} affine_plan;

// Codes of one candidate and their weighted sums. `exact` selects the rounding that is right for any quotient.
INLINE void affine_codes(affine_plan p, int exact, const vf *x, const vf *w, const vf *isc, const vf *min,
                         vf *codes, vf *sl, vf *sl2, vf *sxl) {
  for (int u = 0; u < AFFINE_SIDE; u++) sl[u] = sl2[u] = sxl[u] = (vf)0.0f;
#pragma clang loop unroll_count(4)
  for (int i = 0; i < p.n; i++)
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vf xi = x[u * p.n + i], wi = w[u * p.n + i];
      vf v = isc[u] * (xi - min[u]);
      vf l = exact ? float_of(round_clamped_i(v, 0, p.nmax)) : round_clamped_f(v, 0, p.nmax);
      codes[u * p.n + i] = l;
      vf q = wi * l;
      sl[u] = sl[u] + q;
      sl2[u] = sl2[u] + q * l;
      sxl[u] = sxl[u] + q * xi;
    }
}

// Weighted error of codes under (scale, min).
INLINE void affine_error(affine_plan p, const vf *x, const vf *w, const vf *codes, const vf *scale,
                         const vf *min, vf *error) {
  for (int u = 0; u < AFFINE_SIDE; u++) error[u] = (vf)0.0f;
#pragma clang loop unroll_count(4)
  for (int i = 0; i < p.n; i++)
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vf e = (scale[u] * codes[u * p.n + i] + min[u]) - x[u * p.n + i];
      e = p.absolute ? abs_f(e) : e * e;
      error[u] = error[u] + w[u * p.n + i] * e;
    }
}

// x, w: AFFINE_SIDE sub-blocks of p.n vectors. kept: the best codes as floats, or NULL when not wanted.
INLINE void affine(affine_plan p, const vf *x, const vf *w, vf *scale_out, vf *negmin_out, vf *kept) {
  vf min[AFFINE_SIDE], max[AFFINE_SIDE], low[AFFINE_SIDE], sw[AFFINE_SIDE], sx[AFFINE_SIDE];
  vf scale[AFFINE_SIDE], best[AFFINE_SIDE], isc[AFFINE_SIDE], sl[AFFINE_SIDE], sl2[AFFINE_SIDE],
      sxl[AFFINE_SIDE];
  vi dead[AFFINE_SIDE];
  vf codes[AFFINE_SIDE * 32];
  for (int u = 0; u < AFFINE_SIDE; u++) {
    min[u] = max[u] = x[u * p.n];
    sw[u] = w[u * p.n];
    sx[u] = sw[u] * x[u * p.n];
  }
  for (int i = 1; i < p.n; i++)
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vf xi = x[u * p.n + i], wi = w[u * p.n + i];
      min[u] = min_f(xi, min[u]);
      max[u] = max_f(xi, max[u]);
      sw[u] = sw[u] + wi;
      sx[u] = sx[u] + wi * xi;
    }
  for (int u = 0; u < AFFINE_SIDE; u++) {
    low[u] = min[u];
    min[u] = min[u] > 0.0f ? (vf)0.0f : min[u];
    dead[u] = max[u] <= min[u];
  }
  // Candidate -1 is the plain range; it sets the error to beat.
  for (int s = -1; s <= p.steps; s++) {
    float numerator = s < 0 ? (float)p.nmax : (p.rmin + p.rdelta * (float)s) + (float)p.nmax;
    vi tame = (vi)-1;
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vf span = dead[u] ? (vf)1.0f : max[u] - min[u];
      isc[u] = numerator / span;
      // Every quotient lies between these two; NaN counts as wild.
      vf first = isc[u] * (low[u] - min[u]), last = isc[u] * (max[u] - min[u]);
      tame &= (abs_f(first) < 4194304.0f) & (abs_f(last) < 4194304.0f);
    }
    if (__builtin_expect(all(tame), 1))
      affine_codes(p, 0, x, w, isc, min, codes, sl, sl2, sxl);
    else
      affine_codes(p, 1, x, w, isc, min, codes, sl, sl2, sxl);
    vf ts[AFFINE_SIDE], tm[AFFINE_SIDE], error[AFFINE_SIDE];
    vi usable[AFFINE_SIDE];
    if (s < 0) {
      for (int u = 0; u < AFFINE_SIDE; u++) {
        scale[u] = 1.0f / isc[u];
        ts[u] = scale[u];
        tm[u] = min[u];
      }
      affine_error(p, x, w, codes, ts, tm, best);
      if (kept)
        for (int i = 0; i < AFFINE_SIDE * p.n; i++) kept[i] = codes[i];
      continue;
    }
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vf d = sw[u] * sl2[u] - sl[u] * sl[u];
      usable[u] = (d > 0.0f) & ~dead[u];
      ts[u] = (sw[u] * sxl[u] - sx[u] * sl[u]) / d;
      tm[u] = (sl2[u] * sx[u] - sl[u] * sxl[u]) / d;
      vi positive = tm[u] > 0.0f;
      if (ANY(positive)) {
        tm[u] = positive ? (vf)0.0f : tm[u];
        ts[u] = positive ? sxl[u] / sl2[u] : ts[u];
      }
    }
    affine_error(p, x, w, codes, ts, tm, error);
    for (int u = 0; u < AFFINE_SIDE; u++) {
      vi better = usable[u] & (error[u] < best[u]);
      best[u] = better ? error[u] : best[u];
      scale[u] = better ? ts[u] : scale[u];
      min[u] = better ? tm[u] : min[u];
      if (kept)
        for (int i = 0; i < p.n; i++) kept[u * p.n + i] = better ? codes[u * p.n + i] : kept[u * p.n + i];
    }
  }
  for (int u = 0; u < AFFINE_SIDE; u++) {
    scale_out[u] = dead[u] ? (vf)0.0f : scale[u];
    negmin_out[u] = -min[u];
    if (kept)
      for (int i = 0; i < p.n; i++) kept[u * p.n + i] = dead[u] ? (vf)0.0f : kept[u * p.n + i];
  }
}
