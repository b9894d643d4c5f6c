// What all parts of the harness share: the file of records, and values to run kernels on.
//
// Every value comes from integers, exact steps and powers of two, so that two machines start from the same bits.

#ifndef HARNESS_H
#define HARNESS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CQuantKernels.h"
#include "CRuntimeKernels.h"

// The levels that this run asks for: CQK_LEVEL_* and CRK_LEVEL_*.
extern int quant_level, runtime_level;

// Appends bytes to the records, under a name.
void record(const void *bytes, size_t count, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Memory filled with a pattern, so that what a kernel does not write is the same everywhere.
void *filled(size_t bytes);

// Memory whose end is followed by a page that nobody may touch: a read behind the end ends the run. The next call may
// return the same memory.
void *at_the_end(size_t bytes);

void seed(uint64_t value);
uint64_t any64(void);
// Bell-shaped, standard deviation about 0.7.
float bell(void);
// From 0 to 1.
float unit(void);
// 2^e, a subnormal number or zero below 2^-126.
float power_of_two(int e);

// Kinds of rows: scales from subnormal to large, special values, ties, outliers.
enum { KIND_COUNT = 18 };
extern const char *const kind_names[KIND_COUNT];
float value_of_kind(int kind, int column);

typedef struct {
  const char *name;
  // CQK_*, the ggml_type id, weights and bytes per block.
  int format, type, length, bytes;
} block_format;

enum { FORMAT_COUNT = CQK_FORMAT_COUNT };
extern const block_format formats[FORMAT_COUNT];

// Random blocks whose scales are small finite numbers.
void random_blocks(const block_format *f, uint8_t *out, size_t count);

void run_quantizers(void);
void run_decoders(void);
void run_checks(void);
void run_products(void);
void run_runtime(void);

#endif
