/// What a tensor is for its part of a model; the runtime finds tensors by it, and recipes and reports their roles.
///
/// A rule names the slot of each tensor that it makes, so that names are spelled in rules alone.
package enum TensorSlot: Hashable, Sendable, CaseIterable {
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
  // Several of the above as one tensor, which some files have; a forward pass looks for each.
  case queryKeyValue, queryKeyValueBias, latentKeyValue, deltaNetInputGate, expertGateUp
  // A vision tower: the filters of a frame of patches, what positions add, matrices, and norms with all biases.
  case visionPatches, visionPositions, visionMatrix, visionVector

  /// What a tensor in this slot does in a model.
  package var role: TensorRole {
    switch self {
    case .tokenEmbedding: .tokenEmbedding
    case .output, .outputBias: .output
    case .outputNorm, .mixerNorm, .feedForwardNorm, .queryNorm, .keyNorm, .latentNorm, .deltaNetNorm,
      .outputNormBias, .mixerNormBias, .feedForwardNormBias, .mixerOutputNorm, .feedForwardOutputNorm,
      .denseOutputNorm, .expertInputNorm, .expertOutputNorm:
      .norm
    case .rotaryFactors, .rotaryFactorsShort, .rotaryFactorsLong, .layerScale: .other
    case .query, .key, .value, .attentionOutput, .queryBias, .keyBias, .valueBias, .attentionOutputBias,
      .queryDown, .queryUp, .latentDown, .latentKey, .latentValue, .queryKeyValue, .queryKeyValueBias,
      .latentKeyValue, .sinks:
      .attention
    case .deltaNetInput, .deltaNetGate, .deltaNetBeta, .deltaNetAlpha, .deltaNetGates, .convolution, .decay,
      .stepBias, .deltaNetOutput, .deltaNetInputGate, .shortConvolutionInput, .shortConvolutionTaps,
      .shortConvolutionOutput:
      .linearAttention
    case .gate, .up, .down, .gateBias, .upBias, .downBias: .feedForward
    case .router, .selectionBias, .sharedScale, .routerBias, .routerInputScale: .router
    case .expertGate, .expertUp, .expertDown, .expertGateUp, .expertGateBias, .expertUpBias,
      .expertDownBias, .expertScales:
      .routedExperts
    case .sharedGate, .sharedUp, .sharedDown: .sharedExperts
    case .nextTokenProjection, .nextTokenEmbeddingNorm, .nextTokenHiddenNorm, .nextTokenHeadNorm,
      .nextTokenEmbedding, .nextTokenHead:
      .nextToken
    case .visionPatches, .visionPositions, .visionMatrix, .visionVector: .vision
    }
  }

  /// What engines do with a tensor in this slot.
  package var use: TensorUse {
    switch self {
    case .outputNorm, .mixerNorm, .feedForwardNorm, .queryNorm, .keyNorm, .latentNorm, .deltaNetNorm,
      .nextTokenEmbeddingNorm, .nextTokenHiddenNorm, .nextTokenHeadNorm,
      .queryBias, .keyBias, .valueBias, .attentionOutputBias, .queryKeyValueBias, .gateBias, .upBias,
      .downBias, .selectionBias, .stepBias,
      .rotaryFactors, .rotaryFactorsShort, .rotaryFactorsLong, .convolution, .decay,
      .outputNormBias, .outputBias, .mixerNormBias, .feedForwardNormBias, .mixerOutputNorm,
      .feedForwardOutputNorm, .layerScale, .sinks, .shortConvolutionTaps, .routerBias, .routerInputScale,
      .expertScales, .expertGateBias, .expertUpBias, .expertDownBias, .denseOutputNorm, .expertInputNorm,
      .expertOutputNorm, .visionPositions, .visionVector:
      .elementwise
    case .tokenEmbedding, .output, .query, .key, .value, .attentionOutput, .queryKeyValue, .queryDown,
      .queryUp, .latentDown, .latentKey, .latentValue, .latentKeyValue,
      .deltaNetInput, .deltaNetGate, .deltaNetInputGate, .deltaNetBeta, .deltaNetAlpha, .deltaNetGates,
      .deltaNetOutput, .gate, .up, .down, .router, .expertGate, .expertUp, .expertGateUp, .expertDown,
      .sharedGate, .sharedUp, .sharedDown, .sharedScale,
      .nextTokenProjection, .nextTokenEmbedding, .nextTokenHead, .shortConvolutionInput,
      .shortConvolutionOutput, .visionPatches, .visionMatrix:
      .product
    }
  }

  /// Which type a tensor in this slot has in a plain GGUF: what is not multiplied is f32, and so are the small matrices
  /// that choose and weigh experts.
  package var storage: StorageRule {
    use == .elementwise || self == .router || self == .sharedScale ? .alwaysF32 : .requested
  }

  /// Whether its values multiply a normalized vector.
  package var isNorm: Bool {
    switch self {
    case .nextTokenEmbeddingNorm, .nextTokenHiddenNorm, .nextTokenHeadNorm: true
    default: role == .norm
    }
  }

  /// Whether its values are added to the result of a projection.
  package var isProjectionBias: Bool {
    switch self {
    case .queryBias, .keyBias, .valueBias, .attentionOutputBias, .queryKeyValueBias, .gateBias, .upBias,
      .downBias:
      true
    default: false
    }
  }

  /// The slot whose tensor has the same shape and is easily taken for this one: gate and up projections.
  package var counterpart: TensorSlot? {
    switch self {
    case .gate: .up
    case .up: .gate
    case .gateBias: .upBias
    case .upBias: .gateBias
    case .expertGate: .expertUp
    case .expertUp: .expertGate
    case .sharedGate: .sharedUp
    case .sharedUp: .sharedGate
    default: nil
    }
  }
}
