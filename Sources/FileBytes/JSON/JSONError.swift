/// The kinds of refusal.
package enum JSONErrorCode: FaultCode {
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

/// Why a JSON text is refused.
package typealias JSONError = CodedError<JSONErrorCode>
