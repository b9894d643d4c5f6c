internal import FileBytes
internal import Foundation

/// Asks a hub, again where that may help, and says in the user's terms what it refuses.
final class HubClient: Sendable {
  let settings: HubSettings
  private let transport: HTTPTransport
  private let isCancelled: @Sendable () -> Bool
  /// Redirects that are followed for one request.
  private static let mostRedirects = 8

  init(_ settings: HubSettings, isCancelled: @escaping @Sendable () -> Bool) {
    self.settings = settings
    self.isCancelled = isCancelled
    transport = HTTPTransport(settings, isCancelled: isCancelled)
  }

  func close() { transport.close() }

  /// The address of something on the endpoint.
  func address(_ path: String) -> URL {
    URL(string: settings.endpoint.absoluteString + path) ?? settings.endpoint
  }

  /// What an address stands for in messages: signed ones are long and nobody's business.
  static func place(_ url: URL) -> String {
    "\(url.scheme ?? "")://\(url.host ?? "")\(url.port.map { ":\($0)" } ?? "")\(url.path)"
  }

  /// What came of a request whose redirects were followed.
  struct Answered {
    var outcome: HTTPExchange.Outcome
    var answer: HTTPAnswer
    /// The answers that led elsewhere, first the endpoint's.
    var redirects: [HTTPAnswer]
  }

  /// Sends a request once and follows redirects; the token goes to the endpoint alone.
  ///
  /// - Parameters:
  ///   - url: The address.
  ///   - headers: Headers on top of those that all requests have.
  ///   - body: Where the body of the answer goes.
  ///   - subject: What messages call it.
  ///   - timeout: Seconds without any byte; those of the settings when `nil`.
  ///   - wantsBody: Whether the body of an answer is wanted; of redirects it never is.
  /// - Returns: What came of the last request, and the answers before it.
  /// - Throws: ``TransportFailure`` when there is no answer, ``HubError`` with `badAnswer` for redirects without an end.
  func send(
    _ url: URL, headers: [String: String] = [:], body: HTTPExchange.Body, subject: String,
    timeout: Double? = nil, wantsBody: @escaping (HTTPAnswer) -> Bool
  ) throws -> Answered {
    var url = url
    var redirects: [HTTPAnswer] = []
    while true {
      var headers = headers
      if let token = settings.token, settings.isEndpoint(url) { headers["Authorization"] = "Bearer \(token)" }
      let outcome = try transport.send(
        url, headers: headers, body: body, timeout: timeout ?? settings.timeout
      ) { !$0.isRedirect && wantsBody($0) }
      guard let answer = outcome.answer else {
        throw outcome.failure ?? .broken("the connection was closed without an answer")
      }
      guard answer.isRedirect else {
        return Answered(outcome: outcome, answer: answer, redirects: redirects)
      }
      redirects.append(answer)
      guard redirects.count <= Self.mostRedirects else {
        throw HubError(
          .badAnswer,
          Fault(
            file: subject, expected: "at most \(Self.mostRedirects) redirects",
            found: "one more, to \(Self.place(url))", remedy: "check HF_ENDPOINT"))
      }
      guard let text = answer.header("location"), let next = URL(string: text, relativeTo: url)?.absoluteURL,
        ["http", "https"].contains(next.scheme?.lowercased()),
        url.scheme?.lowercased() != "https" || next.scheme?.lowercased() == "https"
      else {
        throw HubError(
          .badAnswer,
          Fault(
            file: subject, expected: "a redirect to another address, not to one less secure",
            found: "status \(answer.status) with Location: "
              + (answer.header("location").map { String($0.prefix { $0 != "?" }.prefix(200)) } ?? "none"),
            remedy: "check HF_ENDPOINT"))
      }
      url = next
    }
  }

  /// The attempts of a request.
  func retrying(_ subject: String, attemptCount: Int? = nil) -> Retrying {
    Retrying(
      subject: subject, policy: settings.retries,
      attemptCount: attemptCount ?? settings.retries.attemptCount, isCancelled: isCancelled)
  }

