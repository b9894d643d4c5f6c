internal import FileBytes
internal import Foundation

/// A prompt that asks for a drawing.
public struct DrawingPrompt: Hashable, Sendable {
  /// A name that is unique in an evaluation: letters, digits, `-`, `_`, `.`.
  public var id: String
  /// The kind of drawing, for grouping.
  public var family: String
  /// What the user says.
  public var prompt: String
  /// A drawing that answers it, if there is one.
  public var reference: String?
  /// What must be true of an answer, if it can be checked.
  public var assertions: [GeometryAssertion]

  /// Creates a prompt.
  public init(
    id: String, family: String, prompt: String, reference: String? = nil, assertions: [GeometryAssertion] = []
  ) {
    self.id = id
    self.family = family
    self.prompt = prompt
    self.reference = reference
    self.assertions = assertions
  }
}

/// Prompts from files of JSON Lines.
///
/// Each line is an object with `prompt`, and optionally `id`, `family`, `svg` (a reference drawing) and `assertions`.
/// Where an id is missing it is made of the family and the line's number.
public struct PromptSet: Hashable, Sendable {
  /// The prompts in order of files and lines.
  public private(set) var prompts: [DrawingPrompt] = []
  /// XXH64 of all prompts; numbers can only be compared when it is equal.
  public private(set) var hash: UInt64 = 0

  private struct Line: Decodable {
    var id: String?
    var family: String?
    var prompt: String
    var svg: String?
    var assertions: [GeometryAssertion]?
  }

  /// Reads files.
  ///
  /// - Parameters:
  ///   - paths: Files of JSON Lines.
  ///   - limit: The most prompts taken from each file.
  /// - Throws: `FileError`; ``EvaluationError`` with `badPrompts`, naming file and line.
  public init(paths: [String], limit: Int? = nil) throws {
    var seen: Set<String> = []
    for path in paths {
      let file = try ReadableFile(path: path)
      guard file.byteCount <= 16 << 20 else {
        throw Self.bad(path, nil, expected: "at most 16 MiB of prompts", found: "\(file.byteCount) bytes")
      }
      let bytes = try file.bytes(at: 0, count: file.byteCount)
      var taken = 0
      for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
        if let limit, taken >= limit { break }
        let prompt = try Self.prompt(Array(line), path, index + 1)
        guard seen.insert(prompt.id).inserted else {
          throw Self.bad(path, index + 1, expected: "an id that is used once", found: prompt.id)
        }
        prompts.append(prompt)
        taken += 1
      }
    }
    guard !prompts.isEmpty else {
      throw Self.bad(paths.first ?? "", nil, expected: "at least one prompt", found: "none")
    }
    var bytes: [UInt8] = []
    for prompt in prompts { bytes += Array("\(prompt.id)\0\(prompt.prompt)\0".utf8) }
    hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
  }

  private static func prompt(_ bytes: [UInt8], _ path: String, _ number: Int) throws -> DrawingPrompt {
    let line: Line
    do {
      line = try JSONDecoder().decode(Line.self, from: Data(bytes))
    } catch {
      throw bad(path, number, expected: "an object with a prompt, and known assertions", found: reason(error))
    }
    let family = line.family ?? "drawing"
    let name = FileSystem.name(of: path)
    let stem = name.hasSuffix(".jsonl") ? String(name.dropLast(6)) : name
    let id = line.id ?? "\(stem)-\(number)"
    let isPlain = id.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || "-_.".utf8.contains($0)
    }
    guard isPlain, (1...80).contains(id.utf8.count) else {
      throw bad(
        path, number, expected: "an id of up to 80 letters, digits, -, _ and .", found: "\"\(id.prefix(90))\""
      )
    }
    guard !line.prompt.isEmpty, line.prompt.utf8.count <= 16_384 else {
      throw bad(path, number, expected: "a prompt of 1 to 16384 bytes", found: "\(line.prompt.utf8.count)")
    }
    return DrawingPrompt(
      id: id, family: family, prompt: line.prompt, reference: line.svg, assertions: line.assertions ?? [])
  }

  private static func reason(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, _): return "no \"\(key.stringValue)\""
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      let place = context.codingPath.map(\.stringValue).joined(separator: ".")
      return (place.isEmpty ? "" : "\(place): ") + context.debugDescription
    default: return "\(error)"
    }
  }

  private static func bad(_ path: String, _ line: Int?, expected: String, found: String) -> EvaluationError {
    EvaluationError(
      .badPrompts,
      Fault(file: path, subject: line.map { "line \($0)" } ?? "", expected: expected, found: found))
  }
}
