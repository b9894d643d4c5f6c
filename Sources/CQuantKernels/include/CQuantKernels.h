#ifndef CQUANTKERNELS_H
#define CQUANTKERNELS_H
/// The name of the kernel level in use.
const char *cqk_level_name(void);
#endif
