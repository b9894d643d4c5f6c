// The nearest of 16 levels by binary search, with tables in registers. Every comparison is "not less", so that NaN
// goes up. Comparisons give -1 or 0, so their sums are the negative of an index: tables are in that order.

#define IQ4_HAS_CODES

INLINE vi iq4_half_code(vf v, vi *last) {
  const __m256 x = (__m256)v;
  const __m256 edge2[2] = {_mm256_set1_ps(-57.0f), _mm256_set1_ps(45.5f)};
  const __m256 edge3 = _mm256_setr_ps(-93.5f, 79.0f, 19.0f, -28.5f, -93.5f, 79.0f, 19.0f, -28.5f);
  const __m256 edge4 = _mm256_setr_ps(-115.5f, 101.0f, 61.0f, 31.5f, 7.0f, -16.0f, -42.0f, -74.0f);
  __m256 above = _mm256_cmp_ps(x, _mm256_set1_ps(-4.5f), _CMP_NLT_UQ);
  vi i = (vi)above;
  above = _mm256_cmp_ps(x, _mm256_blendv_ps(edge2[0], edge2[1], above), _CMP_NLT_UQ);
  i = i + i + (vi)above;
  above = _mm256_cmp_ps(x, _mm256_permutevar_ps(edge3, (__m256i)i), _CMP_NLT_UQ);
  i = i + i + (vi)above;
  *last = (vi)_mm256_cmp_ps(x, _mm256_permutevar8x32_ps(edge4, (__m256i)i), _CMP_NLT_UQ);
  return i;
}

INLINE vi iq4_code(vf v) {
  vi last, i = iq4_half_code(v, &last);
  return -(i + i + last);
}

INLINE vf iq4_level(vf v) {
  const __m256 even = _mm256_setr_ps(-127, 89, 53, 25, 1, -22, -49, -83);
  const __m256 odd = _mm256_setr_ps(-104, 113, 69, 38, 13, -10, -35, -65);
  vi last, i = iq4_half_code(v, &last);
  __m256 low = _mm256_permutevar8x32_ps(even, (__m256i)i), high = _mm256_permutevar8x32_ps(odd, (__m256i)i);
  return (vf)_mm256_blendv_ps(low, high, (__m256)last);
}
