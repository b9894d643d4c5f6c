public import FileBytes

/// Why a validation could not be made, or what its result is when that is not good.
public struct ValidationError: FaultError, Hashable {
  /// The kinds of failure.
  public enum Code: Hashable, Sendable {
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

  /// Maps the kind to an exit code class.
  public var faultClass: FaultClass {
    switch code {
    case .unsound, .badManifest, .foreignManifest, .notComparable: .rejected
    case .warnings, .different: .strict
    case .cannotWrite, .interrupted: .failed
    }
  }
}
