/// The kinds of failure that a module knows, one case for each that code or tests tell apart.
public protocol FaultCode: Hashable, Sendable {
  /// Which exit code the kind leads to.
  var faultClass: FaultClass { get }
}

extension FaultCode {
  /// Rejected input, which is what most kinds of a reader are.
  public var faultClass: FaultClass { .rejected }
}

/// An error of one module: a kind and a message.
///
/// A module names its own, such as ``FileError`` for `CodedError<FileErrorCode>`; so the errors of two modules are
/// different types, which `catch` tells apart, and each module writes down nothing but its kinds.
public struct CodedError<Kind: FaultCode>: FaultError, Hashable {
  /// The kinds, by a name that is the same for every module.
  public typealias Code = Kind

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault

  /// Creates an error.
  ///
  /// Never inlined, as it stands in the cold branches of functions that are.
  @inline(never)
  public init(_ code: Code, _ fault: Fault) {
    self.code = code
    self.fault = fault
  }

  /// The exit code's class, as the kind has it.
  public var faultClass: FaultClass { code.faultClass }
}
