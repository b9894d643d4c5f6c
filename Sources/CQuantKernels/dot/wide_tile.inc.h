// Products of many tokens with sixteen rows in the lanes of 512-bit vectors.
//
// Included by the AVX-512 level and, compiled to pairs of 256-bit registers, by the level that lets every CPU
// with AVX2 test this code. The including file defines LEVEL, LEVEL_NAME and
//   DOT_4(sum, u, s)   adds to each 32-bit lane the products of its four unsigned bytes u and signed bytes s;
//   DOT_2(sum, a, b)   adds to each 32-bit lane the products of its two 16-bit halves;
//   PAIRS(a, b)        those products alone;
//   PACK(a, b)         the 16-bit values of four lanes of a, then of four of b, in each quarter of the vector;
//   SHUFFLE_BYTES(v, i) bytes of the same quarter of a vector by their index, zero where its highest bit is set;
//   PICK_16(v, index)  16-bit values of a 256-bit vector by their index;
//   LOOK_UP(table, v)  entries of a table of 16 bytes by the bytes of a vector;
//   SPREAD_BITS(b, v)  byte v where a bit of the 64 is set, else zero.
// and, where one instruction does it,
//   AFFINE(v, m)       the bits of each byte by the 8 by 8 matrix in the same 64 bits of m.

#include "avx2_vector.h"

#define WIDE_TOKENS 64

typedef int32_t vi __attribute__((ext_vector_type(16)));
typedef float vf __attribute__((ext_vector_type(16)));

INLINE vi wide_load(const void *p) {
  vi v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE vi wide_broadcast(const void *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return (vi)v;
}

#include "wide_vector.inc.h"
#include "wide_table_256.inc.h"
#include "wide_vector_256.inc.h"
#include "wide_vector_32.inc.h"

INLINE vf wide_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

// Codes of tiles have no sign: tokens are the signed factors, and their bytes are taken from memory by the instruction
// that multiplies.
INLINE __m256i wide_unsigned(const int type, __m256i codes) {
  return has_signed_codes(type) ? _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80)) : codes;
}

// Dot products of 4 * quads columns, in two chains.
INLINE vi wide_dot(const int quads, const vi *w, const int8_t *x) {
  // Keeps sums of two registers out of instructions that multiply what they load: those count as two.
  __asm__ volatile("" : "+r"(x));
  vi even = (vi)0, odd = (vi)0;
  for (int k = 0; k < quads; k += 2) {
    even = DOT_4(even, w[k], wide_broadcast(x + 4 * k));
    odd = DOT_4(odd, w[k + 1], wide_broadcast(x + 4 * k + 4));
  }
  return even + odd;
}

// Sixteen rows and 256 columns; `codes[k]` holds columns 4k to 4k + 3 of each row.
typedef struct {
  __m256i codes[64][2];
  int32_t scales[16][16];
  // Pairs of minimums as two 16-bit values, or of scales where codes are larger than the true ones: what is multiplied
  // with the sums of a token's codes.
  int32_t pairs[8][16];
  float d[16];
  float dmin[16];
} wide_weights;

INLINE void wide_fill(const int type, const uint8_t *s, size_t row_bytes, size_t last, wide_weights *out) {
  const int groups = has_groups_of_16(type) ? 16 : 8;
  for (size_t h = 0; h < 2; h++) {
    __m256i rows[8][8], columns[8];
#pragma clang loop unroll(disable)
    for (size_t r = 0; r < 8; r++) {
      size_t lane = 8 * h + r;
      wide_block w;
      load_256(type, s + (lane < last ? lane : last) * row_bytes, &w);
      for (int i = 0; i < 8; i++) rows[i][r] = wide_unsigned(type, w.q[i]);
      int16_t v[16];
      _mm256_storeu_si256((__m256i *)v, w.scales);
      for (int j = 0; j < groups; j++) out->scales[j][lane] = v[j];
      if (has_mins(type)) _mm256_storeu_si256((__m256i *)v, w.mins);
      for (int j = 0; j < groups / 2; j++) memcpy(&out->pairs[j][lane], v + 2 * j, 4);
      out->d[lane] = _cvtsh_ss(w.d);
      out->dmin[lane] = _cvtsh_ss(w.dmin);
    }
    for (int i = 0; i < 8; i++) {
      transpose_8x8(rows[i], columns);
      for (int k = 0; k < 8; k++) out->codes[8 * i + k][h] = columns[k];
    }
  }
}

