public import FileBytes

/// The kind of failure.
public enum ConversionErrorCode: FaultCode {
  /// The source is neither a checkpoint folder nor a GGUF.
  case unknownSource
  /// Options contradict each other or the source.
  case badOption
  /// The output exists already.
  case outputExists
  /// The output folder is missing or not writable.
  case outputNotWritable
  /// Too little free space for the output.
  case notEnoughDisk
  /// The memory limit is below what one tile needs.
  case memoryLimitTooSmall
  /// A weight is NaN or infinite.
  case nonFiniteWeight
  /// A block scale left the range of f16.
  case scaleOverflow
  /// A weight is too large for the type it is stored with, or that it passes through.
  case valueOutOfRange
  /// The finished file does not pass the check after writing.
  case selfCheckFailed
  /// Some outputs of a run could not be made.
  case outputsFailed
  /// Parts of a run that are not there yet, or not complete.
  case partsMissing
  /// What is there was divided in another way, or belongs to parts of another job.
  case otherParts
  /// The user interrupted the run.
  case interrupted
  /// A source type that Pouch cannot decode.
  case unsupportedSourceType
  /// The importance data does not fit the tensor.
  case importanceMismatch
  /// Experts without importance data under `--blind-experts error`.
  case blindExperts
  /// A text that is no Modelfile of Ollama, or that none can hold.
  case badModelfile
  /// A notice became an error under `--strict`.
  case strictViolation

  /// Maps the kind to an exit code class.
  public var faultClass: FaultClass {
    switch self {
    case .badOption: .usage
    case .strictViolation, .blindExperts: .strict
    case .notEnoughDisk, .selfCheckFailed, .outputsFailed, .partsMissing, .interrupted: .failed
    default: .rejected
    }
  }
}

/// What can go wrong between a checkpoint and a finished GGUF.
public typealias ConversionError = CodedError<ConversionErrorCode>
