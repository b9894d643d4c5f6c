#include "CBuiltinTexts.h"

// #embed follows edits of the file and compiles in no time; as a Swift array literal, which is how SwiftPM embeds
// resources, the same 200 KB take the compiler minutes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char svg_plain[] = {
#embed "../../samples/texts/svg-plain.txt"
};

const void *cbt_svg_plain(void) { return svg_plain; }

size_t cbt_svg_plain_size(void) { return sizeof svg_plain; }