INLINE void wide_store(vf y, size_t rows, float *out) { memcpy(out, &y, 4 * (rows < 16 ? rows : 16)); }

INLINE void wide_256(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                     const cdk_token *tokens, size_t count, float *const *out) {
  const size_t step = block_bytes(type);
  const int wide_groups = !has_groups_of_16(type);
  const int quads = wide_groups ? 8 : 4;
  const size_t groups = wide_groups ? 8 : 16;
  __attribute__((aligned(64))) wide_weights tile;
  vi isum[WIDE_TOKENS];
  vf y[WIDE_TOKENS];
  for (size_t r0 = 0; r0 < rows; r0 += 16) {
    for (size_t t = 0; t < count; t++) y[t] = (vf)0.0f;
    for (size_t b = 0; b < columns / 256; b++) {
      size_t last = rows - r0 < 16 ? rows - r0 - 1 : 15;
      wide_fill(type, weights + r0 * row_bytes + b * step, row_bytes, last, &tile);
      for (size_t t = 0; t < count; t++) isum[t] = (vi)0;
      for (size_t g = 0; g < groups; g++) {
        vi w[8];
        for (int k = 0; k < quads; k++) w[k] = wide_load(tile.codes[(size_t)quads * g + (size_t)k]);
        vi scale = wide_load(tile.scales[g]);
        for (size_t t = 0; t < count; t++)
          isum[t] += scale * wide_dot(quads, w, tokens[t].codes + 256 * b + 4 * (size_t)quads * g);
      }
      vf dw = (vf)wide_load(tile.d), mw = (vf)wide_load(tile.dmin);
      for (size_t t = 0; t < count; t++) {
        vf dx = (vf)tokens[t].scales[b];
        const int16_t *sums = tokens[t].sums + SUMS_256 * b + (wide_groups ? 16 : 0);
        vi pairs = (vi)0;
        for (size_t j = 0; j < groups / 2; j++)
          pairs = DOT_2(pairs, wide_load(tile.pairs[j]), wide_broadcast(sums + 2 * j));
        if (!has_mins(type)) isum[t] -= pairs * wide_excess(type);
        y[t] = wide_fma(dw * dx, __builtin_convertvector(isum[t], vf), y[t]);
        if (has_mins(type)) y[t] = wide_fma(-(mw * dx), __builtin_convertvector(pairs, vf), y[t]);
      }
    }
    for (size_t t = 0; t < count; t++) wide_store(y[t], rows - r0, out[t] + r0);
  }
}

INLINE void wide_32(const int type, const uint8_t *weights, size_t row_bytes, size_t rows, size_t columns,
                    const cdk_token *tokens, size_t count, float *const *out) {
  const size_t step = block_bytes(type);
  vf y[WIDE_TOKENS];
  for (size_t r0 = 0; r0 < rows; r0 += 16) {
    for (size_t t = 0; t < count; t++) y[t] = (vf)0.0f;
    for (size_t b = 0; b < columns / 32; b++) {
      __m256i q[2][8], transposed[2][8];
      float d[16], m[16];
      for (size_t r = 0; r < 16; r++) {
        size_t row = r0 + r < rows ? r0 + r : rows - 1;
        const uint8_t *s = weights + row * row_bytes + b * step;
        q[r / 8][r % 8] = wide_unsigned(type, load_32(type, s));
        d[r] = scale_32(type, s);
        m[r] = min_32(type, s);
      }
      transpose_8x8(q[0], transposed[0]);
      transpose_8x8(q[1], transposed[1]);
      vi w[8];
      for (int k = 0; k < 8; k++) {
        memcpy(&w[k], &transposed[0][k], 32);
        memcpy((char *)&w[k] + 32, &transposed[1][k], 32);
      }
      vf dw = (vf)wide_load(d), mw = (vf)wide_load(m);
      for (size_t t = 0; t < count; t++) {
        vi sum = wide_dot(8, w, tokens[t].codes + 32 * b);
        if (wide_excess(type)) sum -= (vi)(wide_excess(type) * tokens[t].sums[b]);
        float dx = tokens[t].scales[b];
        y[t] = wide_fma(dw * (vf)dx, __builtin_convertvector(sum, vf), y[t]);
        if (has_mins(type)) y[t] = wide_fma(mw, (vf)(dx * (float)tokens[t].sums[b]), y[t]);
      }
    }
    for (size_t t = 0; t < count; t++) wide_store(y[t], rows - r0, out[t] + r0);
  }
}

