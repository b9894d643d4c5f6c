/// The softmax attention of a layer.
package struct Attention: Hashable, Sendable {
  /// Which dimensions of a head the rotary embedding pairs in the stored weights of the *output*.
  package enum RotaryPairing: Hashable, Sendable {
    /// Dimension j with j + half ("neox").
    case halfSplit
    /// Dimension 2j with 2j + 1 (the llama architecture); query and key rows are reordered at conversion, unless
    /// ``Attention/checkpointsPairAdjacent``.
    case adjacent
  }

  /// Query heads.
  package var headCount: Int
  /// Key/value heads; a divisor of `headCount`.
  package var keyValueHeadCount: Int
  /// Dimensions per head.
  package var headDim: Int
  /// Biases on the query, key and value projections.
  package var hasInputBias = false
  /// A bias on the output projection.
  package var hasOutputBias = false
  /// Whether values have a projection of their own; without one they are the keys before norms and rotary embedding.
  package var hasValueProjection = true
  /// Norms over each query and key head before the rotary embedding.
  package var hasQueryKeyNorm = false
  /// These norms run over all heads together, not over each of them.
  package var normsWholeWidth = false
  /// These norms come after the rotary embedding.
  package var normsAfterRotation = false
  /// Whether each value head is normed, without weights.
  package var normsValues = false
  /// What queries, keys and values are cut off at, up and down, before the rotary embedding; `nil` when they are not.
  package var clip: Double?
  /// The query projection has `headDim` more rows per head, whose sigmoid multiplies the head's output.
  package var hasOutputGate = false
  /// What scores are multiplied by; `nil` for one over the root of `headDim`.
  package var scoreScale: Double?
  /// Whether a learned score of each head joins the sum that softmax divides by, without a value.
  package var hasSinks = false
  /// The rotary embedding.
  package var rope = RopeParameters(theta: 10000)
  /// How the output's weights pair dimensions.
  package var rotaryPairing = RotaryPairing.halfSplit
  /// Whether checkpoints pair adjacent dimensions too (ERNIE 4.5), so that an output that does keeps their rows.
  package var checkpointsPairAdjacent = false
  /// Whether query and key rows are reordered at conversion.
  package var reordersPairs: Bool { rotaryPairing == .adjacent && !checkpointsPairAdjacent }
  /// Rotated dimensions per head; 0 for an attention that knows no positions.
  package var rotaryDimensions: Int
  /// The most tokens that a token attends to, itself included; `nil` for all before it.
  package var window: Int?

  /// Creates an attention without biases, norms and gate, all of whose dimensions turn.
  package init(headCount: Int, keyValueHeadCount: Int, headDim: Int) {
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDim = headDim
    rotaryDimensions = headDim
  }

  /// The width of all query heads together.
  package var queryWidth: Int { headCount * headDim }
  /// The width of all key heads together.
  package var keyValueWidth: Int { keyValueHeadCount * headDim }
  /// Query heads per key/value head.
  package var groupSize: Int { headCount / keyValueHeadCount }
}
