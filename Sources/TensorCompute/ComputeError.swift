package import FileBytes

/// The kind of problem.
package enum ComputeErrorCode: FaultCode {
  /// The type cannot be multiplied.
  case unsupportedType
  /// Columns are not a multiple of the type's block length, or a size is negative or overflows.
  case invalidShape
  /// The bytes are fewer or more than the shape needs.
  case wrongByteCount
}

/// What can be wrong with weights handed to this module.
package typealias ComputeError = CodedError<ComputeErrorCode>
