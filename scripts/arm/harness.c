// Runs all kernels at one level and writes what they return, for comparison with another level or machine.
//
// usage: harness LEVEL OUT [PARTS]   LEVEL: portable, neon, avx2, avx512; PARTS: letters of q d c p r
// OUT receives the results, OUT.index their names and lengths.

#include "harness.h"

#include <stdarg.h>
#include <sys/mman.h>

int quant_level, runtime_level;
static FILE *results, *names;

void record(const void *bytes, size_t count, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(names, format, arguments);
  va_end(arguments);
  fprintf(names, " %zu\n", count);
  if (fwrite(bytes, 1, count, results) != count) exit(4);
}

void *filled(size_t bytes) {
  size_t rounded = (bytes + 127) / 64 * 64;
  void *p = aligned_alloc(64, rounded);
  if (!p) exit(4);
  memset(p, 0xA5, rounded);
  return p;
}

void *at_the_end(size_t bytes) {
  enum { SIZE = 1 << 20, GUARD = 1 << 16 };
  static uint8_t *memory;
  if (!memory) {
    memory = mmap(NULL, SIZE + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + SIZE, GUARD, PROT_NONE)) exit(4);
  }
  if (bytes > SIZE) exit(4);
  return memory + SIZE - bytes;
}

static uint64_t state;

void seed(uint64_t value) { state = value * 0x9E3779B97F4A7C15u + 1; }

uint64_t any64(void) {
  // xorshift64* (Vigna).
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545F4914F6CDD1Du;
}

float bell(void) {
  int32_t sum = 0;
  for (int i = 0; i < 6; i++) sum += (int32_t)(any64() >> 44);
  return (float)(sum - 6 * (1 << 19)) * 0x1p-20f;
}

float unit(void) { return (float)(any64() >> 40) * 0x1p-24f; }

float power_of_two(int e) {
  uint32_t bits = e < -149 ? 0 : e < -126 ? 1u << (e + 149) : (uint32_t)(e + 127) << 23;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

const char *const kind_names[KIND_COUNT] = {
    "bf16",     "bell",     "subnormal", "2^-133",  "2^-100", "2^-50",   "2^17",       "zero",   "minus-zero",
    "constant", "positive", "negative",  "sparse",  "ternary", "ties",   "outliers",   "blocks", "lonely-minimum"};

float value_of_kind(int kind, int column) {
  float b = bell();
  switch (kind) {
    case 0: {
      uint32_t u;
      b *= 0.02f;
      memcpy(&u, &b, 4);
      u &= 0xFFFF0000u;
      memcpy(&b, &u, 4);
      return b;
    }
    case 2: return (float)((int)(any64() % 511) - 255) * power_of_two(-149);
    case 3: return b * power_of_two(-133);
    case 4: return b * power_of_two(-100);
    case 5: return b * power_of_two(-50);
    case 6: return b * power_of_two(17);
    case 7: return 0.0f;
    case 8: return -0.0f;
    case 9: return -0.37f;
    case 10: return b < 0 ? -b : b;
    case 11: return b < 0 ? b : -b;
    case 12: return any64() % 10 ? 0.0f : b;
    case 13: return (float)((int)(any64() % 3) - 1);
    case 14: return column % 32 ? (float)((int)(any64() % 255) - 127) * 0.5f : -127.0f;
    case 15: return any64() % 100 ? b : b * 1000.0f;
    // Neighbouring groups of very different size.
    case 16: return b * power_of_two((column / 16 * 7) % 24 - 12);
    case 17: return column % 32 == 5 ? -1000.0f : b < 0 ? b * 0x1p-10f : 0.0f;
    default: return b;
  }
}

const block_format formats[FORMAT_COUNT] = {
    {"q4_0", CQK_Q4_0, 2, 32, 18},     {"q4_1", CQK_Q4_1, 3, 32, 20},     {"q5_0", CQK_Q5_0, 6, 32, 22},
    {"q5_1", CQK_Q5_1, 7, 32, 24},     {"q8_0", CQK_Q8_0, 8, 32, 34},     {"q2_k", CQK_Q2_K, 10, 256, 84},
    {"q3_k", CQK_Q3_K, 11, 256, 110},  {"q4_k", CQK_Q4_K, 12, 256, 144},  {"q5_k", CQK_Q5_K, 13, 256, 176},
    {"q6_k", CQK_Q6_K, 14, 256, 210},  {"iq4_nl", CQK_IQ4_NL, 20, 32, 18}, {"iq4_xs", CQK_IQ4_XS, 23, 256, 136},
    {"mxfp4", CQK_MXFP4, 39, 32, 17}};

void random_blocks(const block_format *f, uint8_t *out, size_t count) {
  for (size_t i = 0; i < count * (size_t)f->bytes; i++) out[i] = (uint8_t)any64();
  for (size_t b = 0; b < count; b++, out += f->bytes) {
    // Where the binary16 scales are; exponents up to 2^5, sometimes subnormal.
    int at[2] = {0, -1};
    switch (f->format) {
      case CQK_Q4_1: case CQK_Q5_1: case CQK_Q4_K: case CQK_Q5_K: at[1] = 2; break;
      case CQK_Q2_K: at[0] = 80; at[1] = 82; break;
      case CQK_Q3_K: at[0] = 108; break;
      case CQK_Q6_K: at[0] = 208; break;
      case CQK_MXFP4: out[0] = (uint8_t)(100 + any64() % 40); continue;
      default: break;
    }
    for (int k = 0; k < 2 && at[k] >= 0; k++) {
      uint16_t h;
      memcpy(&h, out + at[k], 2);
      h = (uint16_t)((h & 0x83FF) | (any64() % 21) << 10);
      memcpy(out + at[k], &h, 2);
    }
  }
}

static int level_named(const char *name, int *quant, int *runtime) {
  *runtime = CRK_LEVEL_PORTABLE;
  if (!strcmp(name, "portable")) *quant = CQK_LEVEL_PORTABLE;
  else if (!strcmp(name, "neon")) *quant = CQK_LEVEL_NEON;
  else if (!strcmp(name, "avx2")) { *quant = CQK_LEVEL_AVX2; *runtime = CRK_LEVEL_AVX2; }
  else if (!strcmp(name, "avx512")) { *quant = CQK_LEVEL_AVX512; *runtime = CRK_LEVEL_AVX512; }
  else return 0;
  return cqk_level_available(*quant) && crk_level_available(*runtime);
}

int main(int argc, char **argv) {
  if (argc < 3 || !level_named(argv[1], &quant_level, &runtime_level)) {
    fprintf(stderr, "usage: harness LEVEL OUT [PARTS], with a level that this CPU has\n");
    return 2;
  }
  char index[4096];
  snprintf(index, sizeof index, "%s.index", argv[2]);
  results = fopen(argv[2], "wb");
  names = fopen(index, "w");
  if (!results || !names) { perror(argv[2]); return 2; }
  const char *parts = argc > 3 ? argv[3] : "qdcpr";
  printf("products: %s\n", cdk_kernels_of(quant_level)->name);
  if (strchr(parts, 'q')) run_quantizers();
  if (strchr(parts, 'd')) run_decoders();
  if (strchr(parts, 'c')) run_checks();
  if (strchr(parts, 'p')) run_products();
  if (strchr(parts, 'r')) run_runtime();
  return fclose(results) || fclose(names) ? 4 : 0;
}
