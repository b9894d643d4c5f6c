#include "CCurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Numbers of the library's interface. The thousands say what an option takes: 0 a long, 10000 a pointer, 20000 a function.
enum {
  OPT_WRITEDATA = 10001,
  OPT_URL = 10002,
  OPT_ERRORBUFFER = 10010,
  OPT_USERAGENT = 10018,
  OPT_HTTPHEADER = 10023,
  OPT_HEADERDATA = 10029,
  OPT_CAINFO = 10065,
  OPT_CAPATH = 10097,
  OPT_PROTOCOLS_STR = 10318,
  OPT_WRITEFUNCTION = 20011,
  OPT_HEADERFUNCTION = 20079,
  OPT_FOLLOWLOCATION = 52,
  OPT_HTTP_VERSION = 84,
  OPT_BUFFERSIZE = 98,
  OPT_NOSIGNAL = 99,
  OPT_CONNECTTIMEOUT_MS = 156,
  OPT_PROTOCOLS = 181,
  OPT_TCP_KEEPALIVE = 213,
  OPT_PATH_AS_IS = 234,
  OPT_SUPPRESS_CONNECT_HEADERS = 265,
};
enum { GLOBAL_DEFAULT = 3, HTTP_VERSION_1_1 = 2, PROTOCOL_HTTP = 1, PROTOCOL_HTTPS = 2, MESSAGE_DONE = 1 };
enum { ERROR_BUFFER_SIZE = 256, BUFFER_SIZE = 512 << 10, WAIT_MILLISECONDS = 100 };

typedef struct {
  int kind;
  void *easy;
  union {
    void *whatever;
    int result;
  } data;
} message;

struct list;

static struct {
  int (*global_init)(long);
  void *(*easy_init)(void);
  int (*easy_setopt)(void *, int, ...);
  void (*easy_cleanup)(void *);
  void (*easy_reset)(void *);
  const char *(*easy_strerror)(int);
  struct list *(*slist_append)(struct list *, const char *);
  void (*slist_free_all)(struct list *);
  void *(*multi_init)(void);
  int (*multi_cleanup)(void *);
  int (*multi_add_handle)(void *, void *);
  int (*multi_remove_handle)(void *, void *);
  int (*multi_perform)(void *, int *);
  int (*multi_poll)(void *, void *, unsigned, int, int *);
  message *(*multi_info_read)(void *, int *);
} curl;

struct ccurl_handle {
  void *easy;
  void *multi;
  ccurl_request *request;
  bool is_stopped;
  char message[ERROR_BUFFER_SIZE];
};

static bool resolve(void *library, char *problem, size_t size) {
  struct {
    const char *name;
    void *place;
  } const functions[] = {
    {"curl_global_init", &curl.global_init},
    {"curl_easy_init", &curl.easy_init},
    {"curl_easy_setopt", &curl.easy_setopt},
    {"curl_easy_cleanup", &curl.easy_cleanup},
    {"curl_easy_reset", &curl.easy_reset},
    {"curl_easy_strerror", &curl.easy_strerror},
    {"curl_slist_append", &curl.slist_append},
    {"curl_slist_free_all", &curl.slist_free_all},
    {"curl_multi_init", &curl.multi_init},
    {"curl_multi_cleanup", &curl.multi_cleanup},
    {"curl_multi_add_handle", &curl.multi_add_handle},
    {"curl_multi_remove_handle", &curl.multi_remove_handle},
    {"curl_multi_perform", &curl.multi_perform},
    {"curl_multi_poll", &curl.multi_poll},
    {"curl_multi_info_read", &curl.multi_info_read},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *found = dlsym(library, functions[i].name);
    if (!found) {
      snprintf(problem, size, "a libcurl without %s, older than 7.66", functions[i].name);
      return false;
    }
    memcpy(functions[i].place, &found, sizeof found);
  }
  return true;
}

const char *ccurl_load(void) {
  static bool is_tried;
  static char problem[400];
  if (is_tried) return *problem ? problem : NULL;
  is_tried = true;
#ifdef __APPLE__
  const char *const names[] = {"/usr/lib/libcurl.4.dylib", "libcurl.4.dylib"};
#else
  const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
#endif
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      // The first name is the usual one: what is said of it helps most.
      const char *text = dlerror();
      if (!*problem) snprintf(problem, sizeof problem, "%s", text ? text : names[i]);
      continue;
    }
    if (!resolve(library, problem, sizeof problem)) continue;
    int code = curl.global_init(GLOBAL_DEFAULT);
    if (code == 0) {
      *problem = 0;
      return NULL;
    }
    snprintf(problem, sizeof problem, "%s", curl.easy_strerror(code));
    return problem;
  }
  return problem;
}

// MARK: - Signals

// Some versions write to connections that the other side has closed; the signal for that must not end the process, and what
// other threads do about it is not ours to change.
typedef struct {
  sigset_t before;
  bool was_pending;
} pipe_guard;

static bool pipe_is_pending(void) {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void begin_guard(pipe_guard *guard) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  guard->was_pending = pipe_is_pending();
  pthread_sigmask(SIG_BLOCK, &set, &guard->before);
}

