// IQ4_NL and IQ4_XS: four-bit codes into a table of 16 unevenly spaced levels.

static const float iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// Halfway points. A value takes level k + 1 or higher unless it lies below iq4_edges[k]; near these points the
// reference's two distances are exact, so comparing with the edge decides alike. NaN is below nothing: code 15.
static const float iq4_edges[16] = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                    7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f, 0.0f};

#ifdef IQ4_NEAREST
#include IQ4_NEAREST
#endif
#ifndef IQ4_HAS_CODES
INLINE vi iq4_code(vf v) {
  vi code = (vi)15;
  for (int k = 0; k < 15; k++) code += v < iq4_edges[k];
  return code;
}

INLINE vf iq4_level(vf v) {
  vf q = (vf)113.0f;
  for (int k = 14; k >= 0; k--) q = v < iq4_edges[k] ? (vf)iq4_levels[k] : q;
  return q;
}
#endif

#ifndef IQ4_TOGETHER
#define IQ4_TOGETHER 1
// The levels next to IQ4_TOGETHER quotients, inverse * x.
INLINE void iq4_levels_near(vf inverse, const vf *x, vf *q) { q[0] = iq4_level(inverse * x[0]); }
#endif

#define IQ4_SIDE 2

// Scales of IQ4_SIDE sub-blocks of 32.
static __attribute__((noinline)) void search_iq4(const vf *x, const vf *w, vf *scale) {
  vf peak[IQ4_SIDE], best[IQ4_SIDE];
  vi dead[IQ4_SIDE];
  for (int u = 0; u < IQ4_SIDE; u++) {
    vf top;
    vf m = signed_peak(32, x + u * 32, &top);
    dead[u] = top < EPS;
    peak[u] = dead[u] ? (vf)1.0f : m;
    scale[u] = best[u] = (vf)0.0f;
  }
  // Try -8 stands for the start, whose inverse is formed by two divisions.
  for (int t = -8; t <= 7; t++) {
    vf id[IQ4_SIDE], sqx[IQ4_SIDE], sq2[IQ4_SIDE];
    for (int u = 0; u < IQ4_SIDE; u++) {
      id[u] = t == -8 ? 1.0f / (-peak[u] / -127.0f) : ((float)t + -127.0f) / peak[u];
      sqx[u] = sq2[u] = (vf)0.0f;
    }
    for (int i = 0; i < 32; i += IQ4_TOGETHER)
      // The sums of both stay in registers.
#pragma clang loop unroll(full)
      for (int u = 0; u < IQ4_SIDE; u++) {
        const vf *some = x + u * 32 + i;
        vf q[IQ4_TOGETHER];
        iq4_levels_near(id[u], some, q);
        for (int k = 0; k < IQ4_TOGETHER; k++) {
          vf p = w[u * 32 + i + k] * q[k];
          sqx[u] = sqx[u] + p * some[k];
          sq2[u] = sq2[u] + p * q[k];
        }
      }
    for (int u = 0; u < IQ4_SIDE; u++) {
      vf ratio = sqx[u] / sq2[u];
      vi better;
      if (t == -8) {
        ratio = sq2[u] > 0.0f ? ratio : (vf)0.0f;
        better = (vi)-1;
      } else {
        better = (sq2[u] > 0.0f) & (sqx[u] * sqx[u] > best[u] * sq2[u]);
      }
      scale[u] = better ? ratio : scale[u];
      best[u] = better ? ratio * sqx[u] : best[u];
    }
  }
  for (int u = 0; u < IQ4_SIDE; u++) scale[u] = dead[u] ? (vf)0.0f : scale[u];
}

// Codes of one sub-block of 32 as 16 bytes: value i in the low, i + 16 in the high nibble.
INLINE void store_iq4(const vf *x, vf inverse, uint8_t *out, ptrdiff_t size, int valid) {
  for (int i = 0; i < 16; i += 4) {
    vi c[4];
    for (int k = 0; k < 4; k++)
      c[k] = iq4_code(inverse * x[i + k]) | (iq4_code(inverse * x[i + k + 16]) << 4);
    store_words(out + i, size, valid, pack4(c[0], c[1], c[2], c[3]));
  }
}

