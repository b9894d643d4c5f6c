/// What a tensor is for its part of a model; the runtime finds tensors by it, and recipes and reports their roles.
///
/// A rule names the slot of each tensor that it makes, so that names are spelled in rules alone.
public enum TensorSlot: Hashable, Sendable, CaseIterable {
  // Outside of all blocks.
  case tokenEmbedding, outputNorm, output, rotaryFactors, rotaryFactorsShort, rotaryFactorsLong
  case outputNormBias, outputBias
  // Every block.
  case mixerNorm, feedForwardNorm, mixerNormBias, feedForwardNormBias
  // After the branches of a block, and at its end.
  case mixerOutputNorm, feedForwardOutputNorm, layerScale
  // Softmax attention.
  case query, key, value, attentionOutput, queryBias, keyBias, valueBias, attentionOutputBias
  case queryNorm, keyNorm, sinks
  // Latent attention, beside `query`, `queryNorm` and `attentionOutput`.
  case queryDown, queryUp, latentDown, latentNorm, latentKey, latentValue
  // Gated delta nets.
  case deltaNetInput, deltaNetGate, deltaNetBeta, deltaNetAlpha, deltaNetGates, convolution, decay, stepBias
  case deltaNetNorm, deltaNetOutput
  // Short convolutions.
  case shortConvolutionInput, shortConvolutionTaps, shortConvolutionOutput
  // Dense networks.
  case gate, up, down, gateBias, upBias, downBias
  // Mixtures of experts.
  case router, selectionBias, expertGate, expertUp, expertDown, sharedGate, sharedUp, sharedDown, sharedScale
  case routerBias, routerInputScale, expertScales, expertGateBias, expertUpBias, expertDownBias
  // Experts beside a dense network, beside `feedForwardNorm` and `feedForwardOutputNorm`.
  case denseOutputNorm, expertInputNorm, expertOutputNorm
  // Blocks that predict one token further.
  case nextTokenProjection, nextTokenEmbeddingNorm, nextTokenHiddenNorm, nextTokenHeadNorm
  case nextTokenEmbedding, nextTokenHead

  /// What a tensor in this slot does in a model.
  public var role: TensorRole {
    switch self {
    case .tokenEmbedding: .tokenEmbedding
    case .output, .outputBias: .output
    case .outputNorm, .mixerNorm, .feedForwardNorm, .queryNorm, .keyNorm, .latentNorm, .deltaNetNorm,
      .outputNormBias, .mixerNormBias, .feedForwardNormBias, .mixerOutputNorm, .feedForwardOutputNorm,
      .denseOutputNorm, .expertInputNorm, .expertOutputNorm:
      .norm
    case .rotaryFactors, .rotaryFactorsShort, .rotaryFactorsLong, .layerScale: .other
    case .query, .key, .value, .attentionOutput, .queryBias, .keyBias, .valueBias, .attentionOutputBias,
      .queryDown, .queryUp, .latentDown, .latentKey, .latentValue, .sinks:
      .attention
    case .deltaNetInput, .deltaNetGate, .deltaNetBeta, .deltaNetAlpha, .deltaNetGates, .convolution, .decay,
      .stepBias, .deltaNetOutput, .shortConvolutionInput, .shortConvolutionTaps, .shortConvolutionOutput:
      .linearAttention
    case .gate, .up, .down, .gateBias, .upBias, .downBias: .feedForward
    case .router, .selectionBias, .sharedScale, .routerBias, .routerInputScale, .expertScales: .router
    case .expertGate, .expertUp, .expertDown, .expertGateBias, .expertUpBias, .expertDownBias: .routedExperts
    case .sharedGate, .sharedUp, .sharedDown: .sharedExperts
    case .nextTokenProjection, .nextTokenEmbeddingNorm, .nextTokenHiddenNorm, .nextTokenHeadNorm,
      .nextTokenEmbedding, .nextTokenHead:
      .nextToken
    }
  }
}
