/// What a tensor is for its part of a model; the runtime finds tensors by it, and recipes and reports their roles.
///
/// A rule names the slot of each tensor that it makes, so that names are spelled in rules alone.
public enum TensorSlot: Hashable, Sendable, CaseIterable {
  // Outside of all blocks.
  case tokenEmbedding, outputNorm, output, rotaryFactors, rotaryFactorsShort, rotaryFactorsLong
  // Every block.
  case mixerNorm, feedForwardNorm
  // Softmax attention.
  case query, key, value, attentionOutput, queryBias, keyBias, valueBias, attentionOutputBias
  case queryNorm, keyNorm
  // Latent attention, beside `query`, `queryNorm` and `attentionOutput`.
  case queryDown, queryUp, latentDown, latentNorm, latentKey, latentValue
  // Gated delta nets.
  case deltaNetInput, deltaNetGate, deltaNetBeta, deltaNetAlpha, deltaNetGates, convolution, decay, stepBias
  case deltaNetNorm, deltaNetOutput
  // Dense networks.
  case gate, up, down, gateBias, upBias, downBias
  // Mixtures of experts.
  case router, selectionBias, expertGate, expertUp, expertDown, sharedGate, sharedUp, sharedDown, sharedScale
  // Blocks that predict one token further.
  case nextTokenProjection, nextTokenEmbeddingNorm, nextTokenHiddenNorm, nextTokenHeadNorm
  case nextTokenEmbedding, nextTokenHead

  /// What a tensor in this slot does in a model.
  public var role: TensorRole {
    switch self {
    case .tokenEmbedding: .tokenEmbedding
    case .output: .output
    case .outputNorm, .mixerNorm, .feedForwardNorm, .queryNorm, .keyNorm, .latentNorm, .deltaNetNorm: .norm
    case .rotaryFactors, .rotaryFactorsShort, .rotaryFactorsLong: .other
    case .query, .key, .value, .attentionOutput, .queryBias, .keyBias, .valueBias, .attentionOutputBias,
      .queryDown, .queryUp, .latentDown, .latentKey, .latentValue:
      .attention
    case .deltaNetInput, .deltaNetGate, .deltaNetBeta, .deltaNetAlpha, .deltaNetGates, .convolution, .decay,
      .stepBias, .deltaNetOutput:
      .linearAttention
    case .gate, .up, .down, .gateBias, .upBias, .downBias: .feedForward
    case .router, .selectionBias, .sharedScale: .router
    case .expertGate, .expertUp, .expertDown: .routedExperts
    case .sharedGate, .sharedUp, .sharedDown: .sharedExperts
    case .nextTokenProjection, .nextTokenEmbeddingNorm, .nextTokenHiddenNorm, .nextTokenHeadNorm,
      .nextTokenEmbedding, .nextTokenHead:
      .nextToken
    }
  }
}
