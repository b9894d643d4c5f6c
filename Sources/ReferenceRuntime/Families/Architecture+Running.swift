internal import FileBytes
package import ModelDescriptions
internal import TensorTypes

extension Architecture {
  /// Reads the metadata of a GGUF file.
  ///
  /// - Parameters:
  ///   - metadata: All entries.
  ///   - embeddingShape: The shape of `token_embd.weight`, fastest dimension first.
  ///   - file: The name for messages.
  /// - Returns: The numbers and the family, which together make the layers.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture`, `badMetadata` or `wrongShape`.
  static func description(metadata: [MetadataEntry], embeddingShape: [Int], file: String) throws -> (
    HyperParameters, ModelFamily
  ) {
    let (model, family): (HyperParameters, ModelFamily)
    do {
      model = try HyperParameters(
        metadata: metadata, embeddingRows: embeddingShape.dropFirst().first ?? 0, file: file)
      family = try ModelFamily.known(metadata: metadata, file: file)
    } catch let error as DescriptionError {
      let isUnknown = error.code == .notSupported && error.fault.subject == "general.architecture"
      throw RuntimeError(isUnknown ? .unsupportedArchitecture : .badMetadata, error.fault)
    }
    guard embeddingShape.count == 2, embeddingShape[0] == model.hiddenSize, embeddingShape[1] > 0 else {
      throw RuntimeError(
        .wrongShape,
        Fault(
          file: file, subject: ModelFamily.tokenEmbeddingName,
          expected: "shape [\(model.hiddenSize), vocabulary]",
          found: "\(embeddingShape)"))
    }
    return (model, family)
  }

  /// Refuses what there is no forward pass for, and checks what the numbers must satisfy together, so that no later
  /// arithmetic can trap.
  ///
  /// - Parameters:
  ///   - causalKey: The key that says whether tokens see only those before them.
  ///   - file: The name for messages.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture` or `badMetadata`.
  package func checkRunning(causalKey: String, file: String) throws {
    func refuse(_ subject: String, _ expected: String, _ found: String, _ remedy: String) -> RuntimeError {
      RuntimeError(
        .unsupportedArchitecture,
        Fault(file: file, subject: subject, expected: expected, found: found, remedy: remedy))
    }
    guard let gating = Gating(activation) else {
      throw refuse(
        "hidden_act", "silu or gelu_pytorch_tanh", activation.name, "this activation is not supported yet")
    }
    guard isCausal else {
      throw refuse(causalKey, "true", "false", "attention in both directions is not supported yet")
    }
    let requirement = Requirement(file: file, subject: name)
    try requirement(!layers.isEmpty, "at least one layer", "0")
    try requirement(normEpsilon >= 0, "an epsilon of at least 0", "\(normEpsilon)")
    if case .clampedSwiGLU(let limit, let slope) = gating {
      try requirement(limit > 0 && slope.isFinite, "a limit of activations above 0", "\(limit), \(slope)")
    }
    try ends.check(requirement)
    var seen: Set<Layer> = []
    for layer in layers where seen.insert(layer).inserted {
      switch layer.mixer {
      case .attention(let part): try part.check(requirement)
      case .deltaNet(let part): try part.check(requirement)
      case .latent(let part): try part.check(requirement)
      case .shortConvolution(let part):
        try requirement(
          part.width == hiddenSize && part.kernelLength > 0,
          "a convolution of \(hiddenSize) channels over at least one position",
          "\(part.width) channels over \(part.kernelLength)")
      }
      if let part = layer.feedForward.dense {
        try requirement(part.width > 0, "a feed-forward width above 0", "\(part.width)")
      }
      try layer.feedForward.experts?.check(requirement)
      let factor = layer.residual.factor
      try requirement(factor.isFinite, "a finite factor of branches", "\(factor)")
    }
  }
}

/// Throws ``RuntimeError`` with `badMetadata` when a condition does not hold.
struct Requirement {
  let file: String
  let subject: String

  func callAsFunction(_ condition: Bool, _ expected: String, _ found: String) throws {
    guard condition else {
      throw RuntimeError(
        .badMetadata, Fault(file: file, subject: subject, expected: expected, found: found))
    }
  }
}

extension StreamEnds {
  fileprivate func check(_ require: Requirement) throws {
    try require(embeddingScale.isFinite, "a finite factor of embeddings", "\(embeddingScale)")
    try require(
      logitDivisor != 0 && logitDivisor.isFinite, "a divisor of logits other than 0", "\(logitDivisor)")
    if let logitCap { try require(logitCap > 0, "a limit of logits above 0", "\(logitCap)") }
  }
}

