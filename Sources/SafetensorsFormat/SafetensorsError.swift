public import FileBytes

/// The kinds of refusal; one for each way a file can be wrong.
public enum SafetensorsErrorCode: FaultCode {
  // The file and its header as bytes.
  case fileTooShort
  case headerTooLarge
  case headerPastEnd
  case notAnObject
  case notUTF8
  case malformedJSON
  case nestingTooDeep
  case duplicateKey
  // One tensor.
  case missingField
  case unknownElementType
  case badNumber
  case numberOverflow
  case badOffsets
  case shapeOverflow
  case partialByte
  case sizeMismatch
  case badMetadata
  // The data section.
  case gap
  case overlap
  case truncated
  case trailingBytes
  // The index and the folder.
  case badIndex
  case badShardName
  case noCheckpoint
  case missingShards
  case tensorAbsent
  case tensorUnlisted
  case tensorTwice
  case compressedNotSupported
  case cannotWrite

  /// Everything but a failed write is the input's fault.
  public var faultClass: FaultClass { self == .cannotWrite ? .failed : .rejected }
}

/// Why a safetensors file, an index or a checkpoint folder is refused.
public typealias SafetensorsError = CodedError<SafetensorsErrorCode>