  /// Fetches a whole small document, again where that may help.
  ///
  /// - Parameters:
  ///   - url: The address.
  ///   - limit: The most bytes.
  ///   - subject: What messages call it.
  ///   - attemptCount: Attempts; those of the settings when `nil`.
  ///   - timeout: Seconds without any byte; those of the settings when `nil`.
  /// - Returns: The bytes and the answers' heads.
  /// - Throws: ``HubError``.
  func document(
    _ url: URL, limit: Int, subject: String, attemptCount: Int? = nil, timeout: Double? = nil
  ) throws -> (bytes: [UInt8], answered: Answered) {
    var retrying = retrying(subject, attemptCount: attemptCount)
    while true {
      do {
        let answered = try send(
          url, body: .collected(limit: limit), subject: subject, timeout: timeout,
          wantsBody: { $0.status == 200 })
        guard answered.answer.status == 200 else {
          try refuse(answered.answer, redirects: answered.redirects, subject: subject)
          try retrying.wait(for: answered.answer)
          continue
        }
        if let failure = answered.outcome.failure { throw failure }
        if let count = answered.answer.byteCount, count != answered.outcome.byteCount {
          throw TransportFailure.broken("\(answered.outcome.byteCount) of \(count) bytes")
        }
        return (answered.outcome.bytes, answered)
      } catch let failure as TransportFailure {
        try retrying.wait(after: failure)
      }
    }
  }

  /// Throws what another attempt does not change; returns for everything else.
  ///
  /// - Parameters:
  ///   - answer: The head of the last answer.
  ///   - redirects: The answers before it.
  ///   - subject: What was asked for.
  /// - Throws: ``HubError``.
  func refuse(_ answer: HTTPAnswer, redirects: [HTTPAnswer], subject: String) throws {
    // An answer of another host is no word of the hub's about the file: its signed address may have expired.
    guard redirects.isEmpty || settings.isEndpoint(answer.url) else {
      if [401, 403, 404, 408, 410, 425, 429].contains(answer.status) || answer.status >= 500 { return }
      throw badStatus(answer, subject)
    }
    let host = settings.endpoint.host ?? ""
    let reason = answer.header("x-error-message").map { ", \"\($0.prefix(300))\"" } ?? ""
    let found = "status \(answer.status)\(reason)"
    func fault(_ expected: String, _ remedy: String) -> Fault {
      Fault(file: subject, expected: expected, found: found, remedy: remedy)
    }
    let tokenAdvice =
      settings.token == nil
      ? "if it is private, set HF_TOKEN to a token that may read it"
      : "the token in use may not read it; check HF_TOKEN"
    switch (answer.status, answer.header("x-error-code")) {
    case (_, "GatedRepo"):
      throw HubError(
        .gated,
        fault(
          "a model that may be read",
          "accept its licence on its page at \(host), then set HF_TOKEN to a token of that account"))
    case (401, _) where settings.token != nil && answer.header("x-error-code") == nil:
      throw HubError(
        .unauthorized,
        fault("a token that \(host) accepts", "check HF_TOKEN, or make a new token; " + tokenAdvice))
    case (_, "RevisionNotFound"):
      throw HubError(
        .noRevision, fault("a revision of this model", "check the branch, tag or commit after @"))
    case (_, "EntryNotFound"):
      throw HubError(.noFile, fault("a file of this model", "the repository lacks it; check the revision"))
    case (401, _), (_, "RepoNotFound"):
      throw HubError(
        .noRepository, fault("a model at \(host)", "check the name for typing errors; " + tokenAdvice))
    case (403, _):
      throw HubError(
        .gated,
        fault(
          "a model that may be read",
          "accept its licence on its page at \(host) and set HF_TOKEN; " + tokenAdvice))
    case (404, _): throw HubError(.noFile, fault("an answer of \(host)", "check the name and HF_ENDPOINT"))
    case (408, _), (425, _), (429, _), (500..., _): return
    default: throw badStatus(answer, subject)
    }
  }

