internal import FileBytes
internal import Foundation
internal import Synchronization

#if canImport(FoundationNetworking)
  internal import FoundationNetworking
#endif

/// Sends requests and waits for their answers, each on the thread that asks; follows no redirect.
///
/// The only place that knows the networking library. Redirects come back as answers: the library would carry the
/// `Authorization` header along to other hosts.
final class HTTPTransport: NSObject, URLSessionDataDelegate {
  private let exchanges = Mutex<[Int: HTTPExchange]>([:])
  private let session = Mutex<URLSession?>(nil)
  private let connectionCount: Int
  private let timeout: Double
  private let slowestRate: Double
  private let isCancelled: @Sendable () -> Bool

  init(_ settings: HubSettings, isCancelled: @escaping @Sendable () -> Bool) {
    connectionCount = settings.connectionCount
    timeout = settings.timeout
    slowestRate = settings.retries.slowestRate
    self.isCancelled = isCancelled
  }

  /// Lets go of the connections, when the last request ends.
  func close() {
    session.withLock {
      $0?.finishTasksAndInvalidate()
      $0 = nil
    }
  }

  private func openSession() -> URLSession {
    session.withLock { session in
      if let session { return session }
      let configuration = URLSessionConfiguration.ephemeral
      configuration.httpMaximumConnectionsPerHost = connectionCount
      configuration.httpShouldSetCookies = false
      configuration.httpCookieAcceptPolicy = .never
      configuration.urlCache = nil
      // Ours is the watch: the library's timer knows nothing of slow answers.
      configuration.timeoutIntervalForRequest = 4 * timeout + 60
      let queue = OperationQueue()
      queue.maxConcurrentOperationCount = 1
      let made = URLSession(configuration: configuration, delegate: self, delegateQueue: queue)
      session = made
      return made
    }
  }

  /// Sends a request.
  ///
  /// - Parameters:
  ///   - url: The address.
  ///   - headers: Headers on top of those that all requests have.
  ///   - body: Where the body of the answer goes.
  ///   - wantsBody: Whether the body of an answer is wanted.
  /// - Returns: What came of it.
  func send(
    _ url: URL, headers: [String: String], body: HTTPExchange.Body,
    wantsBody: @escaping @Sendable (HTTPAnswer) -> Bool
  ) -> HTTPExchange.Outcome {
    var request = URLRequest(url: url)
    request.cachePolicy = .reloadIgnoringLocalCacheData
    request.httpShouldHandleCookies = false
    // Compressed bytes would have other offsets and sizes than the file.
    request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")
    request.setValue("pouch", forHTTPHeaderField: "User-Agent")
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let exchange = HTTPExchange(body: body, wantsBody: wantsBody)
    let task = openSession().dataTask(with: request)
    exchanges.withLock { $0[task.taskIdentifier] = exchange }
    task.resume()
    let outcome = exchange.wait(timeout: timeout, slowestRate: slowestRate, isCancelled: isCancelled)
    _ = exchanges.withLock { $0.removeValue(forKey: task.taskIdentifier) }
    if outcome.isUnderWay { task.cancel() }
    return outcome
  }

  private func exchange(_ task: URLSessionTask) -> HTTPExchange? {
    exchanges.withLock { $0[task.taskIdentifier] }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
  ) {
    exchange(task)?.take(Self.answer(response))
    completionHandler(nil)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
  ) {
    if let response = response as? HTTPURLResponse { exchange(dataTask)?.take(Self.answer(response)) }
    // Refused in place of this, the library goes on receiving for a while, and keeps the bytes.
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    guard let exchange = exchange(dataTask) else { return }
    if !exchange.take(data) { dataTask.cancel() }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    exchange(task)?.end(error.map(Self.failure))
  }

  private static func answer(_ response: HTTPURLResponse) -> HTTPAnswer {
    HTTPAnswer(
      url: response.url ?? URL(fileURLWithPath: "/"), status: response.statusCode,
      headers: response.allHeaderFields.compactMap { name, value in
        guard let name = name as? String, let value = value as? String else { return nil }
        return (name, value)
      })
  }

  private static func failure(_ error: any Error) -> TransportFailure {
    let text = (error as NSError).localizedDescription
    // On Linux such failures have no code of their own.
    if text.contains("certificate") { return .refused(text) }
    guard let code = (error as? URLError)?.code else { return .broken(text) }
    switch code {
    case .serverCertificateUntrusted, .serverCertificateHasBadDate, .serverCertificateHasUnknownRoot,
      .serverCertificateNotYetValid, .clientCertificateRejected, .secureConnectionFailed, .unsupportedURL,
      .badURL:
      return .refused(text)
    default: return .broken(text)
    }
  }
}
