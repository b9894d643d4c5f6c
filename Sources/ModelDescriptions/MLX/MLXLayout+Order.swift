extension MLXLayout {
  /// The order in which mlx-lm goes through the tensors of a model, and fills shards with them: that of the modules in its
  /// classes.
  ///
  /// - Parameter outputs: The tensors of a model.
  /// - Returns: Their indices.
  package func order(of outputs: [OutputTensor]) -> [Int] {
    outputs.indices.sorted { place(of: outputs[$0]).lexicographicallyPrecedes(place(of: outputs[$1])) }
  }

  private func place(of output: OutputTensor) -> [Int] {
    switch output.slot {
    case .tokenEmbedding: return [0]
    case .outputNorm: return [2]
    case .output: return [3]
    default: break
    }
    let parts =
      normsComeLast
      ? [Self.mixer, Self.feedForward, Self.norms] : [Self.mixer, Self.norms, Self.feedForward]
    let rank = parts.joined().enumerated().first { $0.element == output.slot }?.offset ?? .max
    return [1, output.block ?? 0, rank]
  }

  private static let norms: [TensorSlot] = [.mixerNorm, .feedForwardNorm]
  private static let mixer: [TensorSlot] = [
    .query, .queryBias, .key, .keyBias, .value, .valueBias, .attentionOutput, .attentionOutputBias,
    .queryNorm,
    .keyNorm,
    .convolution, .deltaNetInput, .deltaNetGate, .deltaNetBeta, .deltaNetAlpha, .deltaNetGates, .stepBias,
    .decay,
    .deltaNetNorm, .deltaNetOutput,
  ]
  private static let feedForward: [TensorSlot] = [
    .gate, .down, .up, .router, .expertGate, .expertUp, .expertDown, .sharedGate, .sharedDown, .sharedUp,
    .sharedScale,
  ]
}
