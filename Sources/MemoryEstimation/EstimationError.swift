public import FileBytes

/// Why a model cannot be priced.
public struct EstimationError: FaultError {
  /// The kind of failure.
  public enum Code: Hashable, Sendable {
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
  }

  /// The kind, for comparison.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// Bad options are wrong usage, all else is the input's fault.
  public var faultClass: FaultClass { code == .badOption ? .usage : .rejected }
}
