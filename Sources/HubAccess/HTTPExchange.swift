internal import Foundation

/// The head of an answer.
struct HTTPAnswer: Sendable {
  /// The address that was asked.
  var url: URL
  /// The status code.
  var status: Int
  private var headers: [String: String] = [:]

  init(url: URL, status: Int, headers: [(name: String, value: String)]) {
    self.url = url
    self.status = status
    for header in headers { self.headers[header.name.lowercased()] = header.value }
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

/// A request that is under way: the connection's thread fills it, another one waits for it.
///
/// Unchecked: the variables are touched under `condition` alone.
final class HTTPExchange: @unchecked Sendable {
  /// Where the bytes of a body go.
  enum Body {
    /// Into an array, up to a limit.
    case collected(limit: Int)
    /// Into memory that the caller owns until the exchange is closed.
    case placed(UnsafeMutableRawBufferPointer)
  }

  private let condition = NSCondition()
  private let body: Body
  /// Whether the body of an answer is wanted; of others the bytes are dropped.
  private let wantsBody: @Sendable (HTTPAnswer) -> Bool
  private var answer: HTTPAnswer?
  private var collected: [UInt8] = []
  private var received = 0
  private var failure: TransportFailure?
  private var isClosed = false
  private var dropsBody = false
  private var dropped = 0
  /// Bytes that are dropped before the request is given up.
  private static let dropLimit = 1 << 20
  private var lastProgress = Date()
  private let start = Date()

  init(body: Body, wantsBody: @escaping @Sendable (HTTPAnswer) -> Bool) {
    self.body = body
    self.wantsBody = wantsBody
  }

  /// Takes the head.
  func take(_ answer: HTTPAnswer) {
    condition.withLock {
      guard !isClosed else { return }
      self.answer = answer
      lastProgress = Date()
      dropsBody = !wantsBody(answer)
    }
  }

  /// Takes bytes of the body.
  ///
  /// - Returns: Whether more are wanted.
  func take(_ data: Data) -> Bool {
    condition.withLock {
      guard !isClosed else { return false }
      lastProgress = Date()
      if dropsBody {
        // Small ones are waited for: to cancel a request that is about to end is not safe with the library.
        dropped += data.count
        guard dropped > Self.dropLimit else { return true }
        isClosed = true
        condition.broadcast()
        return false
      }
      switch body {
      case .collected(let limit):
        guard received + data.count <= limit else { return tooMany(limit) }
        collected.append(contentsOf: data)
      case .placed(let buffer):
        guard received + data.count <= buffer.count else { return tooMany(buffer.count) }
        data.copyBytes(to: UnsafeMutableRawBufferPointer(rebasing: buffer[received...]))
      }
      received += data.count
      return true
    }
  }

  private func tooMany(_ limit: Int) -> Bool {
    failure = .tooMany(limit: limit)
    isClosed = true
    condition.broadcast()
    return false
  }

  /// Notes the end.
  func end(_ failure: TransportFailure?) {
    condition.withLock {
      guard !isClosed else { return }
      self.failure = failure
      isClosed = true
      condition.broadcast()
    }
  }

  /// What came of it.
  struct Outcome {
    /// The head; `nil` when none came.
    var answer: HTTPAnswer?
    /// Bytes of the body.
    var byteCount: Int
    /// The body, where it is collected.
    var bytes: [UInt8]
    /// Why it ended early; `nil` for a whole answer.
    var failure: TransportFailure?
    /// Whether the request is still under way and has to be cancelled.
    var isUnderWay = false
  }

  /// Waits for the end; nothing is written to the caller's memory afterwards.
  ///
  /// - Parameters:
  ///   - timeout: Seconds without any byte after which it counts as lost.
  ///   - slowestRate: Bytes per second below which it does, over twice the timeout.
  ///   - isCancelled: Asked a few times a second.
  /// - Returns: What came of it.
  func wait(timeout: Double, slowestRate: Double, isCancelled: () -> Bool) -> Outcome {
    condition.withLock {
      var isUnderWay = false
      while !isClosed {
        _ = condition.wait(until: Date(timeIntervalSinceNow: 0.2))
        guard !isClosed else { break }
        let now = Date()
        let age = now.timeIntervalSince(start)
        if isCancelled() {
          failure = .interrupted
        } else if now.timeIntervalSince(lastProgress) > timeout {
          failure = .stalled("no byte for \(Int(timeout)) s")
        } else if age > 2 * timeout, Double(received) < slowestRate * age {
          failure = .stalled("\(received) bytes in \(Int(age)) s")
        } else {
          continue
        }
        isClosed = true
        isUnderWay = true
      }
      return Outcome(
        answer: answer, byteCount: received, bytes: collected, failure: failure, isUnderWay: isUnderWay)
    }
  }
}