extension Attention {
  fileprivate func check(_ require: Requirement) throws {
    try require(
      headDim > 0 && headCount > 0, "heads of at least one dimension", "\(headCount) of \(headDim)")
    try require(
      keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0,
      "query heads divisible by key heads", "\(headCount) and \(keyValueHeadCount)")
    try require(
      rotaryDimensions >= 0 && rotaryDimensions % 2 == 0 && rotaryDimensions <= headDim,
      "an even number of rotary dimensions up to \(headDim)", "\(rotaryDimensions)")
    if let scoreScale { try require(scoreScale.isFinite, "a finite scale of scores", "\(scoreScale)") }
    try require(
      !normsAfterRotation || !normsWholeWidth, "norms over each head after the rotary embedding",
      "norms over all heads")
    try require(
      !normsWholeWidth || !hasOutputGate, "norms over each head where queries have a gate",
      "norms over all heads")
    if let clip { try require(clip > 0, "a limit above 0 for queries, keys and values", "\(clip)") }
    try rope.check(require)
  }
}

extension LatentAttention {
  fileprivate func check(_ require: Requirement) throws {
    try require(
      headCount > 0 && keyDim > 0 && valueDim > 0, "heads of at least one dimension",
      "\(headCount) of \(keyDim) and \(valueDim)")
    try require(latentWidth > 0, "latent vectors of at least one dimension", "\(latentWidth)")
    if let queryRank { try require(queryRank > 0, "a query rank above 0, or none", "\(queryRank)") }
    try require(
      rotaryDim > 0 && rotaryDim % 2 == 0, "an even number of rotary dimensions above 0", "\(rotaryDim)")
    try require(latentNormEpsilon >= 0, "an epsilon of at least 0", "\(latentNormEpsilon)")
    try rope.check(require)
    try require(scoreScale.isFinite, "a finite scale of scores", "\(scoreScale)")
    if let queryGrowth {
      try require(
        queryGrowth.length > 0 && queryGrowth.weight.isFinite,
        "a growth of queries over at least one position, with a finite weight",
        "\(queryGrowth.length), \(queryGrowth.weight)")
    }
  }
}

extension RopeParameters {
  fileprivate func check(_ require: Requirement) throws {
    try require(theta > 0 && theta.isFinite, "a rotary base above 0", "\(theta)")
    switch scaling {
    case .linear(let factor), .proportional(let factor), .dynamic(let factor):
      try require(factor > 0, "a rotary scaling factor above 0", "\(factor)")
    case .yarn(let yarn): try require(yarn.factor > 0, "a rotary scaling factor above 0", "\(yarn.factor)")
    case .longRope(let long):
      try require(long.factor > 0, "a rotary scaling factor above 0", "\(long.factor)")
    case .none, .llama3, .unknown: break
    }
  }
}

extension GatedDeltaNet {
  fileprivate func check(_ require: Requirement) throws {
    try require(
      keyHeadCount > 0 && valueHeadCount % keyHeadCount == 0,
      "value heads divisible by key heads", "\(valueHeadCount) and \(keyHeadCount)")
    try require(keyDim > 0 && valueDim > 0, "heads of at least one dimension", "\(keyDim), \(valueDim)")
  }
}

extension Experts {
  fileprivate func check(_ require: Requirement) throws {
    try require(usedCount > 0 && usedCount <= count, "1 to \(count) experts per token", "\(usedCount)")
    try require(width > 0, "an expert width above 0", "\(width)")
    if let sharedWidth { try require(sharedWidth > 0, "a shared expert width above 0", "\(sharedWidth)") }
    try require(router.scale.isFinite, "a finite scale of expert weights", "\(router.scale)")
    switch router.scoring {
    case .softmax, .sigmoid: break
    case .chosenSoftmax, .sparseMixer:
      try require(
        router.groupCount == 1 && !router.hasSelectionBias,
        "no groups and no bias where scores choose experts",
        "\(router.groupCount) groups")
    }
    if case .sparseMixer(let jitter) = router.scoring {
      try require(jitter >= 0, "a jitter of at least 0", "\(jitter)")
    }
    switch router.groupFault(expertCount: count, usedCount: usedCount) {
    case .count(let expected): try require(false, "for expert groups, \(expected)", "\(router.groupCount)")
    case .usedCount(let expected):
      try require(false, "for expert groups of a token, \(expected)", "\(router.usedGroupCount)")
    case nil: break
    }
  }
}
