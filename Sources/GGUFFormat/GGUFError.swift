public import FileBytes

/// The kinds of refusal; one for each way a file can be wrong.
public enum GGUFErrorCode: FaultCode {
  // The file and its counts.
  case badMagic
  case badVersion
  case otherByteOrder
  case badCount
  case headerTruncated
  case headerTooLarge
  // Metadata.
  case stringTooLong
  case notUTF8
  case emptyKey
  case duplicateKey
  case badValueType
  case nestedArray
  case arrayTooLong
  case badAlignment
  // Tensors.
  case badName
  case duplicateTensor
  case tooManyDimensions
  case badDimension
  case shapeOverflow
  case unknownTensorType
  case removedTensorType
  case partialBlock
  case badOffset
  case sizeOverflow
  case truncated
  // Sets of shards.
  case badSplitKey
  case badSplitName
  case notFirstShard
  case missingShards
  case wrongShardNumber
  case wrongTensorCount
  case emptyShard
  case badLimit

  /// The input's fault, or a limit asked for that cannot be kept.
  public var faultClass: FaultClass {
    switch self {
    case .emptyShard, .badLimit: .usage
    default: .rejected
    }
  }
}

/// Why a GGUF file or a set of shards is refused, or why one cannot be written.
public typealias GGUFError = CodedError<GGUFErrorCode>
