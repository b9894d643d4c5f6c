package import FileBytes

/// The states that the parts of a run left, as they are joined.
package struct PartStates {
  /// How many parts there are.
  package let count: Int
  /// The state of each part that has one.
  package let paths: [RunPart: String]

  /// Sorts states, and makes sure that they are of one run and divided in one way.
  ///
  /// - Parameters:
  ///   - paths: The files.
  ///   - fingerprint: What the run depends on, without its part.
  ///   - read: Reads a file, and says what it depends on.
  /// - Throws: ``EvaluationError`` with `partsMismatch`; `ResumeLogError`, `FileError`.
  package init(
    _ paths: [String], _ fingerprint: Fingerprint, read: (_ path: String) throws -> Fingerprint
  ) throws {
    var sorted: [RunPart: String] = [:]
    for path in paths {
      let found = try read(path)
      let field = found.fields.first { $0.name == Fingerprint.partField }
      guard let part = field.flatMap({ RunPart($0.value) }) else {
        throw Self.mismatch(path, "the state of a part", "that of a run without \(.part)")
      }
      let differences = found.differences(from: fingerprint.of(part))
      guard differences.isEmpty else {
        throw Self.mismatch(
          path, "a part of this very run",
          "one of another run: \(differences.joined(separator: "; ")) changed")
      }
      if let first = sorted.keys.first, first.count != part.count {
        throw Self.mismatch(path, "one of \(first.count) parts", "part \(part)")
      }
      if let other = sorted[part] { throw Self.mismatch(path, "each part once", "part \(part), as \(other)") }
      sorted[part] = path
    }
    self.paths = sorted
    count = sorted.keys.first?.count ?? 0
  }

  private static func mismatch(_ path: String, _ expected: Wording, _ found: Wording) -> EvaluationError {
    EvaluationError(
      .partsMismatch,
      Fault(
        file: path, expected: expected, found: found,
        remedy: "join parts that were made with the same settings, models, text and version of Pouch"))
  }

  /// Refuses to join when there are problems.
  ///
  /// - Parameters:
  ///   - problems: One line for each part that is not complete.
  ///   - count: How many parts there are.
  ///   - file: The first state.
  /// - Throws: ``EvaluationError`` with `partsMissing`.
  package static func refuse(_ problems: [String], of count: Int, file: String) throws {
    guard !problems.isEmpty else { return }
    throw EvaluationError(
      .partsMissing,
      Fault(
        file: file, subject: "\(.join)", expected: "\(count) complete parts",
        found: "\(count - problems.count)", problems: problems.map { Wording($0) },
        remedy: "run these commands, in any order or at the same time, then join again"))
  }
}
