#include "CRsvg.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Numbers of cairo's interface.
enum { FORMAT_ARGB32 = 0, STATUS_SUCCESS = 0, STATUS_WRITE_ERROR = 11 };

typedef struct {
  uint32_t domain;
  int code;
  char *message;
} glib_error;

typedef struct {
  double x, y, width, height;
} rectangle;

typedef int (*write_function)(void *context, const unsigned char *data, unsigned count);

static struct {
  void *(*handle_new_from_data)(const uint8_t *, size_t, glib_error **);
  void (*handle_set_dpi)(void *, double);
  int (*handle_render_document)(void *, void *, const rectangle *, glib_error **);
  void (*object_unref)(void *);
  void (*error_free)(glib_error *);
  void *(*image_surface_create)(int, int, int);
  int (*surface_status)(void *);
  void (*surface_flush)(void *);
  void (*surface_destroy)(void *);
  uint8_t *(*image_surface_get_data)(void *);
  int (*image_surface_get_stride)(void *);
  int (*surface_write_to_png_stream)(void *, write_function, void *);
  void *(*create)(void *);
  void (*destroy)(void *);
  const unsigned *major, *minor, *micro;
} rsvg;

static bool resolve(void *library, char *problem, size_t size) {
  struct {
    const char *name;
    void *place;
  } const symbols[] = {
    {"rsvg_handle_new_from_data", &rsvg.handle_new_from_data},
    {"rsvg_handle_set_dpi", &rsvg.handle_set_dpi},
    {"rsvg_handle_render_document", &rsvg.handle_render_document},
    {"g_object_unref", &rsvg.object_unref},
    {"g_error_free", &rsvg.error_free},
    {"cairo_image_surface_create", &rsvg.image_surface_create},
    {"cairo_surface_status", &rsvg.surface_status},
    {"cairo_surface_flush", &rsvg.surface_flush},
    {"cairo_surface_destroy", &rsvg.surface_destroy},
    {"cairo_image_surface_get_data", &rsvg.image_surface_get_data},
    {"cairo_image_surface_get_stride", &rsvg.image_surface_get_stride},
    {"cairo_surface_write_to_png_stream", &rsvg.surface_write_to_png_stream},
    {"cairo_create", &rsvg.create},
    {"cairo_destroy", &rsvg.destroy},
    {"rsvg_major_version", &rsvg.major},
    {"rsvg_minor_version", &rsvg.minor},
    {"rsvg_micro_version", &rsvg.micro},
  };
  for (size_t index = 0; index < sizeof symbols / sizeof *symbols; index++) {
    // Those of cairo and glib are found through librsvg, which depends on them.
    void *address = dlsym(library, symbols[index].name);
    if (!address) {
      snprintf(problem, size, "a librsvg without %s, which came with version 2.46", symbols[index].name);
      return false;
    }
    memcpy(symbols[index].place, &address, sizeof address);
  }
  return true;
}

static char problem[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
#ifdef __APPLE__
  static const char *const names[] = {
    "librsvg-2.2.dylib", "/opt/homebrew/lib/librsvg-2.2.dylib", "/usr/local/lib/librsvg-2.2.dylib"};
#else
  static const char *const names[] = {"librsvg-2.so.2"};
#endif
  void *library = NULL;
  for (size_t index = 0; index < sizeof names / sizeof *names && !library; index++) {
    library = dlopen(names[index], RTLD_NOW | RTLD_LOCAL);
  }
  if (!library) {
    snprintf(problem, sizeof problem, "no %s", names[0]);
  } else if (!resolve(library, problem, sizeof problem)) {
    memset(&rsvg, 0, sizeof rsvg);
    dlclose(library);
  }
}

const char *crsvg_load(void) {
  pthread_once(&once, load);
  return *problem ? problem : NULL;
}

void crsvg_version(unsigned numbers[3]) {
  bool is_there = !crsvg_load();
  numbers[0] = is_there ? *rsvg.major : 0;
  numbers[1] = is_there ? *rsvg.minor : 0;
  numbers[2] = is_there ? *rsvg.micro : 0;
}

typedef struct {
  uint8_t *bytes;
  size_t size, capacity;
} sink;

static int put(void *context, const unsigned char *data, unsigned count) {
  sink *target = context;
  if (target->capacity - target->size < count) {
    size_t capacity = 2 * (target->size + count);
    uint8_t *bytes = realloc(target->bytes, capacity);
    if (!bytes) return STATUS_WRITE_ERROR;
    target->bytes = bytes;
    target->capacity = capacity;
  }
  memcpy(target->bytes + target->size, data, count);
  target->size += count;
  return STATUS_SUCCESS;
}

static void refuse(crsvg_picture *picture, glib_error *error) {
  snprintf(
    picture->message, sizeof picture->message, "%s", error && error->message ? error->message : "an unknown error");
  if (error) rsvg.error_free(error);
}

void crsvg_render(const uint8_t *source, size_t size, int width, int height, crsvg_picture *picture) {
  memset(picture, 0, sizeof *picture);
  glib_error *error = NULL;
  void *handle = rsvg.handle_new_from_data(source, size, &error);
  if (!handle) {
    refuse(picture, error);
    return;
  }
  // CSS has 96 pixels to the inch; librsvg's default is 90.
  rsvg.handle_set_dpi(handle, 96);
  void *surface = rsvg.image_surface_create(FORMAT_ARGB32, width, height);
  void *context = surface && rsvg.surface_status(surface) == STATUS_SUCCESS ? rsvg.create(surface) : NULL;
  picture->surface = surface;
  if (!context) {
    picture->is_out_of_memory = 1;
  } else {
    const rectangle viewport = {0, 0, width, height};
    if (!rsvg.handle_render_document(handle, context, &viewport, &error)) {
      refuse(picture, error);
    } else {
      rsvg.surface_flush(surface);
      picture->pixels = rsvg.image_surface_get_data(surface);
      picture->stride = (size_t)rsvg.image_surface_get_stride(surface);
      sink png = {NULL, 0, 0};
      if (rsvg.surface_write_to_png_stream(surface, put, &png) != STATUS_SUCCESS) png.size = 0;
      picture->png = png.bytes;
      picture->png_size = png.size;
    }
    rsvg.destroy(context);
  }
  rsvg.object_unref(handle);
}

void crsvg_free(crsvg_picture *picture) {
  if (picture->surface) rsvg.surface_destroy(picture->surface);
  free((void *)picture->png);
  memset(picture, 0, sizeof *picture);
}
