internal import FileBytes
internal import ModelDescriptions

/// Which rules of a recipe catch which tensors of a model.
struct RecipeMatches {
  private let recipe: Recipe
  /// For every tensor, the rules that catch it, in order.
  private let byTensor: [[Int]]
  /// For every rule whether its condition holds.
  private let isActive: [Bool]

  /// Tries all rules on all tensors.
  ///
  /// - Parameters:
  ///   - recipe: The rules.
  ///   - facts: The model's counts.
  ///   - tensors: All tensors of the model.
  ///   - order: The order in which llama-quantize goes through them.
  ///   - isOpen: For every tensor whether the recipe decides about it: it is neither kept nor caught by a rule of
  ///     the command line. Others are not counted where tensors are numbered.
  ///   - importanceSupplied: Whether an importance matrix is given.
  /// - Throws: ``RecipeError`` with `badLayer`.
  init(
    _ recipe: Recipe, facts: MixModelFacts, tensors: [MixTensor], order: [Int], isOpen: [Bool],
    importanceSupplied: Bool
  ) throws {
    self.recipe = recipe
    let names = tensors.map(\.name)
    let categories = names.map { TensorCategory(name: $0) }
    let isTied = !categories.contains(.output)
    let valueCount = categories.count { $0 == .attentionValue }
    let trunk = facts.layerCount - facts.nextTokenLayerCount
    let active = recipe.rules.map { $0.condition.holds(facts, importanceSupplied: importanceSupplied) }
    isActive = active
    var counts: [TensorCategory: Int] = [:]
    var result = [[Int]](repeating: [], count: tensors.count)
    for index in order {
      let tensor = tensors[index]
      let category = categories[index]
      let running = counts[category, default: 0]
      if isOpen[index] { counts[category, default: 0] += 1 }
      let layer = leadingLayer(tensor.name)
      result[index] = try recipe.rules.indices.filter { number in
        let rule = recipe.rules[number]
        guard active[number] else { return false }
        switch rule.subject {
        case .pattern(let pattern): guard pattern.occurs(in: tensor.name) else { return false }
        case .roles(let roles):
          guard roles.contains(where: { $0.covers(tensor.purpose, isTied: isTied) }) else {
            return false
          }
        case .categories(let wanted): guard wanted.contains(category) else { return false }
        }
        if let stacked = rule.stacked, stacked != (tensor.ggmlShape.count > 2 && tensor.ggmlShape[2] > 1) {
          return false
        }
        if let layers = rule.layers {
          guard let layer, layer >= 0, layers.contains(layer, of: trunk, isExtra: layer >= trunk) else {
            return false
          }
        }
        guard let nth = rule.nth else { return true }
        guard isOpen[index] else { return false }
        if category == .attentionValue { return nth.contains(running, of: valueCount) }
        return nth.contains(
          try facts.feedForwardPlace(of: tensor, running: running), of: facts.layerCount)
      }
    }
    byTensor = result
  }

  /// The rule that decides about the tensor.
  func first(_ tensor: Int) -> Int? { byTensor[tensor].first }

  /// What to say about rules of the recipe itself that decide nothing.
  ///
  /// - Throws: ``RecipeError`` with `ruleMatchesNothing`, for the first rule that catches no tensor.
  func notes(kept: [KeepReason?], decisions: [TypeDecision], names: [String]) throws -> [MixNote] {
    var notes: [MixNote] = []
    for number in recipe.ownRules.indices {
      let rule = recipe.rules[number]
      guard isActive[number], !rule.isOptional else { continue }
      let caught = byTensor.indices.filter { byTensor[$0].contains(number) }
      guard !caught.isEmpty else { throw nothing(rule, names: names) }
      if caught.contains(where: { decisions[$0].reason == .recipe(number) }) { continue }
      let open = caught.filter { kept[$0] == nil }
      if open.isEmpty {
        notes.append(.recipeRuleMatchesOnlyKept(rule: number, tensors: caught.map { names[$0] }))
      } else {
        let earlier = Set(
          open.compactMap { tensor -> Int? in
            if case .recipe(let index) = decisions[tensor].reason { index } else { nil }
          })
        notes.append(.recipeRuleShadowed(rule: number, by: earlier.sorted()))
      }
    }
    return notes
  }

  private func nothing(_ rule: RecipeRule, names: [String]) -> RecipeError {
    var remedy = "leave the rule out, or mark it optional: true"
    if case .pattern(let pattern) = rule.subject {
      let near = nearestTensorNames(toPattern: pattern.source, among: names, count: 3)
      remedy = "nearest: \(near.joined(separator: ", ")); or mark the rule optional: true"
    }
    return RecipeError(
      .ruleMatchesNothing,
      Fault(
        file: rule.place, subject: rule.selection, expected: "at least one tensor of the model",
        found: "none among \(names.count)", remedy: remedy))
  }
}

extension MixModelFacts {
  /// The place of a feed-forward tensor as llama-quantize numbers them: the layer in the name for models with
  /// experts, the running number in dense ones.
  ///
  /// - Throws: ``RecipeError`` with `badLayer`.
  func feedForwardPlace(of tensor: MixTensor, running: Int) throws -> Int {
    guard expertCount > 1 else { return running }
    guard let layer = leadingLayer(tensor.name), (0..<max(layerCount, 0)).contains(layer) else {
      throw RecipeError(
        .badLayer,
        Fault(
          subject: tensor.name, expected: "a layer from blk.0 to blk.\(layerCount - 1) in the name",
          found: leadingLayer(tensor.name).map { "layer \($0)" } ?? "no layer",
          remedy: "check \(architecture).block_count, or give this tensor a type with a rule"))
    }
    return layer
  }
}
