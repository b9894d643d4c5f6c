internal import FileBytes

extension ValidationReport {
  /// Turns a report that is not good into an error for the exit code.
  ///
  /// - Parameters:
  ///   - strict: Whether warnings count as errors.
  ///   - isListed: Whether the findings have been printed, so that naming the place of the first one will do.
  /// - Throws: ``ValidationError`` with `unsound`, or `warnings` under `strict`.
  package func refuse(strict: Bool, isListed: Bool) throws(ValidationError) {
    let errors = count(.error)
    let warnings = count(.warning)
    guard errors > 0 || strict && warnings > 0, let first = findings.first else { return }
    let code: ValidationError.Code = errors > 0 ? .unsound : .warnings
    let number = errors > 0 ? errors : warnings
    let word = (errors > 0 ? "error" : "warning") + (number == 1 ? "" : "s")
    let kind = first.kind.rawValue
    guard !isListed else {
      let found: Wording =
        number == 1
        ? "one (\(kind)), listed above" : "\(number), the first of them here (\(kind)), listed above"
      throw ValidationError(
        code,
        Fault(
          file: file, subject: first.location, expected: "no \(errors > 0 ? "errors" : "warnings")",
          found: found))
    }
    let rank = number == 1 ? "the only \(word)" : "the first of \(number) \(word)"
    throw ValidationError(
      code,
      Fault(
        file: file, subject: first.location, expected: first.expected, found: first.found,
        remedy: "\(kind), \(rank)" + (first.remedy.isEmpty ? "" : "; \(first.remedy)")))
  }
}
