// Attention over cached keys and values; part of lanes.h, whose vectors it uses.

INLINE v16 load_cached(const void *base, ptrdiff_t index, bool half) {
  return half ? load_half((const uint16_t *)base + index) : load((const float *)base + index);
}

/// scores[q][position] = scale * query_q . key, 16 positions in the lanes, two chains over even and odd dimensions.
/// As many queries at once as the registers hold chains for.
INLINE void score_some(const crk_cache *cache, const float *const *queries, const int count, ptrdiff_t span,
                       float scale, bool half, float *scores) {
  const ptrdiff_t dims = cache->head_dim;
  for (ptrdiff_t block = 0; block < span / 16; block++) {
    v16 even[CRK_MOST_QUERIES], odd[CRK_MOST_QUERIES];
    for (int q = 0; q < count; q++) even[q] = odd[q] = splat(0);
    ptrdiff_t d = 0, base = block * dims * 16;
    for (; d + 2 <= dims; d += 2) {
      v16 k0 = load_cached(cache->keys, base + d * 16, half), k1 = load_cached(cache->keys, base + d * 16 + 16, half);
      for (int q = 0; q < count; q++) {
        even[q] = fused(splat(queries[q][d]), k0, even[q]);
        odd[q] = fused(splat(queries[q][d + 1]), k1, odd[q]);
      }
    }
    if (d < dims) {
      v16 k0 = load_cached(cache->keys, base + d * 16, half);
      for (int q = 0; q < count; q++) even[q] = fused(splat(queries[q][d]), k0, even[q]);
    }
    for (int q = 0; q < count; q++) store(scores + q * span + block * 16, (even[q] + odd[q]) * splat(scale));
  }
}

INLINE void score(const crk_cache *cache, const float *const *queries, const int count, ptrdiff_t span, float scale,
                  bool half, float *scores) {
  if (count < CRK_SCORE_QUERIES) {
    score_some(cache, queries, count, span, scale, half, scores);
    return;
  }
  for (int q = 0; q < count; q += CRK_SCORE_QUERIES)
    score_some(cache, queries + q, CRK_SCORE_QUERIES, span, scale, half, scores + q * span);
}

/// sums[q][column] += weight of each position times its value, positions in ascending order; `width` times 16 columns
/// at once.
INLINE void gather_some(const crk_cache *cache, const int count, const int width, ptrdiff_t span, ptrdiff_t length,
                        bool half, const float *weights, float *sums) {
  const ptrdiff_t stride = cache->value_stride;
  for (ptrdiff_t column = 0; column < stride; column += 16 * width) {
    v16 sum[CRK_MOST_QUERIES][CRK_COLUMNS];
    const ptrdiff_t left = (stride - column) / 16;
    for (int q = 0; q < count; q++)
      for (int c = 0; c < width; c++) sum[q][c] = splat(0);
    if (left >= width) {
      for (ptrdiff_t t = 0; t < length; t++) {
        v16 v[CRK_COLUMNS];
        for (int c = 0; c < width; c++) v[c] = load_cached(cache->values, t * stride + column + c * 16, half);
        for (int q = 0; q < count; q++) {
          v16 w = splat(weights[q * span + t]);
          for (int c = 0; c < width; c++) sum[q][c] = fused(w, v[c], sum[q][c]);
        }
      }
      for (int q = 0; q < count; q++)
        for (int c = 0; c < width; c++) store(sums + q * stride + column + c * 16, sum[q][c]);
    } else {
      for (ptrdiff_t c = 0; c < left; c++) {
        v16 one[CRK_MOST_QUERIES];
        for (int q = 0; q < count; q++) one[q] = splat(0);
        for (ptrdiff_t t = 0; t < length; t++) {
          v16 v = load_cached(cache->values, t * stride + column + c * 16, half);
          for (int q = 0; q < count; q++) one[q] = fused(splat(weights[q * span + t]), v, one[q]);
        }
        for (int q = 0; q < count; q++) store(sums + q * stride + column + c * 16, one[q]);
      }
    }
  }
}

