// Which levels this CPU can run.

#include "dot_common.h"

int cdk_level_count(void) { return 1; }

const cdk_kernels *cdk_level(int index) { return index == 0 ? &cdk_portable : NULL; }
