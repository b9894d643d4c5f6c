public import FileBytes

/// Why a model cannot be run, or a run cannot go on.
public struct RuntimeError: FaultError, Hashable {
  /// The kinds of failure.
  public enum Code: Hashable, Sendable {
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
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  @inline(never)
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// Bad models and bad requests are rejected; a failure of the arithmetic or of memory happens while working.
  public var faultClass: FaultClass {
    switch code {
    case .nonFinite, .outOfMemory: .failed
    default: .rejected
    }
  }
}
