internal import FileBytes
internal import ModelDescriptions

extension DecoderShape {
  /// Takes over hyper-parameters; weights are seen as a GGUF has them.
  ///
  /// - Parameters:
  ///   - model: The numbers.
  ///   - architecture: The value of `general.architecture`.
  ///   - file: The name for messages.
  ///   - causalKey: The key that says whether tokens see only those before them.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture` or `badMetadata`.
  init(_ model: HyperParameters, architecture: String, file: String, causalKey: String) throws {
    self.architecture = architecture
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
        valueDim: net.valueDim, kernelLength: net.kernelLength,
        headOrder: net.valueHeadOrder == .tiled ? .tiled : .grouped)
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
      dimensions: model.rotaryDimensions, contextLength: model.contextLength, architecture: architecture,
      file: file)
    normEpsilon = Float(model.normEpsilon)
    guard ["silu", "swish"].contains(model.activation) else {
      throw RuntimeError(
        .unsupportedArchitecture,
        Fault(
          file: file, subject: "hidden_act", expected: "silu", found: model.activation,
          remedy: "this activation is not supported yet"))
    }
    try Self.checkCausal(model.isCausal, subject: causalKey, file: file)
    try check(file: file)
  }

  /// Refuses models whose tokens see those after them.
  static func checkCausal(_ isCausal: Bool, subject: String, file: String) throws {
    guard !isCausal else { return }
    throw RuntimeError(
      .unsupportedArchitecture,
      Fault(
        file: file, subject: subject, expected: "true", found: "false",
        remedy: "attention in both directions is not supported yet"))
  }

  /// Checks what the numbers must satisfy together, so that no later arithmetic can trap.
  func check(file: String) throws {
    func require(_ condition: Bool, _ expected: String, _ found: String) throws {
      guard condition else {
        throw RuntimeError(
          .badMetadata, Fault(file: file, subject: architecture, expected: expected, found: found))
      }
    }
    try require(layerCount > 0, "at least one layer", "\(layerCount)")
    try require(mixers.count == layerCount, "\(layerCount) layer kinds", "\(mixers.count)")
    let a = attention
    try require(
      a.headDim > 0 && a.headCount > 0, "heads of at least one dimension", "\(a.headCount) of \(a.headDim)")
    try require(
      a.keyValueHeadCount > 0 && a.headCount % a.keyValueHeadCount == 0,
      "query heads divisible by key heads", "\(a.headCount) and \(a.keyValueHeadCount)")
    try require(
      rotary.dimensions > 0 && rotary.dimensions % 2 == 0 && rotary.dimensions <= a.headDim,
      "an even number of rotary dimensions up to \(a.headDim)", "\(rotary.dimensions)")
    try require(rotary.base > 0 && rotary.base.isFinite, "a rotary base above 0", "\(rotary.base)")
    switch rotary.scaling {
    case .none: break
    case .linear(let factor), .yarn(let factor, _, _, _, _, _), .proportional(_, let factor):
      try require(factor > 0, "a rotary scaling factor above 0", "\(factor)")
    case .perPair(let factors):
      try require(
        factors.count == rotary.dimensions / 2, "\(rotary.dimensions / 2) rotary factors",
        "\(factors.count)")
    }
    try require(windows.count == layerCount, "\(layerCount) windows", "\(windows.count)")
    try require(normEpsilon >= 0, "an epsilon of at least 0", "\(normEpsilon)")
    if let experts {
      try require(
        experts.usedCount > 0 && experts.usedCount <= experts.count,
        "1 to \(experts.count) experts per token",
        "\(experts.usedCount)")
      try require(experts.width > 0, "an expert width above 0", "\(experts.width)")
      if let shared = experts.sharedWidth {
        try require(shared > 0, "a shared expert width above 0", "\(shared)")
      }
    } else {
      try require(feedForwardSize > 0, "a feed-forward width above 0", "\(feedForwardSize)")
    }
    if let net = deltaNet {
      try require(
        net.keyHeadCount > 0 && net.valueHeadCount % net.keyHeadCount == 0,
        "value heads divisible by key heads", "\(net.valueHeadCount) and \(net.keyHeadCount)")
      try require(
        net.keyDim > 0 && net.valueDim > 0, "heads of at least one dimension",
        "\(net.keyDim), \(net.valueDim)")
    } else {
      try require(!mixers.contains(.gatedDeltaNet), "no delta-net layers", "some")
    }
  }
}
