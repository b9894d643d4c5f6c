// Quantizing, decoding, conversions between float types, and the checks of blocks.

#include <math.h>

#include "harness.h"

// Kinds of importance: none, random, some zero, all zero, zero where outliers are.
enum { IMPORTANCE_COUNT = 5 };

static float importance(int kind, int column) {
  float u = unit() * unit();
  switch (kind) {
    case 2: return column % 3 ? u : 0.0f;
    case 3: return 0.0f;
    case 4: return column % 32 == 5 ? 0.0f : u;
    default: return u;
  }
}

static void run_groups(void);

void run_quantizers(void) {
  // Rows enough that lanes are filled and left over.
  enum { ROWS = 5, COLUMNS = 512, VALUES = ROWS * COLUMNS };
  float *x = filled(4 * VALUES), *y = filled(4 * VALUES), weights[COLUMNS];
  uint8_t *blocks = filled(VALUES / 32 * 34);
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    seed(1000 + (uint64_t)kind);
    for (int i = 0; i < VALUES; i++) x[i] = value_of_kind(kind, i % COLUMNS);
    for (int w = 0; w < IMPORTANCE_COUNT; w++) {
      seed(2000 + (uint64_t)w);
      for (int c = 0; c < COLUMNS; c++) weights[c] = importance(w, c);
      for (const block_format *f = formats; f < formats + FORMAT_COUNT; f++) {
        size_t count = (size_t)(VALUES / f->length);
        memset(blocks, 0xCD, VALUES / 32 * 34);
        cqk_quantize(quant_level, f->format, x, ROWS, COLUMNS, w ? weights : NULL, blocks);
        record(blocks, count * (size_t)f->bytes, "quantize/%s/%s/importance%d", f->name, kind_names[kind], w);
        if (w) continue;
        cqk_dequantize(quant_level, f->format, blocks, (ptrdiff_t)count, y);
        record(y, 4 * VALUES, "dequantize/%s/%s", f->name, kind_names[kind]);
      }
    }
  }
  free(x);
  free(y);
  free(blocks);
  run_groups();
}

// The groups of MLX: all bits and sizes, and what is rounded to each type on the way.
static void run_groups(void) {
  enum { VALUES = 5 * 384 };
  static const int bits[] = {2, 3, 4, 5, 6, 8}, types[] = {CQK_FROM_F32, CQK_FROM_F16, CQK_FROM_BF16};
  float *x = filled(4 * VALUES), *scales = filled(4 * VALUES / 16), *biases = filled(4 * VALUES / 16);
  float *y = filled(4 * VALUES);
  uint8_t *codes = filled(VALUES);
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    seed(2500 + (uint64_t)kind);
    for (int i = 0; i < VALUES; i++) x[i] = value_of_kind(kind, i % 384);
    for (int b = 0; b < 6; b++)
      for (int size = 32; size <= 128; size *= 2) {
        cqk_group_affine(quant_level, bits[b], size, x, VALUES / size, codes, scales, biases);
        record(codes, VALUES * (size_t)bits[b] / 8, "quantize/affine%d-%d/codes/%s", bits[b], size, kind_names[kind]);
        record(scales, 4 * VALUES / (size_t)size, "quantize/affine%d-%d/scales/%s", bits[b], size, kind_names[kind]);
        record(biases, 4 * VALUES / (size_t)size, "quantize/affine%d-%d/biases/%s", bits[b], size, kind_names[kind]);
      }
    for (int t = 0; t < 3; t++) {
      cqk_group_mxfp4(quant_level, types[t], x, VALUES / 32, codes, scales);
      record(codes, VALUES / 2, "quantize/mlx-mxfp4-%d/codes/%s", t, kind_names[kind]);
      record(scales, VALUES / 32, "quantize/mlx-mxfp4-%d/scales/%s", t, kind_names[kind]);
      cqk_group_nvfp4(quant_level, types[t], x, VALUES / 16, codes, scales);
      record(codes, VALUES / 2, "quantize/mlx-nvfp4-%d/codes/%s", t, kind_names[kind]);
      record(scales, VALUES / 16, "quantize/mlx-nvfp4-%d/scales/%s", t, kind_names[kind]);
    }
  }
  for (int b = 0; b < 6; b++) {
    size_t count = VALUES * (size_t)bits[b] / 8;
    uint8_t *packed = at_the_end(count);
    seed(2600 + (uint64_t)b);
    for (size_t i = 0; i < count; i++) packed[i] = (uint8_t)any64();
    cqk_unpack_codes(bits[b], packed, VALUES, y);
    record(y, 4 * VALUES, "decode-row/codes%d", bits[b]);
  }
  free(x);
  free(y);
  free(scales);
  free(biases);
  free(codes);
}

