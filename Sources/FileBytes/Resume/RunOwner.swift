internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Says in a file beside a log which process works on it, for file systems whose locks hold on one machine alone.
///
/// The file is one line: host, process, boot of the machine, a random number, and a count that goes up every few seconds
/// for as long as the process lives. Whoever finds such a file works on only with proof that its owner is dead: the
/// owner ran under this very boot and its lock is gone, or its process is; or the count has stood still for
/// ``Timing/patience``. A process that was taken for dead, and finds another one's line, stops.
package final class RunOwner: Sendable {
  /// Seconds that decide who is alive.
  package struct Timing: Hashable, Sendable {
    /// Between two counts.
    package var beat: Double
    /// Without a count, after which an owner on another machine is dead.
    package var patience: Double

    /// Creates timing.
    package init(beat: Double = 5, patience: Double = 40) {
      self.beat = beat
      self.patience = patience
    }
  }

  /// A line of an owner.
  package struct Line: Hashable, Sendable {
    /// The name of the machine.
    package var host: String
    /// The process.
    package var process: Int32
    /// What the machine calls the time since it was started.
    package var boot: String
    /// Tells owners apart.
    package var mark: UInt64
    /// Goes up while the owner lives.
    package var count: Int

    /// Creates a line.
    package init(host: String, process: Int32, boot: String, mark: UInt64, count: Int = 0) {
      (self.host, self.process, self.boot, self.mark, self.count) = (host, process, boot, mark, count)
    }

    /// Reads the file of an owner; `nil` when there is none, or it is not whole.
    package init?(path: String) {
      guard let file = try? ReadableFile(path: path), file.byteCount < 4096,
        let bytes = try? file.bytes(at: 0, count: file.byteCount)
      else { return nil }
      let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
      guard words.count == 6, words[5] == "\n", let process = Int32(words[1]),
        let mark = UInt64(words[3], radix: 16),
        let count = Int(words[4])
      else { return nil }
      self.init(host: String(words[0]), process: process, boot: String(words[2]), mark: mark, count: count)
    }

    /// The bytes of the file.
    package var bytes: [UInt8] {
      func word(_ text: String) -> String {
        let clean = text.filter { !$0.isWhitespace }
        return clean.isEmpty ? "-" : clean
      }
      return Array(
        "\(word(host)) \(process) \(word(boot)) \(XXHash64.text(mark)) \(count) \n".utf8)
    }

    /// The owner in words.
    package var text: String { "process \(process) on \(host)" }

    /// The name that the machine gives itself; no name server is asked.
    private static var hostName: String {
      var bytes = [CChar](repeating: 0, count: 256)
      guard gethostname(&bytes, bytes.count - 1) == 0 else { return "-" }
      return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// This process.
    static var own: Line {
      Line(
        host: hostName, process: getpid(), boot: RunOwner.boot,
        mark: UInt64.random(in: 0...UInt64.max))
    }
  }

  /// The state that the thread which counts shares with the owner.
  ///
  /// Unchecked: the variables are touched under `condition` alone.
  private final class Pulse: @unchecked Sendable {
    let condition = NSCondition()
    var isStopped = false
    /// Whether no thread counts; there is none before the ownership is taken.
    var hasEnded = true
    var isLost = false
  }

  private let path: String
  private let line: Line
  private let pulse = Pulse()

  /// Becomes the owner; `nil` when another process is, and lives.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - holdsLock: Whether this process holds a lock that another one on this machine would hold if it lived.
  ///   - timing: Who counts as dead.
  ///   - onWait: Called before it is watched for long whether an owner on another machine lives.
  /// - Throws: ``FileError``.
  package init?(
    path: String, holdsLock: Bool, timing: Timing = Timing(), onWait: (String) -> Void = { _ in }
  ) throws {
    self.path = path
    line = .own
    if !Self.create(path, line) {
      guard Self.isDead(path, holdsLock: holdsLock, timing, onWait) else { return nil }
      // Several may find it dead: the last one to put its line there is the owner.
      let temporary = "\(path).\(XXHash64.text(line.mark))"
      try Self.write(line, to: temporary)
      try FileSystem.rename(temporary, to: path)
      if !holdsLock { Thread.sleep(forTimeInterval: min(1, timing.beat)) }
      guard Line(path: path)?.mark == line.mark else { return nil }
    }
    let (path, line, pulse) = (path, line, pulse)
    pulse.hasEnded = false
    let thread = Thread { Self.count(path, line, pulse, every: timing.beat) }
    thread.name = "pouch-owner"
    thread.start()
  }

  deinit { release() }

  /// Whether another process took this one for dead and works in its place.
  package var isLost: Bool {
    pulse.condition.lock()
    defer { pulse.condition.unlock() }
    return pulse.isLost
  }

  /// Gives up the ownership and removes the file; more calls do nothing.
  package func release() {
    pulse.condition.lock()
    let isFirst = !pulse.isStopped
    pulse.isStopped = true
    pulse.condition.broadcast()
    while !pulse.hasEnded { pulse.condition.wait() }
    pulse.condition.unlock()
    if isFirst, Line(path: path)?.mark == line.mark { FileSystem.remove(path) }
  }

  /// Counts until it is stopped, or the file is another's.
  private static func count(_ path: String, _ line: Line, _ pulse: Pulse, every seconds: Double) {
    var line = line
    pulse.condition.lock()
    while !pulse.isStopped {
      if pulse.condition.wait(until: Date(timeIntervalSinceNow: seconds)) { continue }
      pulse.condition.unlock()
      let found = Line(path: path)
      line.count += 1
      let isMine = found.map { $0.mark == line.mark } ?? true
      if isMine { try? write(line, to: path) }
      pulse.condition.lock()
      if !isMine {
        pulse.isLost = true
        break
      }
    }
    pulse.hasEnded = true
    pulse.condition.broadcast()
    pulse.condition.unlock()
  }

  private static func create(_ path: String, _ line: Line) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return false }
    close(descriptor)
    return (try? write(line, to: path)) != nil
  }

  /// Opening and closing is what other machines of a network file system see.
  private static func write(_ line: Line, to path: String) throws {
    let file = try WritableFile(path: path, mode: .keep)
    try line.bytes.withUnsafeBytes { try file.write($0, at: 0) }
    try file.truncate(to: line.bytes.count)
  }

  private static func isDead(
    _ path: String, holdsLock: Bool, _ timing: Timing, _ onWait: (String) -> Void
  ) -> Bool {
    let first = Line(path: path)
    if let first, first.boot == boot {
      if holdsLock { return true }
      if kill(first.process, 0) == -1, errno == ESRCH { return true }
    }
    onWait(first?.text ?? "a process that has not given its name yet")
    let end = Date(timeIntervalSinceNow: timing.patience)
    while Date() < end {
      Thread.sleep(forTimeInterval: min(timing.beat, max(0.01, end.timeIntervalSinceNow)))
      let now = Line(path: path)
      if now != first { return now == nil && FileSystem.kind(of: path) == .missing }
    }
    return true
  }

  /// What the machine calls the time since it was started; no two machines have the same.
  package static let boot: String = {
    #if canImport(Darwin)
      var size = 0
      guard sysctlbyname("kern.bootsessionuuid", nil, &size, nil, 0) == 0, size > 1 else { return "-" }
      var bytes = [UInt8](repeating: 0, count: size)
      guard sysctlbyname("kern.bootsessionuuid", &bytes, &size, nil, 0) == 0 else { return "-" }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    #else
      let text = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
      return text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "-"
    #endif
  }()
}