// As many queries and columns at once as the registers hold sums for.
INLINE void gather(const crk_cache *cache, const int count, ptrdiff_t span, ptrdiff_t length, bool half,
                   const float *weights, float *sums) {
  if (count <= 4) {
    gather_some(cache, count, CRK_COLUMNS, span, length, half, weights, sums);
    return;
  }
  const int width = CRK_GATHER_QUERIES > 4 && CRK_COLUMNS > 1 ? CRK_COLUMNS / 2 : CRK_COLUMNS;
  for (int q = 0; q < count; q += CRK_GATHER_QUERIES)
    gather_some(
        cache, CRK_GATHER_QUERIES, width, span, length, half, weights + q * span, sums + q * cache->value_stride);
}

/// Weighted sums of `width` dimensions of keys from `dim` on, spread over the lanes: lane l has the positions with
/// remainder l, in ascending order.
INLINE void weigh_dims(const crk_cache *cache, const int count, const int width, ptrdiff_t dim, ptrdiff_t span,
                       bool half, const float *weights, v16 (*lanes)[16], ptrdiff_t place) {
  v16 sum[4][CRK_COLUMNS];
  for (int q = 0; q < count; q++)
    for (int c = 0; c < width; c++) sum[q][c] = splat(0);
  for (ptrdiff_t block = 0; block < span / 16; block++) {
    v16 w[4];
    for (int q = 0; q < count; q++) w[q] = load(weights + q * span + block * 16);
    for (int c = 0; c < width; c++) {
      v16 k = load_cached(cache->keys, (block * cache->head_dim + dim + c) * 16, half);
      for (int q = 0; q < count; q++) sum[q][c] = fused(w[q], k, sum[q][c]);
    }
  }
  for (int q = 0; q < count; q++)
    for (int c = 0; c < width; c++) lanes[q][place + c] = sum[q][c];
}

/// gather() where values are the first dimensions of keys. Lanes without a position have weight 0 and a finite key.
INLINE void gather_keys(const crk_cache *cache, const int count, ptrdiff_t span, bool half, const float *weights,
                        float *sums) {
  for (ptrdiff_t dim = 0; dim < cache->value_dim; dim += 16) {
    const ptrdiff_t left = cache->value_dim - dim, some = left < 16 ? left : 16;
    v16 lanes[4][16];
    ptrdiff_t i = 0;
    for (; i + CRK_COLUMNS <= some; i += CRK_COLUMNS)
      weigh_dims(cache, count, CRK_COLUMNS, dim + i, span, half, weights, lanes, i);
    for (; i < some; i++) weigh_dims(cache, count, 1, dim + i, span, half, weights, lanes, i);
    for (int q = 0; q < count; q++) {
      for (i = some; i < 16; i++) lanes[q][i] = splat(0);
      store(sums + q * cache->value_stride + dim, totals(lanes[q]));
    }
  }
}

// How many bytes of keys and of values are asked for before the first is used: behind them the CPU looks ahead by itself.
#define CRK_AHEAD 16384

INLINE void ask_for(const void *start, ptrdiff_t bytes) {
  for (ptrdiff_t line = 0; line < bytes && line < CRK_AHEAD; line += 64)
    __builtin_prefetch((const char *)start + line, 0, 2);
}

