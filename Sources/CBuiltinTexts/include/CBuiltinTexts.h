// Texts that every build carries, so that a copied executable has something to measure on.
#ifndef C_BUILTIN_TEXTS_H
#define C_BUILTIN_TEXTS_H

#include <stddef.h>

// samples/texts/svg-plain.txt; CC BY-SA 4.0, see samples/README.md.
const void *cbt_svg_plain(void);
size_t cbt_svg_plain_size(void);

#endif
