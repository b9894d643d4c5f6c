import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a command did: how it ended and what it printed.
struct CommandRun {
  /// The exit code.
  let status: Int32
  /// Whether a signal ended it, as after a crash.
  let wasKilled: Bool
  /// Standard output.
  let output: String
  /// Standard error.
  let errors: String

  /// The last line of standard error.
  var lastErrorLine: String { errors.split(separator: "\n").last.map(String.init) ?? "" }
  /// The errors on standard error, each with the lines of its problems.
  var errorLines: [String] {
    var found: [String] = []
    var isInside = false
    for line in errors.split(separator: "\n") {
      if line.hasPrefix("Error: ") {
        found.append(String(line))
        isInside = true
      } else if isInside, line.hasPrefix("  ") {
        found[found.count - 1] += "\n" + line
      } else {
        isInside = false
      }
    }
    return found
  }

  private struct Failure: Error { var text: String }

  /// The folder of the executables: that of `POUCH_COMMANDS` (what scripts/install has installed), else of the test bundle.
  static var executables: URL {
    if let folder = ProcessInfo.processInfo.environment["POUCH_COMMANDS"], !folder.isEmpty {
      return URL(fileURLWithPath: folder)
    }
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    return bundle?.bundleURL.deletingLastPathComponent() ?? Bundle.main.bundleURL
  }

  /// Runs a command to its end.
  ///
  /// - Parameters:
  ///   - name: The command.
  ///   - arguments: Its arguments.
  ///   - timeout: Seconds after which it is killed.
  ///   - directory: Where it runs; that of the tests by default.
  ///   - environment: Variables on top of those of the tests.
  ///   - during: Called with the process id while the command runs.
  /// - Throws: When it cannot be started or does not end in time.
  init(
    _ name: String, _ arguments: [String], timeout: Double = 240, directory: String? = nil,
    environment: [String: String] = [:], during: (_ process: Int32) -> Void = { _ in }
  ) throws {
    let process = Process()
    process.executableURL = Self.executables.appendingPathComponent(name)
    process.arguments = arguments
    // A crash should be quick and silent here; the test reports it.
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFT_BACKTRACE": "enable=no", "HF_HUB_OFFLINE": "1"]
    ) { $1 }
    .merging(environment) { $1 }
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    process.standardInput = FileHandle.nullDevice
    // Files, since a full pipe would block the command.
    let streams = FileManager.default.temporaryDirectory.appendingPathComponent(
      "pouch-run-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: streams, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: streams) }
    let urls = [streams.appendingPathComponent("out"), streams.appendingPathComponent("err")]
    for url in urls { try Data().write(to: url) }
    process.standardOutput = try FileHandle(forWritingTo: urls[0])
    process.standardError = try FileHandle(forWritingTo: urls[1])
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    during(process.processIdentifier)
    if ended.wait(timeout: .now() + timeout) == .timedOut {
      kill(process.processIdentifier, SIGKILL)
      throw Failure(text: "\(name) \(arguments.joined(separator: " ")) did not end within \(timeout) s")
    }
    status = process.terminationStatus
    wasKilled = process.terminationReason == .uncaughtSignal
    output = try String(decoding: Data(contentsOf: urls[0]), as: UTF8.self)
    errors = try String(decoding: Data(contentsOf: urls[1]), as: UTF8.self)
  }

  /// Runs `pouch-convert`.
  static func convert(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-convert", arguments)
  }
  /// Runs `pouch-quantize`.
  static func quantize(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-quantize", arguments)
  }
  /// Runs `pouch-inspect`.
  static func inspect(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-inspect", arguments)
  }
}
