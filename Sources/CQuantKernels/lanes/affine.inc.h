// AFFINE: scale and minimum of sub-blocks, x ~ scale * code - negmin (Q2_K, Q4_K, Q5_K, Q4_1, Q5_1).
//
// Each sum is one serial chain of additions, so several sub-blocks are searched side by side:
// two halves of four. While the divisions between the loops of one half are under way, the
// loops of the other half run.

#define AFFINE_HALF 4
#define AFFINE_SIDE (2 * AFFINE_HALF)

typedef struct {
  int n, nmax;         // values per sub-block, largest code
  float rmin, rdelta;  // candidate s uses nmax + rmin + rdelta * s
  int steps;           // candidates 0...steps
  int absolute;        // absolute instead of squared error
  int limited;         // quotients of candidates are limited to 0...nmax before they are rounded, as the weighted
                       // searches do; otherwise the integers are
} affine_plan;

// How codes are rounded: from limited quotients; or from quotients as they are, with both limits, without the upper
// one where no quotient reaches it, or by the integer form that is right for any quotient.
enum { LIMIT_QUOTIENTS, LIMIT_BOTH, LIMIT_BELOW, LIMIT_ANY };

// The state of four sub-blocks of p.n vectors each.
typedef struct {
  const vf *x, *w;
  vf *codes;                                               // of the candidate under way
  vf *kept;                                                // of the best candidate, or NULL when not wanted
  vf low[AFFINE_HALF], max[AFFINE_HALF];                   // the range of x
  vf sw[AFFINE_HALF], sx[AFFINE_HALF];                     // sums of w and of w * x
  vf min[AFFINE_HALF], scale[AFFINE_HALF], best[AFFINE_HALF];  // of the best candidate
  vf isc[AFFINE_HALF];                                     // inverse scale of the candidate under way
  vf sl[AFFINE_HALF], sl2[AFFINE_HALF], sxl[AFFINE_HALF];  // sums of w * code, w * code^2, w * code * x
  vf ts[AFFINE_HALF], tm[AFFINE_HALF];                     // its scale and minimum
  vi usable[AFFINE_HALF], dead[AFFINE_HALF];
  int limit;                                               // unless p.limited
} affine_half;

INLINE void affine_begin(affine_plan p, affine_half *h) {
  for (int u = 0; u < AFFINE_HALF; u++) {
    h->low[u] = h->max[u] = h->x[u * p.n];
    h->sw[u] = h->w[u * p.n];
    h->sx[u] = h->sw[u] * h->x[u * p.n];
  }
  for (int i = 1; i < p.n; i++)
    for (int u = 0; u < AFFINE_HALF; u++) {
      vf xi = h->x[u * p.n + i], wi = h->w[u * p.n + i];
      h->low[u] = min_f(xi, h->low[u]);
      h->max[u] = max_f(xi, h->max[u]);
      h->sw[u] = h->sw[u] + wi;
      h->sx[u] = h->sx[u] + wi * xi;
    }
  for (int u = 0; u < AFFINE_HALF; u++) {
    h->min[u] = h->low[u] > 0.0f ? (vf)0.0f : h->low[u];
    h->dead[u] = h->max[u] <= h->min[u];
  }
}

// The inverse scale of the candidate whose numerator is given.
INLINE void affine_inverse(float numerator, affine_half *h) {
  for (int u = 0; u < AFFINE_HALF; u++) {
    vf span = h->dead[u] ? (vf)1.0f : h->max[u] - h->min[u];
    h->isc[u] = numerator / span;
  }
}

