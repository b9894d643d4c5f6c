// Streams over weights: what a thread reads of them, step after step, and what it asks for ahead.

#ifndef STREAMS_H
#define STREAMS_H

#include "bands.h"

// Tiles of eight rows, far from one another, that are read in turn: CPUs look ahead in each page that is being read,
// and one page's lines do not keep memory busy while the products of those before are computed.
#define STREAMS (CDK_STEP_ROWS / 8)
// How far ahead of their use weights are asked for, in bytes: for the second cache, which has room for more lines on
// their way from memory than the first one, and from there for the first one.
#define PREFETCH_FAR 6144
#define PREFETCH_NEAR 1152
// How many bytes of each tile are asked for before the first product, which waits for memory.
#define PREFETCH_START 2048

// Tiles of `rows` rows each, the first one from row `first` on, each one `apart` rows behind the one before.
typedef struct {
  size_t first;
  size_t apart;
  size_t tiles;
  size_t rows;
} tile_group;

// The tiles of step `i`: one from each part of all rows, then those that are left behind `whole` steps.
static inline tile_group tiles_of(size_t i, size_t rows, size_t whole) {
  if (i < whole) return (tile_group){8 * i, 8 * whole, STREAMS, 8};
  const size_t first = 8 * (STREAMS * whole + i - whole), left = rows - first;
  if (rows % 8 == 0) return (tile_group){first, 8, left / 8, 8};
  return (tile_group){first, 0, 1, left < 8 ? left : 8};
}

// Where a stream of a band begins.
static inline const uint8_t *stream_start(const cdk_band *band, size_t stream) {
  const tile_group tiles = tiles_of(0, band->rows, band->rows / CDK_STEP_ROWS);
  return band_weights(band) + (stream < tiles.tiles ? stream * tiles.apart : 0) * band->row_bytes;
}

// How far ahead each stream asks for weights: as long as it goes on, and where the next band's are to follow.
typedef struct {
  ptrdiff_t far[2][STREAMS];
  ptrdiff_t near[2][STREAMS];
  // Bytes from the beginning of the present tiles to where each stream ends.
  size_t left;
  // The steps before the rows that are left.
  uint32_t whole;
  // Whether the second distances are known, and the band behind if they lead to it.
  int is_ending;
  const cdk_band *behind;
} stream_ahead;

// What is asked for with the bytes from some place on.
typedef struct {
  const uint8_t *far;
  const uint8_t *near;
} prefetch_place;

// The places that go with those `done` bytes behind the beginning of the tiles.
static inline prefetch_place ahead_of(const stream_ahead *ahead, size_t done, const uint8_t *s, size_t stream) {
  const size_t left = ahead->left - done;
  return (prefetch_place){s + ahead->far[left <= PREFETCH_FAR][stream], s + ahead->near[left <= PREFETCH_NEAR][stream]};
}

static inline void prefetch_line(prefetch_place place, size_t offset) {
  __builtin_prefetch(place.near + offset, 0, 3);
  __builtin_prefetch(place.far + offset, 0, 2);
}

static inline void prefetch_block(prefetch_place place, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) prefetch_line(place, line);
}

static inline void prefetch_span(const uint8_t *s, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(s + line, 0, 3);
}

// Prepares the band entered: its first lines are asked for, unless that was done with the band before.
static __attribute__((noinline)) void begin_streams(const cdk_band *band, const band_course *course, int is_expected,
                                                    stream_ahead *out) {
  for (size_t j = 0; j < STREAMS; j++) {
    out->far[0][j] = PREFETCH_FAR;
    out->near[0][j] = PREFETCH_NEAR;
  }
  out->whole = (uint32_t)(band->rows / CDK_STEP_ROWS);
  out->is_ending = 0;
  out->behind = NULL;
  if (is_expected) return;
  const tile_group tiles = tiles_of(course->step, band->rows, out->whole);
  for (size_t j = 0; j < tiles.tiles; j++)
    prefetch_span(band_weights(band) + (tiles.first + j * tiles.apart) * band->row_bytes, PREFETCH_START);
}

// The band whose streams follow those of the last step; NULL where none does.
static inline const cdk_band *band_behind(const cdk_band *band, const band_course *course) {
  const uint64_t own = __atomic_load_n(share_of(course, course->share), __ATOMIC_RELAXED);
  if (course->to <= course->band_end && (uint32_t)(own >> 32) <= course->band_end) return NULL;
  return band[1].token_count < CDK_FEW_TOKENS ? band + 1 : NULL;
}

// Finds out where streams go on behind those of a step: apart from the loop over steps, whose registers are precious.
static __attribute__((noinline)) void find_ends(const cdk_band *band, const band_course *course, tile_group tiles,
                                                stream_ahead *out) {
  const size_t i = course->step, whole = out->whole;
  out->is_ending = 1;
  out->behind = band_behind(band, course);
  for (size_t j = 0; j < tiles.tiles; j++) {
    const size_t end_row = tiles.first + j * tiles.apart + (i < whole ? 8 * (whole - i) : tiles.rows);
    const size_t stream = STREAMS - tiles.tiles + j;
    if (stream == STREAMS - 1 && end_row < band->rows) {
      // Rows that are left follow the last stream.
      out->far[1][j] = PREFETCH_FAR;
      out->near[1][j] = PREFETCH_NEAR;
    } else if (out->behind) {
      const ptrdiff_t jump = stream_start(out->behind, stream) - (band_weights(band) + end_row * band->row_bytes);
      out->far[1][j] = jump + PREFETCH_FAR;
      out->near[1][j] = jump + PREFETCH_NEAR;
    } else {
      // Lines that are asked for twice cost nothing.
      out->far[1][j] = out->near[1][j] = 0;
    }
  }
}

// Prepares the step just taken.
static inline void set_ahead(const cdk_band *band, const band_course *course, tile_group tiles, stream_ahead *out) {
  const size_t i = course->step, whole = out->whole, tile_bytes = tiles.rows * band->row_bytes;
  out->left = i < whole ? (whole - i) * tile_bytes : tile_bytes;
  if (i >= whole || (!out->is_ending && out->left <= PREFETCH_FAR + tile_bytes)) find_ends(band, course, tiles, out);
}

// Gives up the steps of the band that were taken, for which there are no products.
static inline const cdk_band *leave_band(band_course *course) {
  course->from = course->to < course->band_end ? course->to : course->band_end;
  return NULL;
}

// Does the steps of the band entered; returns the band whose first lines were asked for.
typedef const cdk_band *(*stream_products)(const cdk_band *band, band_course *course, int is_expected, void *room);

// All steps: bands of few tokens as streams, others by tiles.
static inline __attribute__((always_inline)) void multiply_bands(
    const cdk_band *bands, uint64_t *shares, size_t share_count, size_t share, stream_products streams,
    void (*tiles)(const cdk_band *band), void *room) {
  band_course course = course_of(bands, shares, share_count, share);
  const cdk_band *expected = NULL;
  for (const cdk_band *band; (band = enter_band(&course));) {
    if (band->token_count < CDK_FEW_TOKENS) {
      expected = streams(band, &course, band == expected && course.step == 0, room);
    } else {
      next_step(&course, 1);
      tiles(band);
    }
  }
}

#endif
