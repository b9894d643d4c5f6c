internal import FileBytes

extension ValidationReport {
  /// Turns a report that is not good into an error for the exit code.
  ///
  /// - Parameter strict: Whether warnings count as errors.
  /// - Throws: ``ValidationError`` with `unsound`, or `warnings` under `strict`.
  public func refuse(strict: Bool) throws(ValidationError) {
    let errors = count(.error)
    let warnings = count(.warning)
    guard errors > 0 || strict && warnings > 0, let first = findings.first else { return }
    let number = errors > 0 ? errors : warnings
    let word = errors > 0 ? "error" : "warning"
    let found = "\(number) \(word)\(number == 1 ? "" : "s"), first: \(first.kind.rawValue): "
    throw ValidationError(
      errors > 0 ? .unsound : .warnings,
      Fault(
        file: file, subject: first.location, expected: first.expected, found: found + first.found,
        remedy: first.remedy))
  }
}
