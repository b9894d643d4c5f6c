internal import FileBytes
internal import TensorTypes

extension SensitivityTable {
  /// Refuses the table where something else than what it was made with is wanted.
  ///
  /// - Parameters:
  ///   - file: The name that errors give.
  ///   - modelFingerprint: `ModelFingerprint` of the model.
  ///   - textHash: XXH64 of the text; `nil` when no text was given.
  ///   - importanceHash: The hash of the importance data; `nil` when none were given.
  /// - Throws: ``TuningError`` with `otherTable`.
  package func check(
    file: String, modelFingerprint: String, textHash: String? = nil, importanceHash: String? = nil
  ) throws {
    func refuse(_ subject: Wording, _ expected: Wording, _ found: Wording, _ remedy: Wording) -> TuningError {
      TuningError(
        .otherTable,
        Fault(file: file, subject: subject, expected: expected, found: found, remedy: remedy))
    }
    guard model.fingerprint == modelFingerprint else {
      throw refuse(
        "model", "the model given, \(modelFingerprint)", "\(model.name), \(model.fingerprint)",
        "give the model that the table was made of, or measure again without \(.sensitivityTable)")
    }
    if let textHash, textHash != text.hash {
      throw refuse(
        "text", "the text given, xxh64 \(textHash)", "\(text.name), xxh64 \(text.hash)",
        "give the text that the table was made with, or leave \(.text) out")
    }
    guard let importanceHash else { return }
    guard importanceHash == importance?.hash else {
      throw refuse(
        "importance data", "those given, xxh64 \(importanceHash)",
        importance.map { "\($0.name), xxh64 \($0.hash)" } ?? "none",
        "give the data that the table was made with, or measure again without \(.sensitivityTable)")
    }
  }

  /// Refuses the table where groups, candidates or sizes are not those of plans of the model.
  ///
  /// - Parameters:
  ///   - file: The name that errors give.
  ///   - plan: The plans.
  /// - Throws: ``TuningError`` with `otherTable`, naming the groups that differ.
  package func check(file: String, plan: TuningPlan) throws {
    let planned = Dictionary(plan.rows.map { ($0.group, $0) }) { first, _ in first }
    let problems = rows.compactMap { row -> Wording? in
      guard let other = planned[row.group] else { return "\(row.group.name): no such group" }
      for candidate in row.candidates {
        let match = other.candidates.first { $0.type == candidate.type }
        guard match?.byteCount != candidate.byteCount else { continue }
        return "\(row.group.name), \(candidate.type.name): \(candidate.byteCount) bytes in the table, "
          + (match.map { "\($0.byteCount) as planned" } ?? "not planned")
      }
      return nil
    }
    guard rows.count == plan.rows.count, fixedByteCount == plan.fixedByteCount, problems.isEmpty else {
      throw TuningError(
        .otherTable,
        Fault(
          file: file, subject: "\(model.name)",
          expected: "\(plan.rows.count) groups and \(plan.fixedByteCount) bytes beside them, as planned",
          found: "\(rows.count) groups and \(fixedByteCount) bytes", problems: Array(problems.prefix(10)),
          remedy:
            "the table is of another version of Pouch or was edited; measure again without \(.sensitivityTable)"
        ))
    }
  }
}
