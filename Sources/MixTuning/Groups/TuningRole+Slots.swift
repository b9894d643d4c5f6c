internal import ModelDescriptions

extension TuningRole {
  /// The role of a tensor of the model's own layers.
  ///
  /// - Parameter purpose: What the tensor is for.
  init(_ purpose: TensorPurpose) {
    self =
      switch purpose.slot {
      case .tokenEmbedding: .embedding
      case .output: .output
      case .query, .queryDown, .queryUp: .attentionQuery
      case .key, .latentKey: .attentionKey
      case .value, .latentValue: .attentionValue
      case .latentDown, .latentKeyValue: .attentionKeyValue
      case .queryKeyValue where purpose.role == .attention: .attentionQueryKeyValue
      case .attentionOutput: .attentionOutput
      case .deltaNetInput, .deltaNetInputGate, .shortConvolutionInput: .linearAttentionIn
      case .deltaNetGate, .deltaNetAlpha, .deltaNetBeta, .deltaNetGates: .linearAttentionGates
      case .deltaNetOutput, .shortConvolutionOutput: .linearAttentionOut
      case .expertGate, .expertUp, .expertGateUp: .routedExpertsGateUp
      case .expertDown: .routedExpertsDown
      case .sharedGate, .sharedUp, .sharedDown: .sharedExperts
      case .gate, .up: .feedForwardGateUp
      case .down: .feedForwardDown
      default: .other
      }
  }
}
