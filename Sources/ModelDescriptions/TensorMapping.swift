public import TensorTypes

/// What the tensors of a checkpoint become.
public struct TensorMapping: Sendable {
  /// The output tensors, in the order in which llama.cpp's converter writes them when the sources are listed shard by
  /// shard in order of file name, and within a shard in order of name.
  public var outputs: [OutputTensor]
  /// The sources that are left out, in the order of the list.
  public var skipped: [SkippedTensor]
  /// Things that the user should know, one sentence each.
  public var warnings: [String]
  /// Sources that are not what the type in their header says, by their index: packed codes, and exponents in bytes.
  public var encodings: [Int: SourceEncoding] = [:]
  /// True when weights are stored as codes with scales.
  public var hasScales: Bool
  /// The 16-bit type that fits the checkpoint: that of the first matrix stored in one, else f16.
  public var automaticType: TensorType

  /// How the bytes of a source encode values.
  ///
  /// - Parameters:
  ///   - index: The index of the source in the list.
  ///   - tensor: The source.
  /// - Returns: What the description says of the source, or else its header.
  public func encoding(of index: Int, _ tensor: SourceTensor) -> SourceEncoding {
    encodings[index] ?? .element(tensor.elementType)
  }

  /// A source that is left out.
  public struct SkippedTensor: Hashable, Sendable {
    /// The name in the checkpoint.
    public var name: String
    /// Why.
    public var reason: String

    /// Creates a note.
    public init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }
}
