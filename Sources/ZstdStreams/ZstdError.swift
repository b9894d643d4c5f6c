public import FileBytes

/// Why a zstd file cannot be read or written.
public struct ZstdError: FaultError, Hashable {
  /// The kinds of failure.
  public enum Code: Hashable, Sendable {
    /// The data is not zstd or a frame is damaged.
    case corrupt
    /// The file ends inside a frame.
    case truncated
    /// The frame needs a larger window than allowed.
    case windowTooLarge
    /// The library could not be set up; memory is short.
    case noMemory
    /// A compression level or another setting that the library refuses.
    case badSetting
    /// The output cannot be written.
    case cannotWrite
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

  /// Bad data is the input's fault.
  public var faultClass: FaultClass {
    switch code {
    case .corrupt, .truncated, .windowTooLarge: .rejected
    case .badSetting: .usage
    case .noMemory, .cannotWrite: .failed
    }
  }
}
