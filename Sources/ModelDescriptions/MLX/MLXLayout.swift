internal import FileBytes
internal import TensorTypes

/// How mlx-lm names and stores the tensors of a family, and what it quantizes them to.
///
/// The facts are those of mlx-lm 0.32.2: the `sanitize` functions of its models and their `quant_predicate`.
package struct MLXLayout: Hashable, Sendable {
  /// The `model_type` under which mlx-lm knows the family.
  package let modelType: String
  /// What the names of all tensors start with.
  let prefix: String
  /// The slots whose matrices mlx-lm quantizes to ``GroupFormat/router`` whatever the others get.
  let finerSlots: Set<TensorSlot>
  /// Whether the norms of a layer follow its feed-forward network in mlx-lm's order of tensors.
  let normsComeLast: Bool
  /// Whether decay rates keep their type when all others are cast.
  let keepsTypeOfDecay: Bool

  private static let router: Set<TensorSlot> = [.router]
  private static let routerAndScale: Set<TensorSlot> = [.router, .sharedScale]

  /// Finds the layout of a family.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported` for families that are not written for MLX.
  init(of family: ModelFamily, config: ModelConfig) throws {
    func layout(
      _ prefix: String, _ finer: Set<TensorSlot>, normsComeLast: Bool, keepsTypeOfDecay: Bool = false
    ) -> MLXLayout {
      MLXLayout(
        modelType: family.name, prefix: prefix, finerSlots: finer, normsComeLast: normsComeLast,
        keepsTypeOfDecay: keepsTypeOfDecay)
    }
    let inner = "language_model."
    switch family.name {
    case "qwen2", "qwen3", "qwen2_moe": self = layout("", [], normsComeLast: true)
    case "qwen3_moe": self = layout("", Self.router, normsComeLast: false)
    case "qwen3_next": self = layout("", Self.routerAndScale, normsComeLast: false)
    case "qwen3_5": self = layout(inner, [], normsComeLast: false, keepsTypeOfDecay: true)
    case "qwen3_5_moe":
      self = layout(inner, Self.routerAndScale, normsComeLast: false, keepsTypeOfDecay: true)
    case "qwen3_vl": self = layout(inner, [], normsComeLast: true)
    case "qwen3_vl_moe": self = layout(inner, Self.router, normsComeLast: false)
    default:
      let names = ModelFamily.all.map(\.name).filter { $0.hasPrefix("qwen") }
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: family.name,
          expected: "a family that is written for MLX: \(names.joined(separator: ", "))", found: family.name,
          remedy: "convert it to GGUF, or with mlx_lm.convert"))
    }
  }

  private init(
    modelType: String, prefix: String, finerSlots: Set<TensorSlot>, normsComeLast: Bool,
    keepsTypeOfDecay: Bool
  ) {
    self.modelType = modelType
    self.prefix = prefix
    self.finerSlots = finerSlots
    self.normsComeLast = normsComeLast
    self.keepsTypeOfDecay = keepsTypeOfDecay
  }

  /// Whether mlx-lm gives the matrices of a slot ``GroupFormat/router``.
  package func isFiner(_ slot: TensorSlot) -> Bool { finerSlots.contains(slot) }

  /// Whether a tensor keeps its type when all others are cast to one.
  package func keepsType(_ slot: TensorSlot) -> Bool { keepsTypeOfDecay && slot == .decay }

  /// Why a tensor is left out; `nil` for those that are needed.
  func reasonToSkip(_ name: String, _ model: HyperParameters) -> String? {
    name == "lm_head.weight" && model.tiedEmbeddings
      ? "an output head beside a configuration that ties it to the embedding" : nil
  }

  /// The tensor that a source becomes: all of its values in their order.
  func output(
    of rule: TensorRule, shape: [Int], source: Int, scale: BlockScale?, block: Int?
  ) -> OutputTensor? {
    guard let first = rule.outputs.first else { return nil }
    // Of what a GGUF needs beside, only the shift of norms is MLX's, too.
    let isShifted = rule.outputs.contains { $0.operation == .addOne }
    // Rows of a convolution are its kernels.
    let rowCount = first.slot == .convolution ? shape.first ?? 1 : shape.dropLast().reduce(1, *)
    let whole = RowRun(source: source, firstRow: 0, rowCount: rowCount, scale: scale)
    return OutputTensor(
      name: prefix + rule.source, slot: first.slot, block: block,
      ggmlShape: (first.slot == .convolution ? Self.turned(shape) : shape).reversed(),
      content: .feed(TensorFeed(runs: [whole], operation: isShifted ? .addOne : .identity)))
  }

  /// `[channels, 1, kernel]`, or how else a convolution is stored, as `[channels, kernel, 1]`: the same values in the
  /// same order.
  private static func turned(_ shape: [Int]) -> [Int] {
    let channels = shape.first ?? 1
    return [channels, shape.reduce(1, *) / max(1, channels), 1]
  }

  /// The stack of all experts' matrices of a role.
  func output(of stack: ExpertStack, _ role: ExpertRule.Role, block: Int?) -> OutputTensor {
    let rule = stack.rule
    return OutputTensor(
      name: prefix + rule.prefix + "switch_mlp.\(role.rawValue)_proj.weight", slot: rule.slot(role),
      block: block, ggmlShape: rule.matrix(role).reversed() + [rule.count],
      content: .feed(TensorFeed(runs: stack.runs(role))))
  }
}

extension CheckpointMap {
  /// The layout of MLX; `nil` for families that are not written for it.
  package var mlx: MLXLayout? {
    try? MLXLayout(of: family, config: ModelConfig(document: .object([:]), file: ""))
  }
}
