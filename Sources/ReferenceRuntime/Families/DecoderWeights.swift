internal import ModelDescriptions
internal import TensorCompute

/// A layer: two residual branches, each behind a norm and in some models before another one.
struct DecoderLayer {
  /// What mixes positions.
  enum Mixer {
    case attention(Attention, AttentionWeights)
    case latent(LatentAttention, LatentWeights)
    case deltaNet(GatedDeltaNet, DeltaNetWeights)
    case shortConvolution(ShortConvolution, ShortConvolutionWeights)
  }

  /// What works on each position alone.
  enum FeedForward {
    case dense(DenseWeights)
    case experts(Experts, ExpertWeights)
    case parallel(ParallelWeights)
  }

  var mixerNorm: NormWeights
  var mixer: Mixer
  var mixerOutputNorm: NormWeights?
  var feedForwardNorm: NormWeights
  var feedForward: FeedForward
  var feedForwardOutputNorm: NormWeights?
  /// What the branches are multiplied by before they are added.
  var branchFactor: Float
  /// What the stream is multiplied by at the end.
  var outputScale: Float
}

/// Softmax attention: q, k, v and output projections, with what some families add.
struct AttentionWeights {
  /// With an output gate: per head `headDim` query rows, then as many gate rows.
  var query: NamedMatrix
  var key: NamedMatrix
  /// `nil` where values are the keys before norms and rotary embedding.
  var value: NamedMatrix?
  var output: NamedMatrix
  var queryBias: FloatBuffer?
  var keyBias: FloatBuffer?
  var valueBias: FloatBuffer?
  var outputBias: FloatBuffer?
  /// Norm over each head, or over all of them, before or after the rotary embedding.
  var queryNorm: FloatBuffer?
  var keyNorm: FloatBuffer?
  /// A score per head that joins the softmax's sum.
  var sinks: FloatBuffer?
  /// The place of its rotary embedding among those of the model; `nil` without one.
  var rotation: Int?
}

/// Latent attention.
struct LatentWeights {
  /// How queries are made.
  enum Query {
    case direct(NamedMatrix)
    /// By way of a narrow vector, which is normed.
    case narrowed(down: NamedMatrix, norm: FloatBuffer, up: NamedMatrix)
  }

  var query: Query
  /// Rows: the latent vector, then the rotary key.
  var latent: NamedMatrix
  /// Norm over the latent vector.
  var norm: FloatBuffer
  /// For each head, from its query to the latent space: the key projection, transposed.
  var key: ExpertStack
  /// For each head, from the latent space to its value.
  var value: ExpertStack
  var output: NamedMatrix
  /// The place of its rotary embedding among those of the model.
  var rotation: Int
}

/// A gated delta net.
struct DeltaNetWeights {
  /// How beta (step size) and alpha (decay) are projected.
  enum Gates {
    case separate(beta: NamedMatrix, alpha: NamedMatrix)
    /// Rows per key head: the betas of its value heads, then the alphas.
    case perKeyHead(NamedMatrix)
  }

  /// Rows: queries, keys, values of all heads.
  var queryKeyValue: NamedMatrix
  /// The output gate z.
  var gate: NamedMatrix
  var gates: Gates
  /// [kernelLength][channels]; the file has channels of kernelLength values.
  var convolution: FloatBuffer
  /// -exp(A_log), one per value head.
  var decay: [Float]
  /// Added to alpha, one per value head.
  var stepBias: [Float]
  /// Shared by all value heads, `valueDim` values.
  var norm: FloatBuffer
  var output: NamedMatrix
}

/// A short convolution.
struct ShortConvolutionWeights {
  var input: NamedMatrix
  /// [kernelLength][channels]; the file has channels of kernelLength values.
  var taps: FloatBuffer
  var output: NamedMatrix
}

/// A dense gated network.
struct DenseWeights {
  var gate: NamedMatrix
  var up: NamedMatrix
  var down: NamedMatrix
  var gateBias: FloatBuffer?
  var upBias: FloatBuffer?
  var downBias: FloatBuffer?
}

/// Routed experts and perhaps a shared one.
struct ExpertWeights {
  /// Biases of each expert's projections, expert after expert.
  struct Biases {
    var gate, up, down: FloatBuffer
  }

  var router: NamedMatrix
  /// Added to the scores of experts.
  var routerBias: FloatBuffer?
  /// What the stream, normed, is multiplied by for the router; `nil` where it takes what the experts take.
  var routerInputScale: FloatBuffer?
  /// Added to probabilities for the choice of experts alone.
  var selectionBias: [Float]?
  var gate: ExpertStack
  var up: ExpertStack
  var down: ExpertStack
  var biases: Biases?
  /// What each expert's share is multiplied by.
  var scales: [Float]?
  var shared: DenseWeights?
  /// One row; its product's sigmoid scales the shared expert, which is added as it is without.
  var sharedGate: NamedMatrix?
}

/// A dense network and experts beside it.
struct ParallelWeights {
  var dense: DenseWeights
  var shape: Experts
  var experts: ExpertWeights
  var denseOutputNorm: NormWeights
  var expertInputNorm: NormWeights
  var expertOutputNorm: NormWeights
}

/// What happens to the stream before the first layer and after the last.
struct EndWeights {
  var embeddingScale: Float
  var outputBias: FloatBuffer?
  var logitDivisor: Float
  var logitCap: Float?

  /// Whether logits are not what the output head gives.
  var changesLogits: Bool { logitDivisor != 1 || logitCap != nil }
}

/// All weights of a decoder, bound to their roles and checked for shape.
struct DecoderWeights {
  var embedding: NamedMatrix
  var layers: [DecoderLayer]
  var outputNorm: NormWeights
  /// The embedding itself when tied.
  var output: NamedMatrix
  var ends: EndWeights
  /// The kinds of rotary embeddings in the model.
  var rotations: [RotarySettings]
  /// What each rotary pair's angle is divided by.
  var rotaryFactors: [Float]?
  /// What it is divided by in sessions that are longer than the context that a file names; `nil` for the same.
  var longRotaryFactors: LongFactors?

  /// Factors for long sessions.
  struct LongFactors {
    /// The most tokens of a session that is not long.
    var originalContextLength: Int
    /// The factors, `nil` when the file has none.
    var factors: [Float]?
  }

  /// Values per row of the residual stream.
  var width: Int { embedding.weights.columns }

  /// The limit of the texts for which all rotary embeddings are known; `nil` without one.
  var lengthLimit: RotarySettings.LengthLimit? {
    rotations.compactMap(\.lengthLimit).min { $0.tokenCount < $1.tokenCount }
  }

  /// The factors of a rotary embedding in a session for at most `contextLength` tokens.
  func rotaryFactors(of settings: RotarySettings, contextLength: Int) -> [Float]? {
    guard settings.factorTensors != .none else { return nil }
    guard let long = longRotaryFactors, contextLength > long.originalContextLength else {
      return rotaryFactors
    }
    return long.factors
  }
}