void run_decoders(void) {
  for (const block_format *f = formats; f < formats + FORMAT_COUNT; f++) {
    size_t count = f->length == 256 ? 37 : 291;
    uint8_t *blocks = at_the_end(count * (size_t)f->bytes);
    float *y = filled(4 * count * (size_t)f->length);
    seed(3000 + (uint64_t)f->type);
    random_blocks(f, blocks, count);
    cqk_dequantize(quant_level, f->format, blocks, (ptrdiff_t)count, y);
    record(y, 4 * count * (size_t)f->length, "dequantize-random/%s", f->name);
    memset(y, 0, 4 * count * (size_t)f->length);
    cdk_kernels_of(quant_level)->decode_row(f->type, blocks, count * (size_t)f->length, y);
    record(y, 4 * count * (size_t)f->length, "decode-row/%s", f->name);
    free(y);
  }
  // Every half-precision number, then every eight-bit float.
  uint16_t *halves = filled(2 * 65536);
  float *y = filled(4 * 65536);
  for (int i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
  for (int odd = 0; odd < 2; odd++) {
    cqk_widen(quant_level, CQK_FROM_F16, halves + odd, 65536 - 3 * odd, y);
    record(y, 4 * (65536 - 3 * (size_t)odd), "widen/f16/%d", odd);
    cqk_widen(quant_level, CQK_FROM_BF16, halves + odd, 65536 - 3 * odd, y);
    record(y, 4 * (65536 - 3 * (size_t)odd), "widen/bf16/%d", odd);
  }
  cdk_kernels_of(quant_level)->decode_row(1, halves, 65535, y);
  record(y, 4 * 65535, "decode-row/f16");
  cdk_kernels_of(quant_level)->decode_row(30, halves, 65535, y);
  record(y, 4 * 65535, "decode-row/bf16");
  uint8_t bytes[256];
  for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
  cqk_widen(quant_level, CQK_FROM_E4M3, bytes, 253, y);
  record(y, 4 * 253, "widen/e4m3");
  cqk_widen(quant_level, CQK_FROM_E5M2, bytes, 253, y);
  record(y, 4 * 253, "widen/e5m2");
  // Near the middle between two numbers of the narrow types.
  for (int k = 0; k < 2; k++) {
    seed(4000 + (uint64_t)k);
    for (int i = 0; i < 20003; i++) {
      uint32_t low = k ? 0xFFFFu : 0x1FFFu, half = k ? 0x8000u : 0x1000u;
      uint32_t u = ((uint32_t)any64() & ~low) + half + (uint32_t)(any64() % 3) - 1;
      if (i % 2) u = (u & 0x807FFFFFu) | (100 + (uint32_t)(any64() % 50)) << 23;
      memcpy(y + i, &u, 4);
    }
    cqk_narrow_f16(quant_level, y, 20003, halves);
    record(halves, 2 * 20003, "narrow/f16/%d", k);
    cqk_narrow_bf16(quant_level, y, 20003, halves);
    record(halves, 2 * 20003, "narrow/bf16/%d", k);
  }
  free(halves);
  free(y);
}

void run_checks(void) {
  enum { COUNT = 1024 };
  uint8_t *blocks = filled(COUNT * 210);
  float *reach = filled(4 * 8192), *x = filled(4 * 8192), *y = filled(4 * 8192);
  for (const block_format *f = formats; f < formats + FORMAT_COUNT; f++) {
    seed(5000 + (uint64_t)f->type);
    random_blocks(f, blocks, COUNT);
    cbc_reach(quant_level, f->type, blocks, COUNT - 1, (COUNT - 1) * f->length, reach);
    record(reach, 4 * (COUNT - 1), "reach/%s", f->name);
  }
  seed(5100);
  for (size_t i = 0; i < 2 * 8192; i++) {
    uint16_t u = (uint16_t)any64();
    memcpy(blocks + 2 * i, &u, 2);
  }
  cbc_reach(quant_level, 1, blocks, 512, 32 * 512 - 5, reach);
  record(reach, 4 * 512, "reach/f16");
  cbc_reach(quant_level, 30, blocks, 512, 32 * 512 - 5, reach);
  record(reach, 4 * 512, "reach/bf16");
  cbc_reach(quant_level, 0, blocks, 256, 32 * 256 - 5, reach);
  record(reach, 4 * 256, "reach/f32");
  for (int kind = 0; kind < KIND_COUNT; kind += 3)
    for (int length = 1; length < 70; length += 17) {
      seed(5200 + (uint64_t)kind);
      for (int i = 0; i < 8192; i++) {
        x[i] = value_of_kind(kind, i);
        y[i] = x[i] + bell() * 0.01f;
      }
      cbc_sums sums = {0.1, 0.2, 0.3, 0.4};
      cbc_compare(quant_level, x, y, 8192 - length, 3 * length, reach, &sums);
      record(&sums, sizeof sums, "compare/sums/%s/%d", kind_names[kind], length);
      size_t written = (size_t)((8192 - length + 3 * length - 1) / (3 * length));
      record(reach, 4 * written, "compare/errors/%s/%d", kind_names[kind], length);
    }
  for (int length = 0; length < 150; length += 7) {
    ptrdiff_t found[151];
    for (int i = 0; i < length; i++) x[i] = 1;
    for (int i = 0; i <= length; i++) {
      if (i < length) x[i] = length & 1 ? NAN : -INFINITY;
      found[i] = cqk_first_non_finite(quant_level, x, length);
      if (i < length) x[i] = 1;
    }
    record(found, sizeof found[0] * (size_t)(length + 1), "first-non-finite/%d", length);
  }
  // What bytes take of exponentials and logarithms.
  seed(5300);
  for (int i = 0; i < 8192; i++) x[i] = unit() * 8 - 5;
  cqk_negate_exponential(x, 8192);
  record(x, 4 * 8192, "negate-exponential");
  for (int i = 0; i < 8192; i++) {
    uint32_t u = ((uint32_t)(any64() % 254) + 1) << 23;
    u += (uint32_t)(any64() % 65) - 32;
    memcpy(y, &u, 4);
    x[i] = (float)cqk_floor_log2(y[0] > 0 ? y[0] : 1);
  }
  record(x, 4 * 8192, "log2-floor");
  free(blocks);
  free(reach);
  free(x);
  free(y);
}
