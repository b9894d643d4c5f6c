/// Why a JSON text is refused.
public struct JSONError: FaultError, Hashable {
  /// The kinds of refusal.
  public enum Code: Hashable, Sendable {
    /// The text does not follow the grammar.
    case malformed
    /// A string is not UTF-8.
    case notUTF8
    /// Values nest deeper than the scanner's limit.
    case nestingTooDeep
    /// Something else stands where a whole number of at least 0 belongs.
    case badNumber
    /// A whole number of 2^63 or more.
    case numberOverflow
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// All of them are the input's fault.
  public var faultClass: FaultClass { .rejected }
}
