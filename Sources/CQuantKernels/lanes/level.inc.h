// Everything a level consists of. The including file defines LANES, ANY(mask), LEVEL (the name of the table)
// and LEVEL_NAME, and turns contraction of multiply and add off.

#include "../levels.h"

#include "vectors.inc.h"

#include "affine.inc.h"
#include "posq.inc.h"
#include "symmetric.inc.h"

#include "k_affine.inc.h"
#include "k_symmetric.inc.h"
#include "iq4.inc.h"
#include "simple.inc.h"

#ifdef SIMPLE_BLOCKS
#include SIMPLE_BLOCKS
#define SIMPLE(NAME) simple_##NAME
#else
#define SIMPLE(NAME) quantize_##NAME
#endif

#include "dequantize.inc.h"
#include "floats.inc.h"
#include "groups.inc.h"

const cqk_level LEVEL = {
    .name = LEVEL_NAME,
    .quantize =
        {
            [CQK_Q4_0] = SIMPLE(q4_0),
            [CQK_Q4_1] = SIMPLE(q4_1),
            [CQK_Q5_0] = SIMPLE(q5_0),
            [CQK_Q5_1] = SIMPLE(q5_1),
            [CQK_Q8_0] = SIMPLE(q8_0),
            [CQK_Q2_K] = quantize_q2_k,
            [CQK_Q3_K] = quantize_q3_k,
            [CQK_Q4_K] = quantize_q4_k,
            [CQK_Q5_K] = quantize_q5_k,
            [CQK_Q6_K] = quantize_q6_k,
            [CQK_IQ4_NL] = quantize_iq4_nl,
            [CQK_IQ4_XS] = quantize_iq4_xs,
            [CQK_MXFP4] = SIMPLE(mxfp4),
        },
    .dequantize =
        {
            [CQK_Q4_0] = dequantize_q4_0,
            [CQK_Q4_1] = dequantize_q4_1,
            [CQK_Q5_0] = dequantize_q5_0,
            [CQK_Q5_1] = dequantize_q5_1,
            [CQK_Q8_0] = dequantize_q8_0,
            [CQK_Q2_K] = dequantize_q2_k,
            [CQK_Q3_K] = dequantize_q3_k,
            [CQK_Q4_K] = dequantize_q4_k,
            [CQK_Q5_K] = dequantize_q5_k,
            [CQK_Q6_K] = dequantize_q6_k,
            [CQK_IQ4_NL] = dequantize_iq4_nl,
            [CQK_IQ4_XS] = dequantize_iq4_xs,
            [CQK_MXFP4] = dequantize_mxfp4,
        },
    .widen =
        {
            [CQK_FROM_F32] = widen_f32,
            [CQK_FROM_F16] = widen_f16,
            [CQK_FROM_BF16] = widen_bf16,
            [CQK_FROM_E4M3] = widen_e4m3,
            [CQK_FROM_E5M2] = widen_e5m2,
        },
    .narrow_f16 = narrow_f16,
    .narrow_bf16 = narrow_bf16,
    .first_non_finite = first_non_finite,
    .group_affine = group_affine,
    .group_mxfp4 = group_mxfp4,
    .group_nvfp4 = group_nvfp4,
};
