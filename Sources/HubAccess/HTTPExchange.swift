internal import Foundation

/// The head of an answer.
struct HTTPAnswer: Sendable {
  /// The address that was asked.
  var url: URL
  /// The status code.
  var status: Int
  private var headers: [String: String] = [:]

  init(url: URL, status: Int) {
    self.url = url
    self.status = status
  }

  /// Takes a header; what comes several times is one list.
  mutating func add(_ name: String, _ value: String) {
    let name = name.lowercased()
    headers[name] = headers[name].map { $0 + ", " + value } ?? value
  }

  /// A header by its name in lower case.
  func header(_ name: String) -> String? { headers[name] }

  /// A strong or weak entity tag without its marks.
  func tag(_ name: String) -> String? {
    guard var text = headers[name]?[...] else { return nil }
    if text.hasPrefix("W/") { text = text.dropFirst(2) }
    if text.count >= 2, text.first == "\"", text.last == "\"" { text = text.dropFirst().dropLast() }
    return text.isEmpty ? nil : String(text)
  }

  /// The size of the body, where the head tells it.
  var byteCount: Int? { headers["content-length"].flatMap { Int($0) } }

  var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }
}

/// Why a request ended without a whole answer.
enum TransportFailure: Error {
  /// The connection could not be made or broke.
  case broken(String)
  /// No bytes, or too few, for too long.
  case stalled(String)
  /// Something that another attempt does not change, such as a bad certificate.
  case refused(String)
  /// More bytes than were asked for.
  case tooMany(limit: Int)
  /// The user interrupted the run.
  case interrupted
}

/// A request that is under way: takes what comes and decides when it is enough, on the one thread that asks.
final class HTTPExchange {
  /// Where the bytes of a body go.
  enum Body {
    /// Into an array, up to a limit.
    case collected(limit: Int)
    /// Into memory that the caller owns.
    case placed(UnsafeMutableRawBufferPointer)
  }

  /// What came of it.
  struct Outcome {
    /// The head; `nil` when none came.
    var answer: HTTPAnswer?
    /// Bytes of the body.
    var byteCount = 0
    /// The body, where it is collected.
    var bytes: [UInt8] = []
    /// Why it ended early; `nil` for a whole answer, and for one whose body is not wanted.
    var failure: TransportFailure?
  }

  /// How long an answer may take.
  struct Patience {
    /// Seconds without any byte after which it counts as lost.
    var timeout: Double
    /// Bytes per second below which it does, over twice the timeout.
    var slowestRate: Double
  }

  private(set) var outcome = Outcome()
  private let url: URL
  private let body: Body
  private let patience: Patience
  private let isCancelled: () -> Bool
  /// Whether the body of an answer is wanted; of others the bytes are dropped.
  private let wantsBody: (HTTPAnswer) -> Bool
  /// The head as far as it came.
  private var head: HTTPAnswer?
  private var headByteCount = 0
  private var dropsBody = false
  private var droppedByteCount = 0
  private let start = ContinuousClock.now
  private var lastProgress = ContinuousClock.now

  /// Bytes of a head, of all answers before the last one, too.
  private static let headByteLimit = 256 << 10
  /// Bytes that are dropped before the connection is given up: it can be used again when all have come.
  private static let dropLimit = 64 << 10

  init(
    _ url: URL, body: Body, patience: Patience, isCancelled: @escaping () -> Bool,
    wantsBody: @escaping (HTTPAnswer) -> Bool
  ) {
    self.url = url
    self.body = body
    self.patience = patience
    self.isCancelled = isCancelled
    self.wantsBody = wantsBody
  }

  /// Notes how it ended, unless that is known.
  func end(_ failure: TransportFailure) {
    if outcome.failure == nil { outcome.failure = failure }
  }

  /// Takes a line of the head.
  ///
  /// - Returns: Whether the body is wanted, or small enough to let it come.
  func take(line bytes: UnsafeRawBufferPointer) -> Bool {
    lastProgress = .now
    headByteCount += bytes.count
    guard headByteCount <= Self.headByteLimit else {
      end(.broken("a head of more than \(Self.headByteLimit) bytes"))
      return false
    }
    let line = Self.text(bytes)
    // What follows a body is of no interest.
    guard outcome.answer == nil else { return true }
    if line.hasPrefix("HTTP/") {
      let status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
      head = HTTPAnswer(url: url, status: status ?? 0)
    } else if !line.isEmpty {
      guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return true }
      head?.add(
        Self.text(UnsafeRawBufferPointer(rebasing: bytes[..<colon])),
        Self.text(UnsafeRawBufferPointer(rebasing: bytes[(colon + 1)...])))
    } else if let head, head.status >= 200 {
      outcome.answer = head
      dropsBody = !wantsBody(head)
      guard let byteCount = head.byteCount else { return true }
      if dropsBody { return byteCount <= Self.dropLimit }
      return byteCount <= limit || tooMany()
    }
    return true
  }

  /// Bytes without the white space around them.
  private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    guard let first = bytes.firstIndex(where: { !isSpace($0) }),
      let last = bytes.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }

  /// Where the body goes without being shown to ``take(body:)``; `nil` as long as it is not known to be wanted.
  var place: UnsafeMutableRawBufferPointer? {
    guard outcome.answer != nil, !dropsBody, case .placed(let buffer) = body else { return nil }
    return buffer
  }

  /// Notes how many bytes of the body are at their place.
  func note(placedCount: Int) {
    guard case .placed = body, placedCount != outcome.byteCount else { return }
    outcome.byteCount = placedCount
    lastProgress = .now
  }

  /// Takes bytes of the body that have no place: those that are collected or dropped, and any beyond the place.
  ///
  /// - Returns: Whether more are wanted.
  func take(body bytes: UnsafeRawBufferPointer) -> Bool {
    lastProgress = .now
    if dropsBody {
      droppedByteCount += bytes.count
      return droppedByteCount <= Self.dropLimit
    }
    guard case .collected = body, bytes.count <= limit - outcome.byteCount else { return tooMany() }
    outcome.bytes.append(contentsOf: bytes)
    outcome.byteCount += bytes.count
    return true
  }

  private var limit: Int {
    switch body {
    case .collected(let limit): limit
    case .placed(let buffer): buffer.count
    }
  }

  private func tooMany() -> Bool {
    end(.tooMany(limit: limit))
    return false
  }

  /// Looks at the clock and for the user's wish.
  ///
  /// - Parameter placedCount: Bytes of the body that are at their place.
  /// - Returns: Whether it is worth waiting for more.
  func watch(placedCount: Int) -> Bool {
    note(placedCount: placedCount)
    if isCancelled() {
      end(.interrupted)
      return false
    }
    let now = ContinuousClock.now
    if now - lastProgress > .seconds(patience.timeout) {
      end(.stalled("no byte for \(Int(patience.timeout)) s"))
      return false
    }
    let age = now - start
    if age > .seconds(2 * patience.timeout),
      Double(outcome.byteCount) < patience.slowestRate * (age / .seconds(1))
    {
      end(.stalled("\(outcome.byteCount) bytes in \(age.components.seconds) s"))
      return false
    }
    return true
  }
}