  func badStatus(_ answer: HTTPAnswer, _ subject: String) -> HubError {
    HubError(
      .badAnswer,
      Fault(
        file: subject, expected: "status 200 or 206 of \(answer.url.host ?? "the hub")",
        found: "\(answer.status)", remedy: "try again later; check HF_ENDPOINT and proxies"))
  }
}

/// The attempts of one request.
struct Retrying {
  let subject: String
  let policy: RetryPolicy
  let attemptCount: Int
  let isCancelled: @Sendable () -> Bool
  private var failures = 0

  init(subject: String, policy: RetryPolicy, attemptCount: Int, isCancelled: @escaping @Sendable () -> Bool) {
    self.subject = subject
    self.policy = policy
    self.attemptCount = attemptCount
    self.isCancelled = isCancelled
  }

  /// Notes that something came through: attempts are counted anew.
  mutating func progressed() { failures = 0 }

  /// Waits before the next attempt after an answer that may be another one later.
  ///
  /// - Throws: ``HubError`` with `unreachable` after the last attempt, with `interrupted` on the user's wish.
  mutating func wait(for answer: HTTPAnswer) throws {
    let asked = Self.askedDelay(answer)
    try wait(found: "status \(answer.status) of \(answer.url.host ?? "the hub")", asked: asked)
  }

  /// Waits before the next attempt after a failure on the way.
  mutating func wait(after failure: TransportFailure) throws {
    switch failure {
    case .broken(let text): try wait(found: text, asked: nil)
    case .stalled(let text): try wait(found: text, asked: nil)
    case .refused(let text):
      throw HubError(
        .unreachable,
        Fault(
          file: subject, expected: "a connection that can be trusted", found: text,
          remedy: "check HF_ENDPOINT, the certificates of this machine (SSL_CERT_FILE), and proxies"))
    case .tooMany(let limit):
      throw HubError(
        .tooLarge, Fault(file: subject, expected: "at most \(limit) bytes", found: "more than these"))
    case .interrupted: throw Self.interrupted(subject)
    }
  }

  /// Waits before the next attempt.
  mutating func wait(found: String, asked: Double?) throws {
    failures += 1
    guard failures < attemptCount else {
      throw HubError(
        .unreachable,
        Fault(
          file: subject, expected: "an answer of the hub",
          found: "\(found), after \(failures) attempt\(failures == 1 ? "" : "s")",
          remedy:
            "check the network (HF_ENDPOINT, proxies), then run the same command again; conversions keep their work"
        ))
    }
    if let asked, asked > policy.longestAskedDelay {
      throw HubError(
        .unreachable,
        Fault(
          file: subject, expected: "an answer within \(Int(policy.longestAskedDelay)) s",
          found: "\(found), and the wish to wait \(Int(asked)) s",
          remedy: "run the same command again then, with HF_TOKEN set for higher limits"))
    }
    let end = Date(timeIntervalSinceNow: max(asked ?? 0, policy.delay(after: failures)))
    while Date() < end {
      if isCancelled() { throw Self.interrupted(subject) }
      Thread.sleep(forTimeInterval: min(0.1, max(0, end.timeIntervalSinceNow)))
    }
  }

  /// What `Retry-After` says, or `ratelimit: …;t=seconds`.
  private static func askedDelay(_ answer: HTTPAnswer) -> Double? {
    if let text = answer.header("retry-after") {
      if let seconds = Double(text.trimmingCharacters(in: .whitespaces)), seconds.isFinite {
        return max(0, seconds)
      }
      return HTTPDate.date(text).map { max(0, $0.timeIntervalSinceNow) }
    }
    guard answer.status == 429, let text = answer.header("ratelimit") else { return nil }
    return text.split(separator: ";").lazy.map { $0.trimmingCharacters(in: .whitespaces) }
      .first { $0.hasPrefix("t=") }.flatMap { Double($0.dropFirst(2)) }.map { max(0, $0) }
  }

  static func interrupted(_ subject: String) -> HubError {
    HubError(
      .interrupted,
      Fault(
        file: subject, expected: "to finish", found: "an interruption",
        remedy:
          "run the same command again; conversions, and runs with \(.resume), go on from what they have kept")
    )
  }
}
