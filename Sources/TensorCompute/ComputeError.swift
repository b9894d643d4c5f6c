public import FileBytes

/// What can be wrong with weights handed to this module.
public struct ComputeError: FaultError, Hashable {
  /// The kind of problem.
  public enum Code: Hashable, Sendable {
    /// The type cannot be multiplied.
    case unsupportedType
    /// Columns are not a multiple of the type's block length, or a size is negative or overflows.
    case invalidShape
    /// The bytes are fewer or more than the shape needs.
    case wrongByteCount
  }

  /// The kind of problem.
  public let code: Code
  /// The five parts of the message.
  public let fault: Fault
  /// Always rejected input.
  public var faultClass: FaultClass { .rejected }

  /// Creates an error.
  init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }
}
