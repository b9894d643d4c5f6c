/// libcurl, found when it is first needed: nothing has to be there to build with, and nothing is linked.
///
/// What is declared here of the library is part of its stable binary interface, version 4. Functions with a fixed number of
/// arguments stand before the library's own, which take any.
#ifndef CCURL_H
#define CCURL_H

#include <stdbool.h>
#include <stddef.h>

/// Loads the library; later calls tell the same.
///
/// Not to be called by two threads at once the first time.
///
/// - Returns: NULL when it is there; else why it cannot be used.
const char *ccurl_load(void);

/// Requests of one thread at a time, with the connections that they leave open for those that follow.
typedef struct ccurl_handle ccurl_handle;

/// Makes a handle; NULL when there is no memory.
ccurl_handle *ccurl_open(void);

/// Closes the connections and frees the handle.
void ccurl_close(ccurl_handle *handle);

/// A request by GET; it follows no redirect and keeps no cookies.
typedef struct ccurl_request ccurl_request;

struct ccurl_request {
  /// The address, of http or https.
  const char *url;
  /// Lines of the head, without their ends.
  const char *const *headers;
  size_t header_count;
  /// A file of certificates that are trusted, and a folder of such; NULL for those of the system.
  const char *certificate_file;
  const char *certificate_folder;
  /// Milliseconds for a connection to be made.
  long connect_milliseconds;
  /// Where the body is put, for as long as it fits; NULL gives it to `on_body`. May be set by `on_header`.
  unsigned char *place;
  size_t place_size;
  /// Bytes that were put there.
  size_t placed_count;
  /// For the functions below, each of which ends the request by false.
  void *context;
  /// Takes a line of an answer's head, its end included; an empty one is the last.
  bool (*on_header)(ccurl_request *request, const char *bytes, size_t count);
  /// Takes bytes of the body that have no place.
  bool (*on_body)(ccurl_request *request, const void *bytes, size_t count);
  /// Asked after everything that came, and ten times a second while nothing comes.
  bool (*on_wait)(ccurl_request *request);
};

/// How a request ended.
typedef enum {
  /// With the whole answer.
  CCURL_DONE,
  /// By one of the functions.
  CCURL_STOPPED,
  /// By a failure that may be gone the next time.
  CCURL_BROKEN,
  /// By one that stays: an address or certificate that is not accepted.
  CCURL_REFUSED,
} ccurl_end;

/// Sends a request and gives what comes to its functions, all on this thread.
///
/// - Returns: How it ended.
ccurl_end ccurl_get(ccurl_handle *handle, ccurl_request *request);

/// What was wrong with the last request of a handle; valid until the next one.
const char *ccurl_message(const ccurl_handle *handle);

#endif
