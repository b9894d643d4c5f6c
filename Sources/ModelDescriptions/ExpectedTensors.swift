internal import FileBytes
package import TensorTypes

extension ModelDescription {
  /// The tensors that a checkpoint with this configuration has, told from the configuration alone.
  ///
  /// Experts are listed as stacks, one tensor per matrix and layer; a mapping of the list gives the same outputs as
  /// that of any other layout. Of quantized weights those whose blocks an output may keep are listed as such, MXFP4 that
  /// is, and all others as what their values are. Tensors that most checkpoints lack are left out, and there are as
  /// many blocks for next-token prediction as the configuration announces.
  ///
  /// - Parameters:
  ///   - config: The configuration as it is.
  ///   - options: What to leave out.
  /// - Returns: Names, shapes and the element type that the configuration names (bf16 when it names none).
  /// - Throws: ``DescriptionError`` with `invalidConfig` or `notSupported`.
  package static func expectedTensors(
    config: ModelConfig, options: DescriptionOptions = DescriptionOptions()
  ) throws -> [SourceTensor] {
    let family = try ModelFamily.family(of: config)
    var model = try HyperParameters(config: config, family: family)
    if family.traits.canPredictNextTokens, options.nextToken != .drop {
      let announced = try family.announcedNextTokenLayers(config)
      model.nextTokenLayerCount = max(announced, options.nextToken == .keep ? 1 : 0)
    }
    let quantization = try SourceQuantization(expecting: config)
    let type = storedType(config)
    var tensors: [SourceTensor] = []
    for block in family.blocks(model) {
      for rule in block.rules where !rule.isOptional || rule.isUsual {
        let tensor = SourceTensor(name: rule.source, elementType: type, shape: rule.shapes[0])
        tensors += (rule.isUsuallyQuantized ? quantization.eightBit(of: tensor) : nil) ?? [tensor]
      }
      guard let experts = block.experts else { continue }
      for role in ExpertRule.Role.allCases {
        let stack = SourceTensor(
          name: experts.prefix + "switch_mlp.\(role.rawValue)_proj.weight", elementType: type,
          shape: [experts.count] + experts.matrix(role))
        tensors += quantization.blocks(of: stack) ?? quantization.eightBit(of: stack) ?? [stack]
      }
    }
    return tensors
  }

  /// Gives shapes to the tensors that an index names.
  ///
  /// A name that the family does not have gets the shape `[1]`; ``describe(config:tensors:options:)`` reports it.
  ///
  /// - Parameters:
  ///   - names: All names of the checkpoint.
  ///   - config: The configuration as it is.
  /// - Returns: One tensor per name, in their order.
  /// - Throws: ``DescriptionError`` with `invalidConfig` or `notSupported`.
  package static func tensors(named names: [String], config: ModelConfig) throws -> [SourceTensor] {
    let family = try ModelFamily.family(of: config)
    var model = try HyperParameters(config: config, family: family)
    let verdicts = SourceNames.judge(names, family: family, layerCount: model.layerCount)
    let used = verdicts.compactMap { if case .use(let name) = $0 { name } else { nil } }
    let quantization = try SourceQuantization(
      config, tensors: used.map { SourceTensor(name: $0, elementType: storedType(config), shape: [1]) })
    if family.traits.canPredictNextTokens {
      model.nextTokenLayerCount = SourceNames.nextTokenLayerCount(
        in: used, family: family, layerCount: model.layerCount)
    }
    var shapes: [String: [Int]] = [:]
    var stacks: [String: ExpertStack] = [:]
    for block in family.blocks(model) {
      for rule in block.rules { shapes[rule.source] = rule.shapes[0] }
      if let experts = block.experts { stacks[experts.prefix] = ExpertStack(rule: experts) }
    }
    func shape(_ name: String) -> [Int]? {
      if let shape = shapes[name] { return shape }
      guard let (prefix, part) = ExpertStack.Part.parse(name, prefixes: stacks.keys) else { return nil }
      return stacks[prefix]?.rule.layouts(of: part).first?.shape
    }
    let type = storedType(config)
    let parts = used.map { quantization.part($0) }
    let scaled = Set(parts.compactMap { $0?.part == .scale ? $0?.weight : nil })
    let biased = Set(parts.compactMap { $0?.part == .bias ? $0?.weight : nil })
    return zip(names, verdicts).map { name, verdict in
      guard case .use(let plain) = verdict else {
        return SourceTensor(name: name, elementType: type, shape: [1])
      }
      if let part = quantization.part(plain) {
        let stored = shape(part.weight).flatMap {
          quantization.stored(part.part, part.ending, of: $0, isBiased: biased.contains(part.weight))
        }
        return SourceTensor(name: name, elementType: stored?.type ?? .f32, shape: stored?.shape ?? [1])
      }
      let own = shape(plain) ?? [1]
      if scaled.contains(plain),
        let stored = quantization.stored(.codes, "", of: own, isBiased: biased.contains(plain))
      {
        return SourceTensor(name: name, elementType: stored.type, shape: stored.shape)
      }
      return SourceTensor(name: name, elementType: type, shape: own)
    }
  }

  /// The element type that a configuration names.
  private static func storedType(_ config: ModelConfig) -> ElementType {
    switch (config["dtype"] ?? config["torch_dtype"])?.text {
    case "float16": .f16
    case "float32": .f32
    default: .bf16
    }
  }

  /// The candidate that a mistyped name most likely means, `nil` when none is near.
  package static func nearestName(to name: String, among candidates: [String]) -> String? {
    NearestName.find(name, in: candidates)
  }
}

extension TensorRule {
  /// Whether checkpoints of 8-bit floats have this tensor in them: published ones keep embedding, output matrix and
  /// router in 16 bits, and of course all that is no matrix.
  fileprivate var isUsuallyQuantized: Bool {
    shapes[0].count == 2 && source.hasSuffix(".weight")
      && !outputs.contains { [.tokenEmbedding, .output, .router].contains($0.slot) }
  }
}