// The candidate's inverse scale, and how its quotients have to be rounded.
INLINE void affine_candidate(affine_plan p, float numerator, affine_half *h) {
  affine_inverse(numerator, h);
  if (p.limited) return;
  vi tame = (vi)-1, below = (vi)-1;
  for (int u = 0; u < AFFINE_HALF; u++) {
    // Every quotient lies between these two, since rounding is monotonic; NaN counts as wild.
    vf first = h->isc[u] * (h->low[u] - h->min[u]), last = h->isc[u] * (h->max[u] - h->min[u]);
    tame &= (abs_f(first) < 4194304.0f) & (abs_f(last) < 4194304.0f);
    below &= max_f(first, last) < (float)p.nmax + 0.5f;
  }
  h->limit = __builtin_expect(!all(tame), 0) ? LIMIT_ANY : all(below) ? LIMIT_BELOW : LIMIT_BOTH;
}

INLINE void affine_codes_as(affine_plan p, int limit, const affine_half *h) {
  const vf magic = (vf)cqk_magic, top = magic + (float)p.nmax;
  for (int u = 0; u < AFFINE_HALF; u++) {
    vf inverse = h->isc[u], min = h->min[u];
    const vf *x = h->x + u * p.n;
    vf *codes = h->codes + u * p.n;
#pragma clang loop unroll_count(8)
    for (int i = 0; i < p.n; i++) {
      vf v = inverse * (x[i] - min);
      if (limit == LIMIT_ANY) {
        codes[i] = float_of(round_clamped_i(v, 0, p.nmax));
      } else {
        // Adding the constant keeps the order, so limits after it equal limits before it. A quotient that is not a
        // number counts as zero, which takes a comparison of floats.
        vf t = limit == LIMIT_QUOTIENTS ? max_f(v + magic, magic) : at_least(v + magic, magic);
        if (limit != LIMIT_BELOW) t = at_most(t, top);
        codes[i] = t - magic;
      }
    }
  }
}

INLINE void affine_codes(affine_plan p, const affine_half *h) {
  if (p.limited)
    affine_codes_as(p, LIMIT_QUOTIENTS, h);
  else if (h->limit == LIMIT_BELOW)
    affine_codes_as(p, LIMIT_BELOW, h);
  else if (h->limit == LIMIT_BOTH)
    affine_codes_as(p, LIMIT_BOTH, h);
  else
    affine_codes_as(p, LIMIT_ANY, h);
}

INLINE void affine_sums(affine_plan p, affine_half *h) {
  vf sl[AFFINE_HALF], sl2[AFFINE_HALF], sxl[AFFINE_HALF];
  for (int u = 0; u < AFFINE_HALF; u++) sl[u] = sl2[u] = sxl[u] = (vf)0.0f;
#pragma clang loop unroll_count(2)
  for (int i = 0; i < p.n; i++)
    for (int u = 0; u < AFFINE_HALF; u++) {
      vf l = h->codes[u * p.n + i], q = h->w[u * p.n + i] * l;
      sl[u] = sl[u] + q;
      sl2[u] = sl2[u] + q * l;
      sxl[u] = sxl[u] + q * h->x[u * p.n + i];
    }
  for (int u = 0; u < AFFINE_HALF; u++) {
    h->sl[u] = sl[u];
    h->sl2[u] = sl2[u];
    h->sxl[u] = sxl[u];
  }
}

// The least-squares scale and minimum of the candidate.
INLINE void affine_solve(affine_half *h) {
  vi any = (vi)0;
  for (int u = 0; u < AFFINE_HALF; u++) {
    vf d = h->sw[u] * h->sl2[u] - h->sl[u] * h->sl[u];
    h->usable[u] = (d > 0.0f) & ~h->dead[u];
    h->ts[u] = (h->sw[u] * h->sxl[u] - h->sx[u] * h->sl[u]) / d;
    h->tm[u] = (h->sl2[u] * h->sx[u] - h->sl[u] * h->sxl[u]) / d;
    any |= h->tm[u] > 0.0f;
  }
  if (ANY(any))
    for (int u = 0; u < AFFINE_HALF; u++) {
      vi positive = h->tm[u] > 0.0f;
      h->tm[u] = positive ? (vf)0.0f : h->tm[u];
      h->ts[u] = positive ? h->sxl[u] / h->sl2[u] : h->ts[u];
    }
}

