/// A mix that was not solved for, to stand beside those that were: a stock mix, or a recipe.
package struct FrontierMix: Hashable, Sendable {
  /// Where it comes from.
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    /// A stock mix of llama-quantize.
    case stock
    /// A recipe.
    case recipe
  }

  /// The name.
  package var name: String
  /// Where it comes from.
  package var kind: Kind
  /// Bytes of the file, header included.
  package var fileByteCount: Int
  /// Bits of all tensors over the weights of all tensors.
  package var bitsPerWeight: Double
  /// The sum of the divergences of its groups in the table; `nil` when the table lacks one of its types.
  package var predictedDivergence: Double?
  /// What it lost on text that had no part in any choice; `nil` when that was not measured.
  package var actual: TunedMix.Actual?

  /// Creates a mix.
  package init(
    name: String, kind: Kind, fileByteCount: Int, bitsPerWeight: Double, predictedDivergence: Double? = nil,
    actual: TunedMix.Actual? = nil
  ) {
    self.name = name
    self.kind = kind
    self.fileByteCount = fileByteCount
    self.bitsPerWeight = bitsPerWeight
    self.predictedDivergence = predictedDivergence
    self.actual = actual
  }
}
