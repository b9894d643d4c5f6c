internal import FileBytes

/// A prompt that asks for a drawing.
package struct DrawingPrompt: Hashable, Sendable {
  /// A name that is unique in an evaluation: letters, digits, `-`, `_`, `.`.
  package var id: String
  /// The kind of drawing, for grouping.
  package var family: String
  /// What the user says.
  package var prompt: String
  /// A drawing that answers it, if there is one.
  package var reference: String?
  /// What must be true of an answer, if it can be checked.
  package var assertions: [GeometryAssertion]

  /// Creates a prompt.
  package init(
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
package struct PromptSet: Hashable, Sendable {
  /// The prompts in order of files and lines.
  package private(set) var prompts: [DrawingPrompt] = []
  /// XXH64 of all prompts; numbers can only be compared when it is equal.
  package private(set) var hash: UInt64 = 0

  /// Reads files.
  ///
  /// - Parameters:
  ///   - paths: Files of JSON Lines.
  ///   - limit: The most prompts taken from each file.
  /// - Throws: `FileError`; ``EvaluationError`` with `badPrompts`, naming file and line.
  package init(paths: [String], limit: Int? = nil) throws {
    var seen: Set<String> = []
    for path in paths {
      var bytes = try ReadableFile.contents(of: path, limit: 16 << 20)[...]
      // Editors of one system begin files with this mark.
      if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
      var taken = 0
      for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
        if let limit, taken >= limit { break }
        let fields = try PromptFields(parsing: Array(line), file: path, line: index + 1)
        let prompt = try Self.prompt(fields, path, index + 1)
        guard seen.insert(prompt.id).inserted else {
          throw fields.refusal(expected: "an id that is used once", found: prompt.id)
        }
        prompts.append(prompt)
        taken += 1
      }
    }
    guard !prompts.isEmpty else {
      throw EvaluationError(
        .badPrompts, Fault(file: paths.first ?? "", expected: "at least one prompt", found: "none"))
    }
    var bytes: [UInt8] = []
    for prompt in prompts { bytes += Array("\(prompt.id)\0\(prompt.prompt)\0".utf8) }
    hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
  }

  private static func prompt(_ fields: PromptFields, _ path: String, _ number: Int) throws -> DrawingPrompt {
    let name = FileSystem.name(of: path)
    let stem = name.hasSuffix(".jsonl") ? String(name.dropLast(6)) : name
    let id = try fields.text("id") ?? "\(stem)-\(number)"
    let isPlain = id.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || "-_.".utf8.contains($0)
    }
    guard isPlain, (1...80).contains(id.utf8.count) else {
      throw fields.refusal(
        expected: "an id of up to 80 letters, digits, -, _ and .", found: "\"\(id.prefix(90))\"")
    }
    guard let prompt = try fields.text("prompt") else {
      throw fields.refusal(expected: "an object with a prompt", found: "no \"prompt\"")
    }
    guard (1...16_384).contains(prompt.utf8.count) else {
      throw fields.refusal(expected: "a prompt of 1 to 16384 bytes", found: "\(prompt.utf8.count)")
    }
    return DrawingPrompt(
      id: id, family: try fields.text("family") ?? "drawing", prompt: prompt,
      reference: try fields.text("svg"),
      assertions: try fields.objects("assertions")?.map { try GeometryAssertion($0) } ?? [])
  }
}
