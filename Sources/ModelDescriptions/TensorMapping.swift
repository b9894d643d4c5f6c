package import TensorTypes

/// What the tensors of a checkpoint become.
package struct TensorMapping: Sendable {
  /// The output tensors, in the order in which llama.cpp's converter writes them when the sources are listed shard by
  /// shard in order of file name, and within a shard in order of name.
  package var outputs: [OutputTensor]
  /// The sources that are left out, in the order of the list.
  package var skipped: [SkippedTensor]
  /// Things that the user should know, one sentence each.
  package var warnings: [String]
  /// Sources that are not what the type in their header says, by their index: packed codes, and exponents in bytes.
  package var encodings: [Int: SourceEncoding] = [:]
  /// True when weights are stored as codes with scales.
  package var hasScales: Bool
  /// The 16-bit type that fits the checkpoint: that of the first matrix stored in one, else f16.
  package var automaticType: TensorType

  /// How the bytes of a source encode values.
  ///
  /// - Parameters:
  ///   - index: The index of the source in the list.
  ///   - tensor: The source.
  /// - Returns: What the description says of the source, or else its header.
  package func encoding(of index: Int, _ tensor: SourceTensor) -> SourceEncoding {
    encodings[index] ?? .element(tensor.elementType)
  }

  /// A source that is left out.
  package struct SkippedTensor: Hashable, Sendable {
    /// The name in the checkpoint.
    package var name: String
    /// Why.
    package var reason: String

    /// Creates a note.
    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }
}
