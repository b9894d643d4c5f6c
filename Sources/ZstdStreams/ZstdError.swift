package import FileBytes

/// The kinds of failure.
package enum ZstdErrorCode: FaultCode {
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

  /// Bad data is the input's fault.
  package var faultClass: FaultClass {
    switch self {
    case .corrupt, .truncated, .windowTooLarge: .rejected
    case .badSetting: .usage
    case .noMemory, .cannotWrite: .failed
    }
  }
}

/// Why a zstd file cannot be read or written.
package typealias ZstdError = CodedError<ZstdErrorCode>
