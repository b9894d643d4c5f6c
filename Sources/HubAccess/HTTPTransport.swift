internal import CCurl
internal import FileBytes
internal import Foundation
internal import Synchronization

/// Sends requests and waits for their answers, each on the thread that asks; follows no redirect.
///
/// The only place that knows the networking library, which is loaded by the first request. Redirects come back as answers:
/// what leads elsewhere must not see the token. Connections stay open for later requests, of whichever thread.
final class HTTPTransport: Sendable {
  /// Handles of the library that nobody uses at the moment, and the number of the others.
  ///
  /// Unchecked: a handle is used by one thread at a time, the one that took it out of the list.
  private struct Handles: @unchecked Sendable {
    var idle: [OpaquePointer] = []
    var busyCount = 0
  }

  private let handles = Mutex(Handles())
  private let isClosed = Atomic<Bool>(false)
  private let slowestRate: Double
  private let certificates: HubSettings.Certificates?
  private let isCancelled: @Sendable () -> Bool

  init(_ settings: HubSettings, isCancelled: @escaping @Sendable () -> Bool) {
    slowestRate = settings.retries.slowestRate
    certificates = settings.certificates
    self.isCancelled = isCancelled
  }

  deinit { close() }

  /// Ends the requests that are under way and closes the connections.
  ///
  /// Waits for the end of these, since a process must not exit while the library is at work: what it uses is taken down
  /// then. Not forever: the search for a name cannot be broken off.
  func close() {
    isClosed.store(true, ordering: .releasing)
    let deadline = ContinuousClock.now + .seconds(3)
    while handles.withLock({ $0.busyCount > 0 }), ContinuousClock.now < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    let idle = handles.withLock { handles in
      defer { handles.idle = [] }
      return Handles(idle: handles.idle)
    }
    for handle in idle.idle { ccurl_close(handle) }
  }

  /// Takes a handle, a new one where all are in use.
  private func take() -> OpaquePointer? {
    let known = handles.withLock { handles in
      handles.busyCount += 1
      return handles.idle.popLast()
    }
    if let handle = known ?? ccurl_open() { return handle }
    handles.withLock { $0.busyCount -= 1 }
    return nil
  }

  /// Gives a handle back, whose connections stay open unless all are closed by now.
  private func giveBack(_ handle: OpaquePointer) {
    let isKept = !isClosed.load(ordering: .acquiring)
    if !isKept { ccurl_close(handle) }
    handles.withLock { handles in
      if isKept { handles.idle.append(handle) }
      handles.busyCount -= 1
    }
  }

  /// Sends a request.
  ///
  /// - Parameters:
  ///   - url: The address.
  ///   - headers: Headers on top of those that all requests have.
  ///   - body: Where the body of the answer goes.
  ///   - timeout: Seconds without any byte after which the answer counts as lost.
  ///   - wantsBody: Whether the body of an answer is wanted.
  /// - Returns: What came of it.
  /// - Throws: ``HubError`` with `noLibrary` when the library is not there.
  func send(
    _ url: URL, headers: [String: String], body: HTTPExchange.Body, timeout: Double,
    wantsBody: @escaping (HTTPAnswer) -> Bool
  ) throws -> HTTPExchange.Outcome {
    try Self.requireLibrary()
    let exchange = HTTPExchange(
      url, body: body, patience: HTTPExchange.Patience(timeout: timeout, slowestRate: slowestRate),
      isCancelled: { [self] in isClosed.load(ordering: .acquiring) || isCancelled() }, wantsBody: wantsBody)
    guard let handle = take() else {
      exchange.end(.broken("no memory for a connection"))
      return exchange.outcome
    }
    defer { giveBack(handle) }
    // Compressed bytes would have other offsets and sizes than the file.
    let lines = ["Accept-Encoding: identity"] + headers.map { "\($0): \($1)" }
    switch perform(handle, url, lines, connectTimeout: timeout, exchange) {
    case CCURL_BROKEN: exchange.end(.broken(String(cString: ccurl_message(handle))))
    case CCURL_REFUSED: exchange.end(.refused(String(cString: ccurl_message(handle))))
    default: break
    }
    return exchange.outcome
  }

  private func perform(
    _ handle: OpaquePointer, _ url: URL, _ lines: [String], connectTimeout: Double, _ exchange: HTTPExchange
  ) -> ccurl_end {
    withCStrings([url.absoluteString, certificates?.file, certificates?.folder] + lines) { texts in
      texts[3...].withUnsafeBufferPointer { headers in
        var request = ccurl_request()
        (request.url, request.certificate_file, request.certificate_folder) = (texts[0], texts[1], texts[2])
        (request.headers, request.header_count) = (headers.baseAddress, headers.count)
        request.connect_milliseconds = Int(connectTimeout * 1000)
        request.context = Unmanaged.passUnretained(exchange).toOpaque()
        request.on_header = { request, bytes, count in
          guard let request, let exchange = HTTPTransport.exchange(request) else { return false }
          let isWanted = exchange.take(line: UnsafeRawBufferPointer(start: bytes, count: count))
          if let place = exchange.place {
            request.pointee.place = place.baseAddress?.assumingMemoryBound(to: UInt8.self)
            request.pointee.place_size = place.count
          }
          return isWanted
        }
        request.on_body = { request, bytes, count in
          guard let request else { return false }
          let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
          return HTTPTransport.exchange(request)?.take(body: bytes) ?? false
        }
        request.on_wait = { request in
          guard let request else { return false }
          return HTTPTransport.exchange(request)?.watch(placedCount: request.pointee.placed_count) ?? false
        }
        return withExtendedLifetime(exchange) {
          defer { exchange.note(placedCount: request.placed_count) }
          return ccurl_get(handle, &request)
        }
      }
    }
  }

  /// The exchange that `perform` gave along, which holds it until the request has ended.
  private static func exchange(_ request: UnsafeMutablePointer<ccurl_request>) -> HTTPExchange? {
    request.pointee.context.map { Unmanaged<HTTPExchange>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Why the library cannot be used; `nil` when it can.
  private static let problem: String? = ccurl_load().map { String(cString: $0) }

  private static func requireLibrary() throws {
    guard let problem else { return }
    throw HubError(
      .noLibrary,
      Fault(
        subject: "libcurl", expected: "the library that asks the hub (libcurl.so.4, version 7.66 or later)",
        found: problem,
        remedy:
          "install it, with apt-get install libcurl4 or dnf install libcurl; or fetch the model on another "
          + "machine and name its folder"))
  }
}

/// Calls `body` with texts as C has them.
private func withCStrings<Result>(
  _ texts: [String?], _ body: ([UnsafePointer<CChar>?]) -> Result
) -> Result {
  let copies = texts.map { $0.flatMap { strdup($0) } }
  defer { for copy in copies { free(copy) } }
  return body(copies.map { $0.map { UnsafePointer($0) } })
}
