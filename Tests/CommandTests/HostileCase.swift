import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A checkpoint spoiled in one way, and the message that must come of it.
struct HostileCase: CustomTestStringConvertible, Sendable {
  /// What is wrong.
  let name: String
  /// What the error line must contain: the file, and words of the reason.
  let expected: [String]
  /// Changes the checkpoint before it is written.
  var change: @Sendable (inout TinyCheckpoint) -> Void = { _ in }
  /// Changes the files of the folder.
  var spoil: @Sendable (_ folder: Folder) throws -> Void = { _ in }

  var testDescription: String { name }

  /// The files of a written checkpoint.
  struct Folder {
    let path: String

    func url(_ name: String) -> URL { URL(fileURLWithPath: path + "/" + name) }
    func read(_ name: String) throws -> Data { try Data(contentsOf: url(name)) }
    func write(_ name: String, _ bytes: some Sequence<UInt8>) throws { try Data(bytes).write(to: url(name)) }
    func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: url(name)) }
    /// Puts a named pipe in place of a file; nobody ever writes into it.
    func pipe(_ name: String) throws {
      try? remove(name)
      try #require(mkfifo(path + "/" + name, 0o600) == 0)
    }
    func remove(_ name: String) throws { try FileManager.default.removeItem(at: url(name)) }

    /// Replaces the first occurrence of `old` in a text file; the old text must be there.
    func replace(_ name: String, _ old: String, _ new: String) throws {
      let text = String(decoding: try read(name), as: UTF8.self)
      let range = try #require(text.range(of: old), "\(old) is not in \(name)")
      try write(name, text.replacingCharacters(in: range, with: new))
    }
  }
}

/// Checks that a command refuses its input as it should.
enum Refusal {
  /// Expects exit code 3, one error line with all of `parts`, and an empty output folder.
  static func expect(_ run: CommandRun, _ parts: [String], outputs: TemporaryFolder) throws {
    #expect(!run.wasKilled && run.status == 3, "status \(run.status), \(run.errors)")
    #expect(run.errorLines.count == 1, "\(run.errors)")
    let last = run.errorLines.last ?? ""
    #expect(run.errors.hasSuffix(last + "\n"), "the error is not at the end: \(run.errors)")
    #expect(
      run.errors.dropLast(last.count + 1).split(separator: "\n").allSatisfy {
        $0.hasPrefix("note: ") || $0.hasPrefix("skipped: ") || $0.contains(" -> ")
      },
      "\(run.errors)")
    #expect(run.output.isEmpty)
    for part in parts { #expect(last.contains(part), "no “\(part)” in: \(last)") }
    let left = try FileManager.default.contentsOfDirectory(atPath: outputs.url.path)
    #expect(left.isEmpty, "written: \(left)")
  }
}
