internal import FileBytes
internal import ModelDescriptions
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
          file: file, subject: "token_embd.weight", expected: "shape [\(model.hiddenSize), vocabulary]",
          found: "\(embeddingShape)"))
    }
    let groupKey = family.ggufArchitecture + ".expert_group_count"
    if let groups = metadata.first(where: { $0.key == groupKey })?.value.integer, groups > 1 {
      throw RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: groupKey, expected: "1 or no such key", found: "\(groups)",
          remedy: "choosing groups of experts is not supported yet"))
    }
    return (model, family)
  }

  static func latentIsUnsupported(file: String) -> RuntimeError {
    RuntimeError(
      .unsupportedArchitecture,
      Fault(file: file, subject: "the model", expected: "another attention", found: "latent attention"))
  }

  /// Refuses what there is no forward pass for, and checks what the numbers must satisfy together, so that no later
  /// arithmetic can trap.
  ///
  /// - Parameters:
  ///   - causalKey: The key that says whether tokens see only those before them.
  ///   - file: The name for messages.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture` or `badMetadata`.
  func checkRunning(causalKey: String, file: String) throws {
    func refuse(_ subject: String, _ expected: String, _ found: String, _ remedy: String) -> RuntimeError {
      RuntimeError(
        .unsupportedArchitecture,
        Fault(file: file, subject: subject, expected: expected, found: found, remedy: remedy))
    }
    guard ["silu", "swish"].contains(activation) else {
      throw refuse("hidden_act", "silu", activation, "this activation is not supported yet")
    }
    guard isCausal else {
      throw refuse(causalKey, "true", "false", "attention in both directions is not supported yet")
    }
    let requirement = Requirement(file: file, subject: name)
    try requirement(!layers.isEmpty, "at least one layer", "0")
    try requirement(normEpsilon >= 0, "an epsilon of at least 0", "\(normEpsilon)")
    var seen: Set<Layer> = []
    for layer in layers where seen.insert(layer).inserted {
      switch layer.mixer {
      case .attention(let part): try part.check(requirement)
      case .deltaNet(let part): try part.check(requirement)
      case .latent: throw Self.latentIsUnsupported(file: file)
      }
      switch layer.feedForward {
      case .dense(let part): try requirement(part.width > 0, "a feed-forward width above 0", "\(part.width)")
      case .experts(let part): try part.check(requirement)
      }
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

extension Attention {
  fileprivate func check(_ require: Requirement) throws {
    try require(
      headDim > 0 && headCount > 0, "heads of at least one dimension", "\(headCount) of \(headDim)")
    try require(
      keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0,
      "query heads divisible by key heads", "\(headCount) and \(keyValueHeadCount)")
    try require(
      rotaryDimensions > 0 && rotaryDimensions % 2 == 0 && rotaryDimensions <= headDim,
      "an even number of rotary dimensions up to \(headDim)", "\(rotaryDimensions)")
    try require(rope.theta > 0 && rope.theta.isFinite, "a rotary base above 0", "\(rope.theta)")
    switch rope.scaling {
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
  }
}
