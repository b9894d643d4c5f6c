// The table of functions that one kernel level consists of.
#ifndef CRK_LEVELS_H
#define CRK_LEVELS_H

#include "include/CRuntimeKernels.h"

typedef struct {
  void (*rms_norm)(const float *, const float *, ptrdiff_t, float, float *);
  void (*layer_norm)(const float *, const float *, const float *, ptrdiff_t, float, float *);
  void (*l2_norm)(const float *, ptrdiff_t, float, float, float *);
  void (*add)(const float *, ptrdiff_t, float *);
  void (*add_scaled)(const float *, float, ptrdiff_t, float *);
  void (*silu_multiply)(const float *, ptrdiff_t, float *);
  void (*gelu_multiply)(const float *, ptrdiff_t, float *);
  void (*clamped_swiglu)(const float *, float, float, ptrdiff_t, float *);
  void (*soft_cap)(float, ptrdiff_t, float *);
  void (*sigmoid_multiply)(const float *, ptrdiff_t, float *);
  void (*multiply_silu)(const float *, ptrdiff_t, float *);
  void (*softmax)(ptrdiff_t, float *);
  void (*exponentials)(ptrdiff_t, float *);
  ptrdiff_t (*first_greatest)(const float *, ptrdiff_t);
  void (*rotate_halves)(const float *, const float *, ptrdiff_t, float *);
  void (*convolve)(const float *const *, const float *, ptrdiff_t, ptrdiff_t, float *);
  void (*gated_convolve)(const float *const *, const float *, ptrdiff_t, ptrdiff_t, const float *, float *);
  void (*attend)(const crk_cache *, const float *const *, const crk_span *, ptrdiff_t, float, float *, float *const *);
  void (*store_position)(const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, bool, void *, void *);
  void (*delta_rule)(const crk_delta_rule_arguments *);
} crk_level;

extern const crk_level crk_level_portable;
#if defined(__x86_64__)
extern const crk_level crk_level_wide_avx2;
extern const crk_level crk_level_avx2;
extern const crk_level crk_level_avx512;
#endif

#endif
