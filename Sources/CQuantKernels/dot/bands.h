// A thread's way through the steps of bands: first those of its share, then what it takes of others' shares.

#ifndef BANDS_H
#define BANDS_H

#include "dot_common.h"

// Bytes of weights that are taken at a time, except towards the end: taking costs what computing hundreds of them does.
#define BYTES_TAKEN 65536

typedef struct {
  const cdk_band *bands;
  uint64_t *shares;
  size_t share_count;
  size_t share;
  // Steps that were taken and are still to be done, counted over all bands.
  uint32_t from;
  uint32_t to;
  // The band of the step that comes next or is being done, and the step within it.
  const cdk_band *band;
  uint32_t step;
  // One behind the band's last step, counted over all bands.
  uint32_t band_end;
  // Steps of the band that are taken at a time at most.
  uint32_t most;
} band_course;

static inline uint64_t *share_of(const band_course *course, size_t share) {
  return course->shares + share * CDK_SHARE_STRIDE;
}

static inline uint32_t steps_of(const cdk_band *band) { return cdk_steps_of(band->rows, band->token_count); }

// The weights of a band's first row.
static inline const uint8_t *band_weights(const cdk_band *band) {
  return (const uint8_t *)band->weights + band->first_row * band->row_bytes;
}

// Takes the first steps of the own share: as many as are worth it, but no more than a quarter of what is left.
static inline int take_own(band_course *course) {
  uint64_t *own = share_of(course, course->share), was = __atomic_load_n(own, __ATOMIC_RELAXED);
  for (;;) {
    const uint32_t from = (uint32_t)was, to = (uint32_t)(was >> 32);
    if (from >= to) return 0;
    const uint32_t quarter = (to - from + 3) / 4, count = quarter < course->most ? quarter : course->most;
    if (!__atomic_compare_exchange_n(own, &was, cdk_share(from + count, to), 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      continue;
    course->from = from;
    course->to = from + count;
    return 1;
  }
}

// Makes half of what is left of another share the own one.
static inline int take_others(const band_course *course) {
  for (size_t i = 1; i < course->share_count; i++) {
    uint64_t *other = share_of(course, (course->share + i) % course->share_count);
    uint64_t was = __atomic_load_n(other, __ATOMIC_RELAXED);
    for (;;) {
      const uint32_t from = (uint32_t)was, to = (uint32_t)(was >> 32);
      if (from >= to) break;
      const uint32_t middle = from + (to - from) / 2;
      if (!__atomic_compare_exchange_n(other, &was, cdk_share(from, middle), 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
      __atomic_store_n(share_of(course, course->share), cdk_share(middle, to), __ATOMIC_RELAXED);
      return 1;
    }
  }
  return 0;
}

// Makes sure that a step is taken; false when none is left.
static inline int take_steps(band_course *course) {
  if (course->from < course->to || take_own(course)) return 1;
  // Others may take what was just taken from them.
  while (take_others(course))
    if (take_own(course)) return 1;
  return 0;
}

// The band whose steps come next; NULL when none is left.
static inline const cdk_band *enter_band(band_course *course) {
  if (!take_steps(course)) return NULL;
  const cdk_band *band = course->from < course->band->first_step ? course->bands : course->band;
  while (course->from - band->first_step >= steps_of(band)) band++;
  course->band = band;
  course->step = course->from - band->first_step;
  course->band_end = band->first_step + steps_of(band);
  const int is_stream = band->token_count < CDK_FEW_TOKENS;
  course->most = is_stream ? 1 + (uint32_t)(BYTES_TAKEN / (CDK_STEP_ROWS * band->row_bytes)) : 1;
  return band;
}

// Begins the next step of the band that was entered, if it is behind the one before or the first one; else the band is
// to be entered again.
static inline int next_step(band_course *course, int is_first) {
  if (!is_first && !take_steps(course)) return 0;
  const uint32_t step = course->from - course->band->first_step;
  if (course->from >= course->band_end || (!is_first && step != course->step + 1)) return 0;
  course->step = step;
  course->from++;
  return 1;
}

// The rows of the step just taken where a band is done from its first row to its last.
static inline cdk_band step_rows(const band_course *course) {
  cdk_band band = *course->band;
  if (band.token_count >= CDK_FEW_TOKENS) return band;
  const size_t whole = band.rows / CDK_STEP_ROWS, i = course->step;
  const size_t unit = i < whole || band.rows % 8 == 0 ? CDK_STEP_ROWS : 8;
  const size_t first = i < whole ? CDK_STEP_ROWS * i : CDK_STEP_ROWS * whole + 8 * (i - whole);
  const size_t left = band.rows - first;
  band.first_row += first;
  band.rows = left < unit ? left : unit;
  return band;
}

static inline band_course course_of(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share) {
  return (band_course){
      .bands = bands, .shares = shares, .share_count = share_count, .share = share, .band = bands, .most = 1};
}

// Does all steps, the rows of each from the first to the last, by a function of a band.
static inline void do_steps(const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share,
                            void (*multiply)(const cdk_band *band)) {
  band_course course = course_of(bands, shares, share_count, share);
  while (enter_band(&course)) {
    for (int is_first = 1; next_step(&course, is_first); is_first = 0) {
      const cdk_band band = step_rows(&course);
      multiply(&band);
    }
  }
}

#endif