static void quantize_iq4_xs(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                            uint8_t *out) {
  enum { size = 136 };
  ptrdiff_t per_row = row_length / 256, blocks = row_count * per_row;
  vf x[256], w[256];
  for (ptrdiff_t first = 0; first < blocks; first += LANES, out += LANES * size) {
    block_group g = group_at(rows, importance, first, blocks, per_row, 256);
    load_lanes(g.x, 256, x);
    if (importance) {
      load_lanes(g.w, 256, w);
      weigh(x, w, 256, square_sum(x, 256) * (2.0f / 256.0f));
    } else {
      for (int i = 0; i < 256; i++) w[i] = x[i] * x[i];
    }
    vf scale[8], top = (vf)0.0f, peak = (vf)0.0f;
    for (int j = 0; j < 8; j += IQ4_SIDE) search_iq4(x + 32 * j, w + 32 * j, scale + j);
    for (int j = 0; j < 8; j++) {
      vi above = abs_f(scale[j]) > top;
      top = above ? abs_f(scale[j]) : top;
      peak = above ? scale[j] : peak;
    }
    vf D = -peak / 32.0f;
    vf I = D != 0.0f ? 1.0f / D : (vf)0.0f;
    vi low = (vi)0, high = (vi)0;
    for (int j = 0; j < 8; j++) {
      vi l = round_clamped_i(I * scale[j], -32, 31);
      vf dl = D * float_of(l);
      vf idl = dl != 0.0f ? 1.0f / dl : (vf)0.0f;
      store_iq4(x + 32 * j, idl, out + 8 + 16 * j, size, g.valid);
      l += 32;
      low |= (l & 15) << (4 * j);
      high |= (l >> 4) << (2 * j);
    }
    store_words(out, size, g.valid, half_of(D) | (high << 16));
    store_words(out + 4, size, g.valid, low);
  }
}

static void quantize_iq4_nl(const float *rows, ptrdiff_t row_count, ptrdiff_t row_length, const float *importance,
                            uint8_t *out) {
  enum { size = 18 };
  ptrdiff_t per_row = row_length / 32, blocks = row_count * per_row;
  vf x[IQ4_SIDE * 32], w[IQ4_SIDE * 32];
  for (ptrdiff_t first = 0; first < blocks; first += IQ4_SIDE * LANES, out += IQ4_SIDE * LANES * size) {
    block_group g[IQ4_SIDE];
    for (int u = 0; u < IQ4_SIDE; u++) {
      // A group past the end repeats the last block and is not stored.
      ptrdiff_t from = first + u * LANES < blocks ? first + u * LANES : blocks - 1;
      g[u] = group_at(rows, importance, from, blocks, per_row, 32);
      if (first + u * LANES >= blocks) g[u].valid = 0;
      load_lanes(g[u].x, 32, x + 32 * u);
      if (importance) {
        load_lanes(g[u].w, 32, w + 32 * u);
        weigh(x + 32 * u, w + 32 * u, 32, square_sum(x + 32 * u, 32) * (2.0f / 32.0f));
      } else {
        for (int i = 0; i < 32; i++) w[32 * u + i] = x[32 * u + i] * x[32 * u + i];
      }
    }
    vf scale[IQ4_SIDE];
    search_iq4(x, w, scale);
    for (int u = 0; u < IQ4_SIDE; u++) {
      uint8_t *block = out + u * LANES * size;
      if (g[u].valid == 0) continue;
      vf id = scale[u] != 0.0f ? 1.0f / scale[u] : (vf)0.0f;
      store_halves(block, size, g[u].valid, half_of(scale[u]));
      store_iq4(x + 32 * u, id, block + 2, size, g[u].valid);
    }
  }
}
