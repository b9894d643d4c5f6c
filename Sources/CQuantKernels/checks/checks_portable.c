// What every CPU of the architecture has.
#pragma clang fp contract(off)

#define CHECK_LEVEL cbc_level_portable
#include "checks.inc.h"
