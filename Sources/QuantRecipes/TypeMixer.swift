#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import FileBytes
internal import TensorTypes

/// Decides the type of every tensor of a model, exactly as llama-quantize does.
package struct TypeMixer {
  /// All decisions of a run, with what is worth saying about the rules.
  package struct Resolution: Hashable, Sendable {
    /// One decision per tensor, in the order the tensors were given.
    package var decisions: [TypeDecision]
    /// Rules that did less than they may have been meant to do.
    package var notes: [MixNote]

    /// Decisions and what is worth saying about the rules behind them.
    package init(decisions: [TypeDecision], notes: [MixNote]) {
      self.decisions = decisions
      self.notes = notes
    }
  }

  /// The order in which llama-quantize goes through tensors and writes them: by layer (names without
  /// `blk.N` first), then by the bytes of the name.
  ///
  /// - Returns: Indices into `names`.
  /// - Complexity: O(*n* log *n*).
  package static func processingOrder(_ names: [String]) -> [Int] {
    let layers = names.map { leadingLayer($0) ?? -1 }
    return names.indices.sorted { a, b in
      if layers[a] != layers[b] { return layers[a] < layers[b] }
      let order = names[a].withCString { a in names[b].withCString { b in strcmp(a, b) } }
      return order == 0 ? a < b : order < 0
    }
  }

  /// Decides the types of `tensors`, which are all tensors of the model in any order.
  ///
  /// - Returns: One decision per tensor, in the order given.
  /// - Throws: As ``resolve(mix:options:facts:tensors:)``.
  package static func decide(
    mix: StockMix, options: MixOptions, facts: MixModelFacts, tensors: [MixTensor]
  ) throws -> [TypeDecision] {
    try resolve(mix: mix, options: options, facts: facts, tensors: tensors).decisions
  }

  /// Decides the types of `tensors` and reports rules that did less than they may have been meant to do.
  ///
  /// - Parameters:
  ///   - mix: The stock mix; that of the recipe when the options hold one.
  ///   - options: What the user asked for on top.
  ///   - facts: The model's counts.
  ///   - tensors: All tensors of the model; some rules depend on which there are.
  /// - Returns: One decision per tensor, in the order given, and notes.
  /// - Throws: ``RecipeError`` with `ruleMatchesNothing`, `ruleHasNoEffect` (each naming all such rules of flags),
  ///   `noFallback`, `badLayer`, `badShape`, `requantizationNotAllowed` or `sourceNotConvertible`.
  package static func resolve(
    mix: StockMix, options: MixOptions, facts: MixModelFacts, tensors: [MixTensor]
  ) throws -> Resolution {
    for tensor in tensors { try checkShape(tensor) }
    let names = tensors.map(\.name)
    let matches = try RuleMatches(options.tensorTypeRules, names: names)
    let kept = tensors.map {
      KeepReason.of($0, mix: mix, options: options, architecture: facts.architecture)
    }
    let order = options.keepsGivenOrder ? Array(tensors.indices) : processingOrder(names)
    let recipe = try options.recipe.map {
      try RecipeMatches(
        $0, facts: facts, tensors: tensors, order: order,
        isOpen: tensors.indices.map { kept[$0] == nil && matches.first($0) == nil },
        importanceSupplied: options.importanceSupplied)
    }
    var rules = MixtureRules(mix: mix, options: options, facts: facts, names: names)
    var decisions = [TypeDecision?](repeating: nil, count: tensors.count)
    for index in order {
      decisions[index] = try decide(
        tensors[index], kept: kept[index], rule: matches.first(index), recipeRule: recipe?.first(index),
        mix: mix, options: options, rules: &rules)
    }
    let all = decisions.compactMap(\.self)
    var notes = try matches.notes(options.tensorTypeRules, mix: mix, kept: kept, decisions: all, names: names)
    if let recipe { notes += try recipe.notes(kept: kept, decisions: all, names: names) }
    try checkSources(tensors, all, options: options)
    return Resolution(decisions: all, notes: notes)
  }

  private static func decide(
    _ tensor: MixTensor, kept: KeepReason?, rule: Int?, recipeRule: Int?, mix: StockMix,
    options: MixOptions, rules: inout MixtureRules
  ) throws -> TypeDecision {
    guard let defaultType = options.recipe?.defaultType ?? mix.defaultType else {
      return TypeDecision(type: tensor.type, reason: .notQuantizable(.copy))
    }
    if let kept { return TypeDecision(type: tensor.type, reason: .notQuantizable(kept)) }
    let category = TensorCategory(name: tensor.name)
    func decision(_ type: TensorType, _ reason: DecisionReason, from wanted: TensorType? = nil)
      -> TypeDecision
    {
      TypeDecision(
        type: type, reason: reason, fallbackFrom: wanted == type ? nil : wanted,
        importanceRequired: requiresImportance(tensor.name, type, mix: mix))
    }
    // The per-layer embedding is a large table of its own, so an explicit rule wins over the option.
    let namedByRule = rule != nil && tensor.name == "per_layer_token_embd.weight"
    if category == .tokenEmbedding, let type = options.tokenEmbeddingType, !namedByRule {
      return decision(type, .tokenEmbeddingOption)
    }
    if category == .output, let type = options.outputTensorType {
      return decision(type, .outputOption)
    }
    guard defaultType.isQuantized else { return decision(defaultType, .mixDefault) }
    let wanted: TensorType
    let reason: DecisionReason
    if let rule {
      wanted = options.tensorTypeRules[rule].type
      reason = .rule(rule)
    } else if let recipe = options.recipe {
      if rules.isTied, category == .tokenEmbedding, let type = options.outputTensorType {
        (wanted, reason) = (type, .outputOption)
      } else if let recipeRule {
        (wanted, reason) = (recipe.rules[recipeRule].type, .recipe(recipeRule))
      } else {
        (wanted, reason) = (recipe.defaultType, .mixDefault)
      }
    } else if !options.pure, let choice = try rules.choose(tensor, category, defaultType: defaultType) {
      wanted = choice.type
      let byOption = category == .tokenEmbedding && rules.isTied && options.outputTensorType != nil
      reason = byOption ? .outputOption : .mixture(choice.why)
    } else {
      wanted = defaultType
      reason = .mixDefault
    }
    let type = try fittingType(wanted, rowLength: tensor.ggmlShape[0], tensor: tensor.name)
    return decision(type, reason, from: wanted)
  }

  /// True for types so coarse that they are garbage without importance data.
  private static func requiresImportance(_ name: String, _ type: TensorType, mix: StockMix) -> Bool {
    if isTokenEmbedding(name) || name == "output.weight" { return false }
    switch type {
    case .iq3_xxs, .iq2_xxs, .iq2_xs, .iq2_s, .iq1_m, .iq1_s: return true
    case .q2_K: return mix == .q2_K_S
    default: return false
    }
  }

  private static func checkShape(_ tensor: MixTensor) throws {
    guard (1...4).contains(tensor.ggmlShape.count), tensor.ggmlShape.allSatisfy({ $0 > 0 }) else {
      throw RecipeError(
        .badShape,
        Fault(
          subject: tensor.name, expected: "one to four dimensions of at least 1", found: "\(tensor.ggmlShape)"
        ))
    }
  }

  /// Refuses conversions from types that cannot, or by default should not, be converted.
  private static func checkSources(
    _ tensors: [MixTensor], _ decisions: [TypeDecision], options: MixOptions
  ) throws {
    var quantized: [String] = []
    for (tensor, decision) in zip(tensors, decisions) where tensor.type != decision.type {
      if tensor.type.isQuantized {
        quantized.append("\(tensor.name) (\(tensor.type.name) to \(decision.type.name))")
      } else if ![.f32, .f16, .bf16].contains(tensor.type) {
        throw RecipeError(
          .sourceNotConvertible,
          Fault(
            subject: tensor.name, expected: "f32, f16, bf16 or a quantized type", found: tensor.type.name,
            remedy: "copy the file, or leave this tensor out"))
      }
    }
    guard !quantized.isEmpty, !options.allowRequantize else { return }
    throw RecipeError(
      .requantizationNotAllowed,
      Fault(
        subject: Wording(listed(quantized)), expected: "sources that are not quantized",
        found: "\(quantized.count) that are",
        remedy: "start from the 16-bit file, or pass \(.allowRequantize)"
      ))
  }
}

/// The first few of `items` as a comma-separated list, with the number of the others.
func listed(_ items: [String], limit: Int = 10) -> String {
  let shown = items.prefix(limit).joined(separator: ", ")
  return items.count > limit ? "\(shown) and \(items.count - limit) more" : shown
}
