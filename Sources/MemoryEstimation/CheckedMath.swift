internal import FileBytes

/// Sizes that cannot overflow silently: every product and sum of an estimate goes through here.
enum Checked {
  /// No machine has this many bytes; what is larger comes from a broken header.
  static let limit = 1 << 56

  /// The product of `factors`.
  ///
  /// - Throws: ``EstimationError`` with `overflow`, naming `subject`.
  static func product(_ subject: @autoclosure () -> String, _ factors: Int...) throws -> Int {
    var result = 1
    for factor in factors {
      let (value, overflow) = result.multipliedReportingOverflow(by: factor)
      guard !overflow, value >= 0, value <= limit else { throw tooLarge(subject(), factors) }
      result = value
    }
    return result
  }

  /// The sum of `terms`.
  ///
  /// - Throws: ``EstimationError`` with `overflow`, naming `subject`.
  static func sum(_ subject: @autoclosure () -> String, _ terms: some Sequence<Int>) throws -> Int {
    var result = 0
    for term in terms {
      let (value, overflow) = result.addingReportingOverflow(term)
      guard !overflow, value >= 0, value <= limit else { throw tooLarge(subject(), [result, term]) }
      result = value
    }
    return result
  }

  /// `value` rounded up to a multiple of `step`.
  static func padded(_ value: Int, to step: Int) -> Int { (value + step - 1) / step * step }

  /// The error for a sum that another module found too large.
  static func overflow(_ subject: String) -> EstimationError { tooLarge(subject, []) }

  private static func tooLarge(_ subject: String, _ numbers: [Int]) -> EstimationError {
    EstimationError(
      .overflow,
      Fault(
        subject: subject, expected: "a size that some machine could hold",
        found: numbers.map(String.init).joined(separator: " and "), remedy: "check the configuration"))
  }
}
