public import FileBytes

/// The kinds of refusal.
public enum ImportanceErrorCode: FaultCode {
  /// The file holds no entries.
  case empty
  /// A legacy file ends in the middle of something.
  case truncated
  /// A legacy file's number of entries cannot be right.
  case badEntryCount
  /// A name is empty, too long, negative in length or not text.
  case badName
  /// An entry has no values, or more than the file can hold.
  case badValueCount
  /// A legacy file goes on after its end.
  case trailingBytes
  /// Two entries have one name.
  case duplicateName
  /// A metadata key that a quantizer needs is missing.
  case missingMetadata
  /// A metadata key has the wrong type or an impossible value.
  case badMetadata
  /// Sums without counts, or counts without sums.
  case missingPair
  /// Sums or counts are not stored as f32.
  case wrongTensorType
  /// The number of sums is not a multiple of the number of counts.
  case shapeMismatch
  /// A sum is a NaN or an infinity.
  case nonFiniteValue
  /// A sum of squares is negative.
  case negativeValue
  /// A count is negative.
  case negativeCount
  /// A count is a NaN, an infinity or too large for an integer.
  case badCount
  /// An entry does not fit the tensor it is for.
  case sizeMismatch
  /// Weights to include and weights to exclude are both given.
  case conflictingFilters
  /// A filter matches no entry.
  case filterMatchesNothing

  /// Filters are the command line's fault, everything else the file's.
  public var faultClass: FaultClass {
    switch self {
    case .conflictingFilters: .usage
    default: .rejected
    }
  }
}

/// Why importance data is refused.
public typealias ImportanceError = CodedError<ImportanceErrorCode>