static void end_guard(const pipe_guard *guard) {
  if (!guard->was_pending && pipe_is_pending()) {
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigwait(&set, &number);
  }
  pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

// MARK: - Requests

ccurl_handle *ccurl_open(void) {
  ccurl_handle *handle = calloc(1, sizeof *handle);
  if (!handle) return NULL;
  handle->easy = curl.easy_init();
  handle->multi = curl.multi_init();
  if (handle->easy && handle->multi) return handle;
  ccurl_close(handle);
  return NULL;
}

void ccurl_close(ccurl_handle *handle) {
  pipe_guard guard;
  begin_guard(&guard);
  if (handle->easy) curl.easy_cleanup(handle->easy);
  if (handle->multi) curl.multi_cleanup(handle->multi);
  end_guard(&guard);
  free(handle);
}

const char *ccurl_message(const ccurl_handle *handle) { return handle->message; }

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
  ccurl_handle *handle = context;
  if (handle->request->on_header(handle->request, bytes, size * count)) return size * count;
  handle->is_stopped = true;
  return 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
  ccurl_handle *handle = context;
  ccurl_request *request = handle->request;
  if (request->place && size * count <= request->place_size - request->placed_count) {
    memcpy(request->place + request->placed_count, bytes, size * count);
    request->placed_count += size * count;
    return size * count;
  }
  if (request->on_body(request, bytes, size * count)) return size * count;
  handle->is_stopped = true;
  // Any other number than came ends it; 0 would not, where nothing came.
  return size * count + 1;
}

static void set_options(ccurl_handle *handle, struct list *headers) {
  const ccurl_request *request = handle->request;
  void *easy = handle->easy;
  curl.easy_reset(easy);
  curl.easy_setopt(easy, OPT_URL, request->url);
  curl.easy_setopt(easy, OPT_HTTPHEADER, headers);
  curl.easy_setopt(easy, OPT_USERAGENT, "pouch");
  curl.easy_setopt(easy, OPT_ERRORBUFFER, handle->message);
  curl.easy_setopt(easy, OPT_HEADERFUNCTION, take_header);
  curl.easy_setopt(easy, OPT_HEADERDATA, handle);
  curl.easy_setopt(easy, OPT_WRITEFUNCTION, take_body);
  curl.easy_setopt(easy, OPT_WRITEDATA, handle);
  if (request->certificate_file) curl.easy_setopt(easy, OPT_CAINFO, request->certificate_file);
  if (request->certificate_folder) curl.easy_setopt(easy, OPT_CAPATH, request->certificate_folder);
  // The older option of the two is gone from the documents, and one day perhaps from the library.
  if (curl.easy_setopt(easy, OPT_PROTOCOLS_STR, "http,https") != 0) {
    curl.easy_setopt(easy, OPT_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
  }
  curl.easy_setopt(easy, OPT_FOLLOWLOCATION, 0L);
  // Streams that share a connection would share its rate.
  curl.easy_setopt(easy, OPT_HTTP_VERSION, (long)HTTP_VERSION_1_1);
  curl.easy_setopt(easy, OPT_BUFFERSIZE, (long)BUFFER_SIZE);
  curl.easy_setopt(easy, OPT_CONNECTTIMEOUT_MS, request->connect_milliseconds);
  curl.easy_setopt(easy, OPT_NOSIGNAL, 1L);
  curl.easy_setopt(easy, OPT_TCP_KEEPALIVE, 1L);
  curl.easy_setopt(easy, OPT_PATH_AS_IS, 1L);
  curl.easy_setopt(easy, OPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static ccurl_end classify(int code) {
  switch (code) {
  case 0: return CCURL_DONE;
  case 1:   // a protocol that is not supported
  case 3:   // no address
  case 58:  // a certificate of ours
  case 59:  // ciphers
  case 60:  // the other side's certificate
  case 77:  // the file of certificates
  case 82:  // a list of revoked ones
  case 83:  // an issuer
  case 91:  // a revoked one
    return CCURL_REFUSED;
  default: return CCURL_BROKEN;
  }
}

/// Drives the request of a handle to its end.
static ccurl_end perform(ccurl_handle *handle) {
  ccurl_request *request = handle->request;
  for (int running = 1; running;) {
    if (curl.multi_perform(handle->multi, &running) != 0) break;
    if (!running) break;
    if (!request->on_wait(request)) return CCURL_STOPPED;
    if (curl.multi_poll(handle->multi, NULL, 0, WAIT_MILLISECONDS, NULL) != 0) break;
  }
  int left = 0;
  for (message *next; (next = curl.multi_info_read(handle->multi, &left));) {
    if (next->kind != MESSAGE_DONE || next->easy != handle->easy) continue;
    if (handle->is_stopped) return CCURL_STOPPED;
    int code = next->data.result;
    if (code != 0 && !*handle->message) {
      snprintf(handle->message, sizeof handle->message, "%s", curl.easy_strerror(code));
    }
    return classify(code);
  }
  snprintf(handle->message, sizeof handle->message, "libcurl gave the request up");
  return CCURL_BROKEN;
}

ccurl_end ccurl_get(ccurl_handle *handle, ccurl_request *request) {
  handle->request = request;
  handle->is_stopped = false;
  *handle->message = 0;
  struct list *headers = NULL;
  for (size_t i = 0; i < request->header_count; i++) {
    struct list *longer = curl.slist_append(headers, request->headers[i]);
    if (!longer) {
      curl.slist_free_all(headers);
      snprintf(handle->message, sizeof handle->message, "no memory");
      return CCURL_BROKEN;
    }
    headers = longer;
  }
  pipe_guard guard;
  begin_guard(&guard);
  set_options(handle, headers);
  ccurl_end end = CCURL_BROKEN;
  if (curl.multi_add_handle(handle->multi, handle->easy) == 0) {
    end = perform(handle);
    curl.multi_remove_handle(handle->multi, handle->easy);
  } else {
    snprintf(handle->message, sizeof handle->message, "libcurl does not take the request");
  }
  // Nothing of the request is kept: it belongs to the caller.
  curl.easy_reset(handle->easy);
  end_guard(&guard);
  curl.slist_free_all(headers);
  handle->request = NULL;
  return end;
}
