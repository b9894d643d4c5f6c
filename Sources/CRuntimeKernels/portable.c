// The definition: plain code for the build's own target (NEON on arm64).
#define CRK_SCORE_QUERIES 1
#define CRK_GATHER_QUERIES 4
#define CRK_COLUMNS 1
#define CRK_TABLE crk_level_portable
#include "lanes.h"
