internal import ModelDescriptions
internal import TensorCompute
internal import TensorTypes

extension DecoderLayer {
  /// All matrices of the layer; those of a stack that lies in one piece as one.
  var matrices: [WeightMatrix] { matricesWithoutExperts + expertStacks.flatMap(\.matrices) }

  /// The matrices that every row is multiplied with.
  var matricesWithoutExperts: [WeightMatrix] {
    switch feedForward {
    case .dense(let weights): mixerMatrices + weights.matrices
    case .experts(_, let weights): mixerMatrices + weights.others
    case .parallel(let weights): mixerMatrices + weights.dense.matrices + weights.experts.others
    }
  }

  /// The stacks of which rows use some experts; none in dense layers.
  var expertStacks: [ExpertStack] {
    switch feedForward {
    case .dense: []
    case .experts(_, let weights): weights.stacks
    case .parallel(let weights): weights.experts.stacks
    }
  }

  private var mixerMatrices: [WeightMatrix] {
    switch mixer {
    case .attention(_, let weights):
      return [weights.query, weights.key, weights.value, weights.output].compactMap { $0?.weights }
    case .latent(_, let weights):
      let query: [NamedMatrix] =
        switch weights.query {
        case .direct(let matrix): [matrix]
        case .narrowed(let down, _, let up): [down, up]
        }
      return (query + [weights.latent, weights.output]).map(\.weights) + weights.key.matrices
        + weights.value.matrices
    case .deltaNet(_, let weights):
      let gates: [NamedMatrix] =
        switch weights.gates {
        case .separate(let beta, let alpha): [beta, alpha]
        case .perKeyHead(let matrix): [matrix]
        }
      return ([weights.queryKeyValue, weights.gate, weights.output] + gates).map(\.weights)
    case .shortConvolution(_, let weights): return [weights.input, weights.output].map(\.weights)
    }
  }

  /// Weights that one token is multiplied with in the first branch: a measure of its arithmetic.
  func mixerWork(_ mode: ComputeMode) -> Double { mixerMatrices.work(mode) }

  /// The same for the second branch.
  func feedForwardWork(_ mode: ComputeMode) -> Double {
    switch feedForward {
    case .dense(let weights): weights.matrices.work(mode)
    case .experts(let shape, let weights): weights.work(shape, mode)
    case .parallel(let weights): weights.dense.matrices.work(mode) + weights.experts.work(weights.shape, mode)
    }
  }
}

extension DenseWeights {
  fileprivate var matrices: [WeightMatrix] { [gate, up, down].map(\.weights) }
}

extension ExpertWeights {
  fileprivate var stacks: [ExpertStack] { [gate, up, down] }
  fileprivate var others: [WeightMatrix] {
    [router.weights] + (shared?.matrices ?? []) + (sharedGate.map { [$0.weights] } ?? [])
  }

  fileprivate func work(_ shape: Experts, _ mode: ComputeMode) -> Double {
    stacks.flatMap(\.matrices).work(mode) * Double(shape.usedCount) / Double(shape.count) + others.work(mode)
  }
}

extension ExpertStack {
  /// All of it, as one where it lies in one piece.
  var matrices: [WeightMatrix] { whole.map { [$0] } ?? experts }
}

extension [WeightMatrix] {
  fileprivate func work(_ mode: ComputeMode) -> Double { reduce(0) { $0 + $1.work(mode) } }
}

extension WeightMatrix {
  /// Rows times columns; products of blocks with 8-bit activations take two fifths of the time of those in floats, by
  /// the processor's time for a bf16 mixture and its Q4_K_M.
  func work(_ mode: ComputeMode) -> Double {
    Double(rows) * Double(columns) * (mode == .fast && type.isQuantized ? 0.4 : 1)
  }
}