// Tokens as products want them.
typedef struct {
  wide_token blocks_256[CDK_FEW_TOKENS - 1];
  token_32 blocks_32[CDK_FEW_TOKENS - 1];
} wide_room;

#define DEFINE(NAME, WIDTH)                                                                                     \
  static void wide_##NAME(const uint8_t *w, size_t row_bytes, size_t rows, size_t columns,                      \
                          const cdk_token *tokens, size_t count, float *const *out) {                           \
    wide_##WIDTH(T_##NAME, w, row_bytes, rows, columns, tokens, count, out);                                    \
  }
#define DEFINE_256(NAME)                                                                                        \
  static const cdk_band *wide_vector_##NAME(const cdk_band *band, band_course *course, int is_expected,         \
                                            wide_room *room) {                                                  \
    return wide_vector_256(T_##NAME, band, course, is_expected, room->blocks_256);                              \
  }                                                                                                             \
  DEFINE(NAME, 256)
#define DEFINE_32(NAME)                                                                                         \
  static const cdk_band *wide_vector_##NAME(const cdk_band *band, band_course *course, int is_expected,         \
                                            wide_room *room) {                                                  \
    return vector_32(T_##NAME, wide_totals_of, wide_order_32, wide_offset_32(T_##NAME), band, course,           \
                     is_expected, room->blocks_32);                                                             \
  }                                                                                                             \
  DEFINE(NAME, 32)
FOR_TYPES_256(DEFINE_256)
FOR_TYPES_32(DEFINE_32)

static void wide_multiply_tiles(const cdk_band *band) {
  const uint8_t *w = band_weights(band);
  for (size_t t0 = 0; t0 < band->token_count; t0 += WIDE_TOKENS) {
    size_t n = band->token_count - t0 < WIDE_TOKENS ? band->token_count - t0 : WIDE_TOKENS;
    float *out[WIDE_TOKENS];
    for (size_t t = 0; t < n; t++) out[t] = band->tokens[t0 + t].y + band->first_row;
    switch (band->type) {
#define CASE(NAME)                                                                                              \
  case T_##NAME: wide_##NAME(w, band->row_bytes, band->rows, band->columns, band->tokens + t0, n, out); break;
      FOR_TYPES_256(CASE)
      FOR_TYPES_32(CASE)
#undef CASE
      default: break;
    }
  }
}

// Streams over a band, as `vector_256`.
static const cdk_band *wide_multiply_streams(const cdk_band *band, band_course *course, int is_expected, void *room) {
  switch (band->type) {
#define CASE(NAME) case T_##NAME: return wide_vector_##NAME(band, course, is_expected, room);
    FOR_TYPES_256(CASE)
    FOR_TYPES_32(CASE)
#undef CASE
    default: return leave_band(course);
  }
}

static void wide_multiply_bands(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  wide_room room;
  for (size_t t = 0; t < CDK_FEW_TOKENS - 1; t++) room.blocks_256[t].state.codes = room.blocks_32[t].state.codes = NULL;
  multiply_bands(bands, shares, share_count, share, wide_multiply_streams, wide_multiply_tiles, &room);
}

