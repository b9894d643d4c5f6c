public import FileBytes

/// The kind of failure.
public enum EstimationErrorCode: FaultCode {
  /// The source is no file, folder or known name.
  case unknownSource
  /// A name that is almost one of the built-in models.
  case unknownModel
  /// An option is out of range or contradicts another.
  case badOption
  /// A size does not fit 64 bits, or is beyond any machine.
  case overflow
  /// The source has too little to tell sizes from.
  case incompleteSource

  /// Bad options are wrong usage, all else is the input's fault.
  public var faultClass: FaultClass { self == .badOption ? .usage : .rejected }
}

/// Why a model cannot be priced.
public typealias EstimationError = CodedError<EstimationErrorCode>