INLINE void attend_some(const crk_cache *whole, const float *const *queries, const crk_span *spans, const int count,
                        float scale, bool half, float *scores, float *const *outs) {
  ptrdiff_t first = spans[0].start, last = spans[0].end;
  for (int q = 1; q < count; q++) {
    first = spans[q].start < first ? spans[q].start : first;
    last = spans[q].end > last ? spans[q].end : last;
  }
  // Blocks of 16 positions that no query sees are left out; the others keep their lanes.
  first = first / 16 * 16;
  crk_cache seen = *whole;
  const ptrdiff_t size = half ? 2 : 4;
  seen.keys = (const char *)whole->keys + first * whole->head_dim * size;
  if (whole->values) seen.values = (const char *)whole->values + first * whole->value_stride * size;
  const crk_cache *cache = &seen;
  const ptrdiff_t longest = last - first, span = (longest + 15) / 16 * 16;
  // Few queries read a head's keys and values from memory, many have them in a cache.
  if (count < CRK_MOST_QUERIES) {
    ask_for(seen.keys, span * whole->head_dim * size);
    if (seen.values) ask_for(seen.values, longest * whole->value_stride * size);
  }
  float divisors[CRK_MOST_QUERIES];
  float *sums = scores + count * span;
  score(cache, queries, count, span, scale, half, scores);
  for (int q = 0; q < count; q++) {
    // Positions that the query does not see are masked: exp(-inf) is 0, and adding 0 changes no sum.
    float *row = scores + q * span;
    for (ptrdiff_t t = 0; t < spans[q].start - first; t++) row[t] = -INFINITY;
    for (ptrdiff_t t = spans[q].end - first; t < span; t++) row[t] = -INFINITY;
    v16 best = load(row);
    for (ptrdiff_t t = 16; t < span; t += 16) best = maximum(best, load(row + t));
    const float own = greatest(best), top = spans[q].sink > own ? spans[q].sink : own;
    v16 shift = splat(top), sum = splat(0);
    for (ptrdiff_t t = 0; t < span; t += 16) {
      v16 e = exponential(load(row + t) - shift);
      store(row + t, e);
      sum = sum + e;
    }
    divisors[q] = total(sum) + exponential(splat(spans[q].sink - top))[0];
  }
  if (cache->values)
    gather(cache, count, span, longest, half, scores, sums);
  else
    for (int q = 0; q < count; q += 4)
      gather_keys(cache, count < 4 ? count : 4, span, half, scores + q * span, sums + q * cache->value_stride);
  for (int q = 0; q < count; q++)
    for (ptrdiff_t d = 0; d < cache->value_dim; d++) outs[q][d] = sums[q * cache->value_stride + d] / divisors[q];
}

INLINE void attend_by(const int count, const crk_cache *cache, const float *const *queries, const crk_span *spans,
                      ptrdiff_t query_count, float scale, float *scores, float *const *outs) {
  for (ptrdiff_t q = 0; q < query_count; q += count) {
    if (cache->half)
      attend_some(cache, queries + q, spans + q, count, scale, true, scores, outs + q);
    else
      attend_some(cache, queries + q, spans + q, count, scale, false, scores, outs + q);
  }
}

static void attend(const crk_cache *cache, const float *const *queries, const crk_span *spans,
                   ptrdiff_t query_count, float scale, float *scores, float *const *outs) {
  if (query_count == CRK_MOST_QUERIES)
    attend_by(CRK_MOST_QUERIES, cache, queries, spans, query_count, scale, scores, outs);
  else if (query_count == 4)
    attend_by(4, cache, queries, spans, query_count, scale, scores, outs);
  else
    attend_by(1, cache, queries, spans, query_count, scale, scores, outs);
}

static void store_position(const float *key, const float *value, ptrdiff_t position, ptrdiff_t head_dim,
                           ptrdiff_t value_stride, bool half, void *keys, void *values) {
  ptrdiff_t base = position / 16 * head_dim * 16 + position % 16, row = position * value_stride;
  // gather_keys() reads whole blocks: what an earlier text left in them may not be finite.
  const ptrdiff_t size = half ? 2 : 4;
  // Each dimension of a key lies in a line of its own: asked for at once, so that one does not wait for the other.
  for (ptrdiff_t d = 0; d < head_dim; d++) __builtin_prefetch((char *)keys + (base + d * 16) * size, 1);
  if (!values && position % 16 == 0) memset((char *)keys + base * size, 0, (size_t)(head_dim * 16 * size));
  if (half) {
    for (ptrdiff_t d = 0; d < head_dim; d++) ((_Float16 *)keys)[base + d * 16] = (_Float16)key[d];
    if (values)
      for (ptrdiff_t d = 0; d < head_dim; d++) ((_Float16 *)values)[row + d] = (_Float16)value[d];
  } else {
    for (ptrdiff_t d = 0; d < head_dim; d++) ((float *)keys)[base + d * 16] = key[d];
    if (values) memcpy((float *)values + row, value, (size_t)head_dim * sizeof(float));
  }
}