// The weighted error of the candidate.
INLINE void affine_error(affine_plan p, const affine_half *h, vf *error) {
  vf sum[AFFINE_HALF], ts[AFFINE_HALF], tm[AFFINE_HALF];
  for (int u = 0; u < AFFINE_HALF; u++) {
    sum[u] = (vf)0.0f;
    ts[u] = h->ts[u];
    tm[u] = h->tm[u];
  }
#pragma clang loop unroll_count(2)
  for (int i = 0; i < p.n; i++)
    for (int u = 0; u < AFFINE_HALF; u++) {
      vf e = (ts[u] * h->codes[u * p.n + i] + tm[u]) - h->x[u * p.n + i];
      e = p.absolute ? abs_f(e) : e * e;
      sum[u] = sum[u] + h->w[u * p.n + i] * e;
    }
  for (int u = 0; u < AFFINE_HALF; u++) error[u] = sum[u];
}

INLINE void affine_accept(affine_plan p, affine_half *h, const vf *error) {
  for (int u = 0; u < AFFINE_HALF; u++) {
    vi better = h->usable[u] & (error[u] < h->best[u]);
    h->best[u] = better ? error[u] : h->best[u];
    h->scale[u] = better ? h->ts[u] : h->scale[u];
    // The minimum is live: the next candidate is built with it.
    h->min[u] = better ? h->tm[u] : h->min[u];
    if (h->kept)
      for (int i = u * p.n; i < (u + 1) * p.n; i++) h->kept[i] = better ? h->codes[i] : h->kept[i];
  }
}

// x, w: AFFINE_SIDE sub-blocks of p.n vectors. kept: the best codes as floats, or NULL when not wanted.
INLINE void affine(affine_plan p, const vf *x, const vf *w, vf *scale, vf *negmin, vf *kept) {
  vf codes[AFFINE_SIDE * 32], error[AFFINE_HALF];
  affine_half halves[2];
  for (int k = 0; k < 2; k++) {
    affine_half *h = &halves[k];
    int offset = k * AFFINE_HALF * p.n;
    h->x = x + offset;
    h->w = w + offset;
    h->codes = codes + offset;
    h->kept = kept ? kept + offset : NULL;
    affine_begin(p, h);
    // The plain range sets the error to beat; its quotients are not limited in any plan.
    affine_inverse((float)p.nmax, h);
    affine_codes_as(p, LIMIT_ANY, h);
    for (int u = 0; u < AFFINE_HALF; u++) {
      h->ts[u] = h->scale[u] = 1.0f / h->isc[u];
      h->tm[u] = h->min[u];
    }
    affine_error(p, h, h->best);
    if (kept)
      for (int i = 0; i < AFFINE_HALF * p.n; i++) h->kept[i] = h->codes[i];
    affine_candidate(p, (p.rmin + p.rdelta * 0.0f) + (float)p.nmax, h);
  }
  for (int s = 0; s <= p.steps; s++) {
    float next = (p.rmin + p.rdelta * (float)(s + 1)) + (float)p.nmax;
    affine_codes(p, &halves[0]);
    affine_codes(p, &halves[1]);
    affine_sums(p, &halves[0]);
    affine_solve(&halves[0]);
    affine_sums(p, &halves[1]);
    affine_solve(&halves[1]);
    for (int k = 0; k < 2; k++) {
      affine_error(p, &halves[k], error);
      affine_accept(p, &halves[k], error);
      affine_candidate(p, next, &halves[k]);
    }
  }
  for (int k = 0; k < 2; k++) {
    const affine_half *h = &halves[k];
    for (int u = 0; u < AFFINE_HALF; u++) {
      scale[k * AFFINE_HALF + u] = h->dead[u] ? (vf)0.0f : h->scale[u];
      negmin[k * AFFINE_HALF + u] = -h->min[u];
      if (kept)
        for (int i = u * p.n; i < (u + 1) * p.n; i++) h->kept[i] = h->dead[u] ? (vf)0.0f : h->kept[i];
    }
  }
}
