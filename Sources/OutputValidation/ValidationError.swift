public import FileBytes

/// The kinds of failure.
public enum ValidationErrorCode: FaultCode {
  /// The file has at least one finding of the severity "error".
  case unsound
  /// The file has warnings, and `--strict` was asked for.
  case warnings
  /// A manifest cannot be understood.
  case badManifest
  /// A manifest has no line for this file.
  case foreignManifest
  /// The files of a comparison are of kinds that cannot be compared.
  case notComparable
  /// An output file cannot be written.
  case cannotWrite
  /// The user interrupted the run.
  case interrupted
  /// Two files differ, and `--strict` was asked for.
  case different

  /// Maps the kind to an exit code class.
  public var faultClass: FaultClass {
    switch self {
    case .unsound, .badManifest, .foreignManifest, .notComparable: .rejected
    case .warnings, .different: .strict
    case .cannotWrite, .interrupted: .failed
    }
  }
}

/// Why a validation could not be made, or what its result is when that is not good.
public typealias ValidationError = CodedError<ValidationErrorCode>
