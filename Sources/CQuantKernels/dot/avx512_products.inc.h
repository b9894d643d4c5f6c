// The macros of wide_tile.inc.h as AVX-512 with VNNI has them.

#define DOT_4(sum, u, s) ((vi)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(u), (__m512i)(s)))
// The compiler would make a product and an addition of it.
static inline __attribute__((always_inline)) __m512i dot_2(__m512i sum, __m512i a, __m512i b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
#define DOT_2(sum, a, b) ((vi)dot_2((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#define PAIRS(a, b) ((vi)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#define PACK(a, b) ((vs)_mm512_packs_epi32((__m512i)(a), (__m512i)(b)))
#define SHUFFLE_BYTES(v, index) ((vi)_mm512_shuffle_epi8((__m512i)(v), (__m512i)(index)))
#define PICK_16(v, index) ((vs)_mm512_permutexvar_epi16((__m512i)(index), _mm512_zextsi256_si512(v)))
#define LOOK_UP(table, index)                                                                                   \
  ((vi)_mm512_shuffle_epi8(                                                                                     \
      _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(table))), (__m512i)(index)))
#define SPREAD_BITS(bits, byte) ((vi)_mm512_maskz_set1_epi8((__mmask64)(bits), byte))
