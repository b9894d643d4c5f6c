/* librsvg and cairo as Swift sees them; objects of GLib are passed as plain pointers. */
#include <librsvg/rsvg.h>
#include <cairo.h>
