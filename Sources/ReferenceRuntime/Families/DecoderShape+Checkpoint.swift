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
    windows = model.windows
    rotary = try RotarySettings(
      model.rope, pairing: model.rotaryPairing == .adjacent ? .adjacent : .halves,
      dimensions: model.rotaryDimensions, contextLength: model.contextLength, architecture: name, file: file)
    normEpsilon = Float(model.normEpsilon)
    guard ["silu", "swish"].contains(model.activation) else {
      throw RuntimeError(
        .unsupportedArchitecture,
        Fault(
          file: file, subject: "hidden_act", expected: "silu", found: model.activation,
          remedy: "this activation is not supported yet"))
    }
    try Self.checkCausal(model.isCausal, subject: "is_causal", file: file)
    try check(file: file)
  }
}
