import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A command that is running, to be stopped from outside.
final class RunningCommand {
  private let process = Process()
  private let ended = DispatchSemaphore(value: 0)
  private let folder: URL

  private struct Failure: Error { var text: String }

  /// Starts a command.
  init(_ name: String, _ arguments: [String]) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("pouch-run-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    process.executableURL = CommandRun.executables.appendingPathComponent(name)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    for name in ["out", "err"] { try Data().write(to: folder.appendingPathComponent(name)) }
    process.standardOutput = try FileHandle(forWritingTo: folder.appendingPathComponent("out"))
    process.standardError = try FileHandle(forWritingTo: folder.appendingPathComponent("err"))
    let ended = ended
    process.terminationHandler = { _ in ended.signal() }
    // Threads of a test may have signals blocked, which a new process would inherit.
    var signals = sigset_t()
    var before = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    pthread_sigmask(SIG_UNBLOCK, &signals, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// What it has printed on standard output so far.
  var output: String {
    (try? String(decoding: Data(contentsOf: folder.appendingPathComponent("out")), as: UTF8.self)) ?? ""
  }

  /// What it has printed on standard error so far.
  var errors: String {
    (try? String(decoding: Data(contentsOf: folder.appendingPathComponent("err")), as: UTF8.self)) ?? ""
  }

  /// Sends a signal, such as SIGSTOP, that does not end it.
  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits until something holds, sends a signal, and waits for the end.
  ///
  /// - Parameters:
  ///   - number: The signal.
  ///   - condition: Asked every half millisecond.
  /// - Returns: The exit code, and whether a signal ended it.
  /// - Throws: When it ends before, or not within two minutes.
  func stop(_ number: Int32, when condition: () -> Bool) throws -> (status: Int32, wasKilled: Bool) {
    let deadline = Date(timeIntervalSinceNow: 120)
    while !condition() {
      guard process.isRunning, Date() < deadline else {
        kill(process.processIdentifier, SIGKILL)
        throw Failure(text: "it ended before it was stopped: \(errors)")
      }
      usleep(500)
    }
    kill(process.processIdentifier, number)
    guard ended.wait(timeout: .now() + 120) == .success else {
      kill(process.processIdentifier, SIGKILL)
      throw Failure(text: "the signal did not end it")
    }
    return (process.terminationStatus, process.terminationReason == .uncaughtSignal)
  }
}
