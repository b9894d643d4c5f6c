public import FileBytes

/// The kinds of failure.
public enum RuntimeErrorCode: FaultCode {
  /// Neither a GGUF file nor a checkpoint folder.
  case unknownModelFormat
  /// An architecture without a forward pass here.
  case unsupportedArchitecture
  /// A metadata value is missing or makes no sense.
  case badMetadata
  case missingTensor
  case wrongShape
  /// A tensor type that cannot be multiplied with.
  case unsupportedType
  case emptyInput
  case tokenOutOfRange
  case contextOverflow
  /// A weight, an activation or a logit is NaN or infinite.
  case nonFinite
  /// A tensor does not fit in memory.
  case outOfMemory

  /// Bad models and bad requests are rejected; a failure of the arithmetic or of memory happens while working.
  public var faultClass: FaultClass {
    switch self {
    case .nonFinite, .outOfMemory: .failed
    default: .rejected
    }
  }
}

/// Why a model cannot be run, or a run cannot go on.
public typealias RuntimeError = CodedError<RuntimeErrorCode>
