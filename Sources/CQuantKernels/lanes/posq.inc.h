// POSQ: weighted quantization of non-negative scales; one super-block per lane, n = 8 or 16.

INLINE vf posq(int n, int nmax, const vf *x, const vf *w, vi *codes) {
  vf m = (vf)0.0f;
  for (int i = 0; i < n; i++) m = m > x[i] ? m : x[i];
  vi dead = m < EPS;
  vf isc = (float)nmax / m;
  for (int i = 0; i < n; i++) codes[i] = round_i(isc * x[i]) & 0xFF;
  vf sc = 1.0f / isc, best = (vf)0.0f;
  for (int i = 0; i < n; i++) {
    vf d = x[i] - sc * float_of(codes[i]);
    best = best + (w[i] * d) * d;
  }
  for (int s = -4; s <= 4; s++) {
    if (s == 0) continue;
    vf t = (0.1f * (float)s + (float)nmax) / m, u = 1.0f / t, mse = (vf)0.0f;
    for (int i = 0; i < n; i++) {
      vf l = float_of(min_i((vi)nmax, round_i(t * x[i])));
      vf d = x[i] - u * l;
      mse = mse + (w[i] * d) * d;
    }
    vi better = mse < best;
    best = better ? mse : best;
    isc = better ? t : isc;
  }
  vf slx = (vf)0.0f, sl2 = (vf)0.0f;
  for (int i = 0; i < n; i++) {
    vi k = min_i((vi)nmax, round_i(isc * x[i]));
    vf l = float_of(k);
    codes[i] = k & 0xFF;
    slx = slx + (w[i] * x[i]) * l;
    sl2 = sl2 + (w[i] * l) * l;
  }
  for (int round = 0; round < 5; round++) {
    vi changed = (vi)0;
    for (int i = 0; i < n; i++) {
      vf l = float_of(codes[i]);
      vf a = slx - (w[i] * x[i]) * l, b = sl2 - (w[i] * l) * l;
      vi k = min_i((vi)nmax, round_i((x[i] * b) / a));
      vi take = (a > 0.0f) & (b > 0.0f) & (k != codes[i]) & ~dead;
      vf kf = float_of(k);
      a = a + (w[i] * x[i]) * kf;
      b = b + (w[i] * kf) * kf;
      take &= (a * a) * sl2 > (slx * slx) * b;
      codes[i] = take ? k & 0xFF : codes[i];
      slx = take ? a : slx;
      sl2 = take ? b : sl2;
      changed |= take;
    }
    if (!ANY(changed)) break;
  }
  for (int i = 0; i < n; i++) codes[i] = dead ? (vi)0 : codes[i];
  vf d = sl2 > 0.0f ? slx / sl2 : (vf)0.0f;
  return dead ? (vf)0.0f : d;
}