// One register is the 16 partial sums of an output.
INLINE float wide_tree_sum(vf v) {
  typedef float vf8 __attribute__((ext_vector_type(8)));
  typedef float vf4 __attribute__((ext_vector_type(4)));
  vf8 a = v.lo + v.hi;
  vf4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

// Tokens per pass of the float products.
#define WIDE_FLOAT_TOKENS 128

typedef struct {
  vf sums[8][WIDE_FLOAT_TOKENS];
} wide_float_sums;

INLINE void wide_float_block(const size_t rows, const size_t count, const float_columns *w, size_t first,
                             const cdk_float_token *tokens, wide_float_sums *out, size_t row, size_t token) {
  vf acc[4][4];
  for (size_t r = 0; r < rows; r++)
    for (size_t t = 0; t < count; t++) acc[r][t] = out->sums[row + r][token + t];
  for (size_t c = 0; c < w->count; c += 16) {
    vf x[4];
    for (size_t t = 0; t < count; t++) x[t] = (vf)wide_load(tokens[token + t].x + first + c);
    for (size_t r = 0; r < rows; r++) {
      vf wv = (vf)wide_load(w->values + (row + r) * w->stride + c);
      for (size_t t = 0; t < count; t++) acc[r][t] = wide_fma(wv, x[t], acc[r][t]);
    }
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t t = 0; t < count; t++) out->sums[row + r][token + t] = acc[r][t];
}

static void wide_float_blocks(const float_columns *w, size_t rows, const cdk_float_token *tokens, size_t count,
                              size_t first, wide_float_sums *out) {
  size_t tokens_here, rows_here;
  for (size_t t = 0; t < count; t += tokens_here) {
    tokens_here = count - t >= 4 ? 4 : 1;
    for (size_t r = 0; r < rows; r += rows_here) {
      rows_here = rows - r >= 4 ? 4 : 1;
      if (tokens_here == 4) {
        if (rows_here == 4) wide_float_block(4, 4, w, first, tokens, out, r, t);
        else wide_float_block(1, 4, w, first, tokens, out, r, t);
      } else {
        if (rows_here == 4) wide_float_block(4, 1, w, first, tokens, out, r, t);
        else wide_float_block(1, 1, w, first, tokens, out, r, t);
      }
    }
  }
}

static void wide_multiply_float(int type, const void *weights, size_t row_bytes, size_t first_row, size_t rows,
                                size_t columns, const cdk_float_token *tokens, size_t token_count) {
  wide_float_sums sums;
  __attribute__((aligned(64))) float room[8 * FLOAT_COLUMNS];
  for (size_t t0 = 0; t0 < token_count; t0 += WIDE_FLOAT_TOKENS) {
    size_t count = token_count - t0 < WIDE_FLOAT_TOKENS ? token_count - t0 : WIDE_FLOAT_TOKENS;
    for (size_t r0 = 0; r0 < rows; r0 += 8) {
      size_t n = rows - r0 < 8 ? rows - r0 : 8;
      const uint8_t *row = (const uint8_t *)weights + (first_row + r0) * row_bytes;
      for (size_t r = 0; r < n; r++) memset(sums.sums[r], 0, count * sizeof sums.sums[r][0]);
      for (size_t first = 0; first < columns; first += FLOAT_COLUMNS) {
        const float_columns w = float_columns_of(&cdk_avx2, type, row, row_bytes, n, first, columns, room);
        wide_float_blocks(&w, n, tokens + t0, count, first, &sums);
      }
      for (size_t t = 0; t < count; t++)
        for (size_t r = 0; r < n; r++) tokens[t0 + t].y[first_row + r0 + r] = wide_tree_sum(sums.sums[r][t]);
    }
  }
}

static void wide_quantize_256(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                              float *scales) {
  cdk_avx2.quantize_256(x, count, codes, biased, sums, scales);
}

static void wide_quantize_32(const float *x, size_t count, int8_t *codes, uint8_t *biased, int16_t *sums,
                             float *scales) {
  cdk_avx2.quantize_32(x, count, codes, biased, sums, scales);
}

static void wide_decode_row(int type, const void *row, size_t columns, float *out) {
  cdk_avx2.decode_row(type, row, columns, out);
}

const cdk_kernels LEVEL = {
    LEVEL_NAME, wide_quantize_256, wide_quantize_32, wide_multiply_bands, wide_multiply_float, wide_decode_row,
};
