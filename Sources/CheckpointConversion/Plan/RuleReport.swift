public import FileBytes
internal import QuantRecipes
internal import TensorTypes

/// What one rule did: the tensors that it decided about, what they cost, and which fell back to another type.
public struct RuleReport: Codable, Hashable, Sendable {
  /// What the rule catches, or what else decided.
  public var rule: Wording
  /// Where the rule is written: `file:line` for recipes, the flag for rules of the command line; `nil` otherwise.
  public var place: Wording?
  /// The type that it gives; `nil` for tensors that keep theirs.
  public var type: String?
  /// The reason that the rule states.
  public var why: String?
  /// Tensors that it decided about.
  public var tensors = 0
  /// Their weights.
  public var weights = 0
  /// Their bytes as stored.
  public var bytes = 0
  /// Bytes more than the recipe's base would spend on them; `nil` for rules that no recipe adds to its base.
  public var bytesOverBase: Int?
  /// Tensors whose rows do not fit the type, with the type that they got.
  public var fallbacks: [String] = []

  init(rule: Wording, place: Wording? = nil, type: String? = nil, why: String? = nil) {
    self.rule = rule
    self.place = place
    self.type = type
    self.why = why
  }
}

extension RuleReport {
  /// Reports on all rules in the order in which they are tried: flags, recipe or stock mix, default, kept tensors.
  ///
  /// - Parameters:
  ///   - tensors: The planned tensors.
  ///   - options: The rules.
  ///   - base: What the recipe's base would decide, in the same order; `nil` without a base.
  /// - Returns: Rules that decided about something, and those that the recipe adds to its base in any case.
  static func list(
    _ tensors: [PlannedTensor], options: MixOptions, base: [TypeDecision]?
  ) -> [RuleReport] {
    var reports: [DecisionReason: RuleReport] = [:]
    var order: [DecisionReason] = []
    func start(_ reason: DecisionReason, _ report: RuleReport) {
      if reports.updateValue(report, forKey: reason) == nil { order.append(reason) }
    }
    for (index, rule) in options.tensorTypeRules.enumerated() {
      start(
        .rule(index), RuleReport(rule: "\(rule.pattern)", place: "\(.tensorTypeRules)", type: rule.type.name))
    }
    if let recipe = options.recipe {
      for (index, rule) in recipe.rules.enumerated() {
        var report = RuleReport(
          rule: Wording(rule.selection), place: Wording(rule.place), type: rule.type.name, why: rule.why)
        if base != nil, recipe.ownRules.indices.contains(index) { report.bytesOverBase = 0 }
        start(.recipe(index), report)
      }
    }
    for (index, tensor) in tensors.enumerated() {
      // Kept tensors are one entry, whatever keeps them.
      let reason =
        tensor.decision.reason.isKept ? DecisionReason.notQuantizable(.notAWeight) : tensor.decision.reason
      if reports[reason] == nil { start(reason, RuleReport(reason, tensor: tensor)) }
      reports[reason]?.add(tensor, base: base?[index])
    }
    func rank(_ reason: DecisionReason) -> Int {
      switch reason {
      case .rule: 0
      case .tokenEmbeddingOption, .outputOption: 1
      case .recipe, .mixture, .typeOverride: 2
      case .mixDefault: 3
      case .notQuantizable: 4
      }
    }
    let sorted = order.enumerated().sorted { a, b in
      (rank(a.element), a.offset) < (rank(b.element), b.offset)
    }
    return sorted.compactMap { reports[$0.element] }.filter { $0.tensors > 0 || $0.bytesOverBase != nil }
  }

  /// Starts the report of what decided about `tensor`.
  private init(_ reason: DecisionReason, tensor: PlannedTensor) {
    let type = tensor.decision.fallbackFrom?.name ?? tensor.typeName
    switch reason {
    case .notQuantizable: self.init(rule: "never quantized", why: "norms, routers, vectors and the like")
    case .tokenEmbeddingOption: self.init(rule: "embedding", place: "\(.tokenEmbeddingType)", type: type)
    case .outputOption: self.init(rule: "output", place: "\(.outputTensorType)", type: type)
    case .mixDefault: self.init(rule: "all others", type: type)
    case .mixture(let why): self.init(rule: Wording(why), type: type)
    case .typeOverride(let role): self.init(rule: "\(.typeOverrides) \(role)", type: type)
    case .rule, .recipe: self.init(rule: "", type: type)
    }
  }

  private mutating func add(_ tensor: PlannedTensor, base: TypeDecision?) {
    tensors += 1
    weights += tensor.elementCount
    bytes += tensor.byteCount
    if let wanted = tensor.decision.fallbackFrom {
      fallbacks.append("\(tensor.name) (\(tensor.type.name) for \(wanted.name))")
    }
    if let base, let before = bytesOverBase {
      let baseBytes = tensor.elementCount / base.type.blockLength * base.type.blockByteCount
      bytesOverBase = before + tensor.byteCount - baseBytes
    }
  }
}

extension DecisionReason {
  fileprivate var isKept: Bool {
    if case .notQuantizable = self { true } else { false }
  }
}
