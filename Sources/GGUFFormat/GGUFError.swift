public import FileBytes

/// Why a GGUF file or a set of shards is refused, or why one cannot be written.
public struct GGUFError: FaultError, Hashable {
  /// The kinds of refusal; one for each way a file can be wrong.
  public enum Code: Hashable, Sendable {
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

  /// The input's fault, or a limit asked for that cannot be kept.
  public var faultClass: FaultClass {
    switch code {
    case .emptyShard, .badLimit: .usage
    default: .rejected
    }
  }
}
