// Conversions between float formats, LANES values at a time; the rest goes through a padded vector.

#define EACH_VECTOR(IN, OUT, BODY)                                        \
  do {                                                                    \
    ptrdiff_t i = 0;                                                      \
    for (; i + LANES <= n; i += LANES) {                                  \
      IN a;                                                               \
      OUT r;                                                              \
      memcpy(&a, (const char *)from + i * (sizeof a / LANES), sizeof a);  \
      BODY;                                                               \
      memcpy((char *)to + i * (sizeof r / LANES), &r, sizeof r);          \
    }                                                                     \
    if (i < n) {                                                          \
      IN a;                                                               \
      OUT r;                                                              \
      memset(&a, 0, sizeof a);                                            \
      memcpy(&a, (const char *)from + i * (sizeof a / LANES), (size_t)(n - i) * (sizeof a / LANES)); \
      BODY;                                                               \
      memcpy((char *)to + i * (sizeof r / LANES), &r, (size_t)(n - i) * (sizeof r / LANES)); \
    }                                                                     \
  } while (0)

static void widen_f32(const void *from, ptrdiff_t n, float *to) { memcpy(to, from, (size_t)n * 4); }

static void widen_bf16(const void *from, ptrdiff_t n, float *to) {
  EACH_VECTOR(vh, vf, r = (vf)(__builtin_convertvector(a, vi) << 16));
}

static void widen_f16(const void *from, ptrdiff_t n, float *to) {
  EACH_VECTOR(vh, vf, r = float_of_half(__builtin_convertvector(a, vi)));
}

static void widen_e5m2(const void *from, ptrdiff_t n, float *to) {
  EACH_VECTOR(vb, vf, r = float_of_half(__builtin_convertvector(a, vi) << 8));
}

// Exponent bias 7, no infinities, 0x7F and 0xFF are NaN.
INLINE vf float_of_e4m3(vi b) {
  vi m = b & 0x7F;
  vi normal = (m << 20) + (120 << 23);
  vi tiny = (vi)(float_of(m) * 0.001953125f);
  vi r = m < 8 ? tiny : normal;
  r = m == 0x7F ? (vi)0x7FC00000 : r;
  return (vf)(r | ((b & 0x80) << 24));
}

static void widen_e4m3(const void *from, ptrdiff_t n, float *to) {
  EACH_VECTOR(vb, vf, r = float_of_e4m3(__builtin_convertvector(a, vi)));
}

static void narrow_f16(const float *from, ptrdiff_t n, uint8_t *to) {
  EACH_VECTOR(vf, vh, r = __builtin_convertvector(half_of(a), vh));
}

static void narrow_bf16(const float *from, ptrdiff_t n, uint8_t *to) {
  EACH_VECTOR(vf, vh, r = __builtin_convertvector(bfloat_of(a), vh));
}

// The index of the first NaN or infinity, or n.
static ptrdiff_t first_non_finite(const float *x, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    vi wrong = (vi)0;
    for (int k = 0; k < 4; k++) {
      vi a;
      memcpy(&a, x + i + k * LANES, sizeof a);
      wrong |= (a & 0x7F800000) == 0x7F800000;
    }
    if (ANY(wrong)) break;
  }
  for (; i < n; i++)
    if ((bits_of(x[i]) & 0x7F800000u) == 0x7F800000u) return i;
  return n;
}
