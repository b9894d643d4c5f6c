/// librsvg and cairo, found when a drawing is rendered for the first time: nothing has to be there to build with, and nothing
/// is linked.
///
/// What is used of them is part of their stable binary interfaces: librsvg from version 2.46, cairo from 1.2.
#ifndef CRSVG_H
#define CRSVG_H

#include <stddef.h>
#include <stdint.h>

/// Loads the libraries; later calls tell the same. May be called by any thread.
///
/// - Returns: NULL when they are there; else why they cannot be used.
const char *crsvg_load(void);

/// The version of librsvg in three numbers; zeros where it is not there.
void crsvg_version(unsigned numbers[3]);

/// A picture, or why there is none.
typedef struct {
  /// Rows of native 32-bit words, opacity in the top byte, colours multiplied by it; NULL without a picture.
  const uint8_t *pixels;
  /// Bytes from one row to the next.
  size_t stride;
  /// The same as a PNG file; empty when it could not be made.
  const uint8_t *png;
  size_t png_size;
  /// Whether there was no memory for the picture; librsvg has refused the drawing otherwise.
  int is_out_of_memory;
  /// What librsvg says of a drawing that it refuses; empty otherwise.
  char message[512];
  /// What holds the pixels.
  void *surface;
} crsvg_picture;

/// Renders a drawing on a transparent ground, whole and centred, 96 pixels to the inch.
///
/// Not to be called before `crsvg_load` has succeeded. What it fills in is freed by `crsvg_free`.
void crsvg_render(const uint8_t *source, size_t size, int width, int height, crsvg_picture *picture);

/// Frees what a picture holds.
void crsvg_free(crsvg_picture *picture);

#endif
