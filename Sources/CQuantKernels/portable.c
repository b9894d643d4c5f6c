// Four lanes: what every x86-64 has (SSE2), and NEON on AArch64.
#pragma clang fp contract(off)

#if defined(__SSE2__)
#include <emmintrin.h>
#define ANY(mask) (_mm_movemask_ps((__m128)(mask)) != 0)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define IQ4_NEAREST "iq4_neon.inc.h"
#define SIMPLE_BLOCKS "simple_neon.inc.h"
#define ANY(mask) (vmaxvq_u32((uint32x4_t)(mask)) != 0)
#else
#define ANY(mask) (((mask)[0] | (mask)[1] | (mask)[2] | (mask)[3]) != 0)
#endif

#define LANES 4
#define LEVEL cqk_level_portable
#define LEVEL_NAME "portable"
#include "lanes/level.inc.h"
