internal import FileBytes
internal import Foundation

/// A file of results, one JSON object a line, that grows as results are made and survives being cut off.
///
/// The first line is the fingerprint of the run; each further line begins with the XXH64 of its text. When the file is
/// opened again, lines from the first damaged one on are dropped.
final class RecordFile {
  struct Line: Codable {
    var answer: AnswerRecord?
    var forced: ForcedRecord?
  }

  let path: String
  private(set) var lines: [Line] = []
  private let file: WritableFile
  private var end = 0

  /// Opens or creates the file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - fingerprint: What the results depend on, one line.
  ///   - force: Whether results of another run are thrown away.
  /// - Throws: `FileError`; ``EvaluationError`` with `otherRun`.
  init(path: String, fingerprint: String, force: Bool) throws {
    self.path = path
    var kept: [UInt8] = []
    if FileSystem.kind(of: path) == .file {
      let old = try ReadableFile(path: path)
      let bytes = try old.bytes(at: 0, count: old.byteCount)
      let parts = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      let found = String(decoding: parts.first ?? [], as: UTF8.self)
      if found == fingerprint, parts.count > 1 {
        kept = Array(parts[0]) + [0x0A]
        // What follows the last line end is not a whole line.
        for part in parts.dropFirst().dropLast() {
          guard let line = Self.decode(Array(part)) else { break }
          lines.append(line)
          kept += Array(part) + [0x0A]
        }
      } else if !force, !found.isEmpty, parts.count > 1 {
        throw EvaluationError(
          .otherRun,
          Fault(
            file: path, expected: "results of this very run",
            found: RunFingerprint.differences(found: found, wanted: fingerprint),
            remedy:
              "repeat the earlier command to go on with it, or give another --out, or --force to start over"))
      }
    }
    file = try WritableFile(path: path, mode: .keep)
    guard file.tryLock() else {
      throw EvaluationError(
        .otherRun,
        Fault(file: path, expected: "a folder that no other run uses", found: "another run at work"))
    }
    if kept.isEmpty { kept = Array(fingerprint.utf8) + [0x0A] }
    if file.currentByteCount() != kept.count {
      try file.truncate()
      try kept.withUnsafeBytes { try file.write($0, at: 0) }
    }
    end = kept.count
  }

  private static func hash(_ bytes: [UInt8]) -> String {
    let digits = String(bytes.withUnsafeBytes { XXHash64.hash($0) }, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func decode(_ bytes: [UInt8]) -> Line? {
    guard bytes.count > 17 else { return nil }
    let text = Array(bytes[17...])
    guard String(decoding: bytes[..<16], as: UTF8.self) == hash(text) else { return nil }
    return try? JSONDecoder().decode(Line.self, from: Data(text))
  }

  /// Appends a result; it is in the file when this returns.
  func append(_ line: Line) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = [UInt8](try encoder.encode(line))
    let bytes = Array(Self.hash(text).utf8) + [0x20] + text + [0x0A]
    try bytes.withUnsafeBytes { try file.write($0, at: end) }
    end += bytes.count
    lines.append(line)
  }

  /// The answer to a prompt, if it is there.
  func answer(_ prompt: String, variant: Int) -> AnswerRecord? {
    lines.lazy.compactMap(\.answer).first { $0.prompt == prompt && $0.variant == variant }
  }

  /// The forced score of a prompt for the base's answer with a hash.
  func forced(_ prompt: String, answerHash: String) -> ForcedRecord? {
    lines.lazy.compactMap(\.forced).first { $0.prompt == prompt && $0.answerHash == answerHash }
  }
}
