internal import FileBytes
package import TensorTypes

/// A tensor that a GGUF of some architecture has, or may have.
package struct ExpectedTensor: Hashable, Sendable {
  /// The name.
  package var name: String
  /// The shape in GGUF order, fastest dimension first.
  package var ggmlShape: [Int]
  /// Whether models of the architecture exist without it: biases, an output head of its own, frequency factors.
  package var isOptional: Bool
  /// What it is for.
  package var slot: TensorSlot
  /// The number of its block; `nil` outside of blocks.
  package var block: Int?

  /// Creates a description.
  package init(name: String, slot: TensorSlot, block: Int?, ggmlShape: [Int], isOptional: Bool) {
    self.name = name
    self.slot = slot
    self.block = block
    self.ggmlShape = ggmlShape
    self.isOptional = isOptional
  }

  /// The name among `tensors` that `name` may be a misspelling of.
  package static func nearestName(to name: String, in tensors: [ExpectedTensor]) -> String? {
    NearestName.find(name, in: tensors.map(\.name))
  }
}

extension ModelFamily {
  /// The name of the token embedding in every GGUF; its rows are looked at before the model is known.
  package static let tokenEmbeddingName = "token_embd.weight"

  /// The family that a GGUF's metadata speaks of; `nil` for architectures that are not known here.
  package static func family(metadata: [MetadataEntry]) -> ModelFamily? {
    guard let keys = try? KeyReader(metadata, file: "") else { return nil }
    return family(ggufArchitecture: keys.architecture, isMixture: keys.hasExperts)
  }

  /// The family that a GGUF's metadata speaks of.
  ///
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  package static func known(metadata: [MetadataEntry], file: String) throws -> ModelFamily {
    try known(KeyReader(metadata, file: file))
  }

  /// The family that keys speak of.
  static func known(_ keys: KeyReader) throws -> ModelFamily {
    let architecture = keys.architecture
    guard let family = family(ggufArchitecture: architecture, isMixture: keys.hasExperts) else {
      let isTower = architecture == VisionTower.architecture
      throw DescriptionError(
        .notSupported,
        Fault(
          file: keys.file, subject: "general.architecture",
          expected: "one of " + Set(all.map(\.ggufArchitecture)).sorted().joined(separator: ", "),
          found: isTower ? "\(architecture), a vision tower (mmproj)" : architecture,
          remedy: isTower ? "give the file of the language model" : "this architecture is not supported yet"))
    }
    return family
  }

  /// Whether a GGUF says which layers have a window.
  package var saysWindows: Bool { if case .listed = traits.window { true } else { false } }
  /// Whether models of the family have routed experts.
  package var isMixture: Bool { traits.isMixture }
  /// Whether checkpoints of the family store norm weights minus one.
  package var storesNormsMinusOne: Bool { traits.normIsOffset }

  /// The tensors of a GGUF with these hyper-parameters, as ``HyperParameters/init(metadata:file:)`` reads them.
  ///
  /// - Parameters:
  ///   - hyperParameters: The numbers.
  ///   - allBiases: Whether biases that Pouch runs and llama.cpp has no place for are among the optional ones.
  /// - Returns: Every tensor once, required ones and optional ones.
  package func expectedTensors(_ hyperParameters: HyperParameters, allBiases: Bool = false)
    -> [ExpectedTensor]
  {
    let hasCertainNorms = if case .always = traits.queryKeyNorm { true } else { traits.isLatent }
    let model = withOptionalTensors(hyperParameters, allBiases: allBiases)
    var result: [ExpectedTensor] = []
    for block in blocks(model) {
      for rule in block.rules {
        for made in rule.outputs {
          let isOptional =
            switch made.slot {
            case .queryNorm, .keyNorm: !hasCertainNorms
            case .queryBias, .keyBias, .valueBias: !traits.inputBias.isCertain
            case .attentionOutputBias: !traits.outputBias.isCertain
            default: made.slot.isProjectionBias
            }
          result.append(
            ExpectedTensor(
              name: made.name, slot: made.slot, block: block.block, ggmlShape: made.ggmlShape,
              isOptional: rule.isOptional || isOptional))
        }
      }
      guard let experts = block.experts else { continue }
      for role in experts.order {
        result.append(
          ExpectedTensor(
            name: experts.output(role), slot: experts.slot(role), block: block.block,
            ggmlShape: experts.matrix(role).reversed() + [experts.count], isOptional: false))
      }
    }
    for tensor in made(model) where !result.contains(where: { $0.name == tensor.name }) {
      result.append(
        ExpectedTensor(
          name: tensor.name, slot: tensor.slot, block: tensor.block, ggmlShape: [tensor.values.count],
          isOptional: false))
    }
    if ggufArchitecture == "llama" || traits.hasLongFactors {
      // Factors for rotary pairs: one list, or under longrope two by the length of the context.
      var names: [(String, TensorSlot)] = [(CommonTensors.rotaryFactors, .rotaryFactors)]
      if case .longRope = model.rope.scaling {
        names = [
          (CommonTensors.longFactors, .rotaryFactorsLong), (CommonTensors.shortFactors, .rotaryFactorsShort),
        ]
      }
      for (name, slot) in names {
        result.append(
          ExpectedTensor(
            name: name, slot: slot, block: nil, ggmlShape: [model.attention.rotaryDimensions / 2],
            isOptional: true))
      }
    }
    return result
  }

  /// How a conversion makes the tensors of a GGUF, by their names; experts, which only change place, are left out.
  ///
  /// The sources are numbered without a meaning, and norms are made as from the family's own checkpoints.
  ///
  /// - Parameter hyperParameters: The numbers, as ``HyperParameters/init(metadata:file:)`` reads them.
  /// - Returns: The rows of each tensor, and what is done to their values.
  package func conversionFeeds(_ hyperParameters: HyperParameters) -> [String: TensorFeed] {
    var model = withOptionalTensors(hyperParameters, allBiases: true)
    model.normIsOffset = traits.normIsOffset
    var result: [String: TensorFeed] = [:]
    for made in blocks(model).flatMap(\.rules).flatMap(\.outputs) {
      let runs = made.runs.map { RowRun(source: 0, firstRow: $0.first, rowCount: $0.count, order: $0.order) }
      result[made.name] = TensorFeed(runs: runs, columns: made.columns, operation: made.operation)
    }
    return result
  }

  /// The model with all that only the tensors of a file show.
  private func withOptionalTensors(_ hyperParameters: HyperParameters, allBiases: Bool) -> HyperParameters {
    var model = hyperParameters
    model.tiedEmbeddings = !traits.needsOutputHead
    if case .key = traits.queryKeyNorm { model.attention.hasQueryKeyNorm = true }
    // llama.cpp's loader takes biases of query, key and value everywhere, others in the llama architecture alone.
    model.attention.hasInputBias = true
    model.attention.hasOutputBias = allBiases || traits.takesOutputBias
    model.hasFeedForwardBias = allBiases || ggufArchitecture == "llama"
    return model
  }
}

extension ModelFamily.Presence {
  fileprivate var isCertain: Bool { if case .always = self { true } else { false } }
}
