#ifndef CQUANTKERNELS_H
#define CQUANTKERNELS_H
#include "CDotKernels.h"
/// The name of the kernel level in use.
const char *cqk_level_name(void);
#endif
