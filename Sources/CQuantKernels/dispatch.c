#include "CQuantKernels.h"
const char *cqk_level_name(void) { return "portable"; }
