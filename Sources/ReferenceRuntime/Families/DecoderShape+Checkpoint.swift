internal import FileBytes
internal import ModelDescriptions

extension DecoderShape {
  /// Takes over the hyper-parameters of a checkpoint; weights are seen as a conversion would store them.
  ///
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture` or `badMetadata`.
  init(_ map: CheckpointMap, file: String) throws {
    let (model, name) = (map.model, map.family.ggufArchitecture)
    guard let traits = ArchitectureTraits.known[name] else {
      throw RuntimeError(
        .unsupportedArchitecture,
        Fault(file: file, expected: "a family with a forward pass", found: name, remedy: "not supported yet"))
    }
    architecture = name
    layerCount = model.layerCount
    hiddenSize = model.hiddenSize
    vocabularySize = model.vocabularySize
    contextLength = model.contextLength
    feedForwardSize = model.feedForwardSize ?? 0
    attention = Attention(
      headCount: model.attention.headCount, keyValueHeadCount: model.attention.keyValueHeadCount,
      headDim: model.attention.headDim, hasOutputGate: model.attention.hasOutputGate)
    deltaNet = model.linearAttention.map { net in
      DeltaNet(
        keyHeadCount: net.keyHeadCount, valueHeadCount: net.valueHeadCount, keyDim: net.keyDim,
        valueDim: net.valueDim, kernelLength: net.kernelLength, headOrder: traits.headOrder ?? .grouped)
    }
    experts = model.experts.map { experts in
      Experts(
        count: experts.count, usedCount: experts.usedCount, width: experts.width,
        sharedWidth: experts.sharedWidth,
        normalizesTopK: experts.normalizesTopK)
    }
    mixers = model.layerKinds.map { $0 == .linearAttention ? .gatedDeltaNet : .attention }
    rotary = RotarySettings(
      dimensions: model.rotaryDimensions, base: model.rope.theta,
      pairing: model.rotaryPairing == .adjacent ? .adjacent : .halves,
      scaling: try Self.scaling(model.rope, file))
    normEpsilon = Float(model.normEpsilon)
    try check(file: file)
  }

  private static func scaling(_ rope: RopeParameters, _ file: String) throws -> RotarySettings.Scaling {
    switch rope.scaling {
    // Llama 3.1's factors are a tensor of their own.
    case .none, .llama3: return .none
    case .linear(let factor): return .linear(factor: factor)
    case .yarn(let yarn):
      return .yarn(
        factor: yarn.factor, originalContextLength: Double(yarn.originalContextLength),
        betaFast: yarn.betaFast ?? 32, betaSlow: yarn.betaSlow ?? 1, attentionFactor: yarn.attentionFactor)
    case .other("dynamic"): return .none
    case .other(let name):
      throw RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: "rope_parameters.rope_type",
          expected: "default, linear, dynamic, yarn or llama3",
          found: name, remedy: "this scaling is not supported yet"))
    }
  }
}
