internal import FileBytes
package import QuantRecipes
internal import ReportPages
internal import TensorTypes

/// Writes mixes of a sensitivity table as recipes that read as if a person had written them.
///
/// Rules go by role and by ranges of layers, each with the bytes that it takes, the divergence that it is predicted to cost, and
/// what the next types would change. What is written is read back and tried on all tensors before it is returned: each gets
/// exactly the type that was chosen, or the groups that no rule can express are named.
package struct RecipeWriter: Sendable {
  /// A recipe as text and as it is read.
  package struct Written: Hashable, Sendable {
    /// The file, in UTF-8.
    package var text: String
    /// The same as a recipe.
    package var recipe: Recipe
  }

  private let table: SensitivityTable
  private let facts: MixModelFacts
  private let tensors: [MixTensor]

  /// Prepares for a model.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - facts: The model's counts.
  ///   - tensors: All tensors of the model.
  package init(_ table: SensitivityTable, facts: MixModelFacts, tensors: [MixTensor]) {
    self.table = table
    self.facts = facts
    self.tensors = tensors
  }

  /// Writes a mix.
  ///
  /// - Parameters:
  ///   - mix: The mix, of this table.
  ///   - name: The name: small letters, digits, `_`, `-` and `.`.
  ///   - file: The path that the recipe will have, for messages; a relative `base` is looked for beside it.
  ///   - base: A recipe to stand on, as `base:` names it: roles that it gives the chosen types to need no rule. Without one, the
  ///     recipe is complete in itself.
  /// - Returns: The recipe.
  /// - Throws: ``TuningError`` with `groupNotExpressible`; `RecipeError` for a base that cannot be read, or a bad name.
  package func recipe(for mix: TunedMix, name: String, file: String, base: String? = nil) throws -> Written {
    let types = mix.types(in: table)
    var rules = MixRule.rules(of: table.rows.map(\.group), types: types)
    if let base {
      let given = try wantedTypes(
        try read(head(mix, name: name) + "base: \(YAMLText.scalar(base))\n" + anyRule, file).base)
      let agreeing = table.rows.indices.filter { row in
        table.rows[row].group.tensors.allSatisfy { given[$0] == types[row] }
      }
      rules = needed(rules, agreeing: Set(agreeing))
    }
    let text =
      head(mix, name: name) + start(types, base: base, hasRules: !rules.isEmpty) + provenance(mix)
      + body(rules)
    let recipe = try read(text, file)
    try check(recipe, types: types, file: file)
    return Written(text: text, recipe: recipe)
  }

  // MARK: - Parts of the file

  private func head(_ mix: TunedMix, name: String) -> String {
    let bits = Figures.fixed(mix.bitsPerWeight, 2)
    let bound =
      mix.isOptimal
      ? "No mix of its candidates within the budget is predicted to lose less."
      : "No mix of its candidates within the budget can be predicted to lose less than \(Figures.divergence(mix.lowerBound))."
    var comment =
      "\(Figures.grouped(mix.fileByteCount)) bytes, \(bits) bits per weight, for a budget of \(mix.budget). Predicted mean KL divergence: "
      + "\(Figures.divergence(mix.predictedDivergence)) nats per token, the sum of what its groups lose when each is quantized alone. "
      + bound
    if let actual = mix.actual {
      let interval = actual.low.flatMap { low in
        actual.high.map { " [\(Figures.divergence(low)), \(Figures.divergence($0))]" }
      }
      comment +=
        " Measured on \(actual.windows) windows that had no part in the choice: "
        + "\(Figures.divergence(actual.divergence))\(interval ?? "")."
    }
    return YAMLText.comment(comment)
      + "name: \(YAMLText.scalar(name))\n"
      + "description: \(YAMLText.scalar("Tuned for \(table.model.name) - \(bits) bits per weight, found by pouch-tune."))\n"
  }

  /// The base or the default, and whether importance data are expected.
  private func start(_ types: [TensorType], base: String?, hasRules: Bool) -> String {
    let importance = "imatrix: \(table.importance == nil ? "none" : "expected")\n"
    if let base { return "base: \(YAMLText.scalar(base))\n" + importance }
    var weights: [TensorType: Int] = [:]
    for (row, type) in zip(table.rows, types) where type.isQuantized || !hasRules {
      weights[type, default: 0] += row.group.weights
    }
    let most = weights.max { ($0.value, $1.key.name) < ($1.value, $0.key.name) }?.key ?? .q8_0
    return "default: \(most.name)\n" + importance
  }

  private func provenance(_ mix: TunedMix) -> String {
    var entries = [
      ("made-by", "pouch-tune \(table.pouchVersion)"),
      ("model", "\(table.model.name), \(table.model.fingerprint)"),
      (
        "text",
        "\(table.text.name), xxh64:\(table.text.hash), \(table.text.windows) windows of \(table.text.windowLength) tokens"
      ),
      ("importance", table.importance.map { "\($0.name), xxh64:\($0.hash)" } ?? "none"),
      ("method", table.method.rawValue),
    ]
    if let least = table.gains.map(\.gain).min(), let most = table.gains.map(\.gain).max() {
      entries.append(
        ("gains", "\(table.gains.count), \(Figures.divergence(least)) to \(Figures.divergence(most))"))
    }
    entries += [
      ("budget", "\(mix.budget)"), ("bytes", "\(mix.fileByteCount)"),
      ("predicted", Figures.divergence(mix.predictedDivergence)),
      ("bound", Figures.divergence(mix.lowerBound)),
    ]
    return "provenance:\n" + entries.map { "  \($0): \(YAMLText.scalar($1))\n" }.joined()
  }

  private func body(_ rules: [MixRule]) -> String {
    guard !rules.isEmpty else { return "" }
    return "rules:\n"
      + rules.map { rule in
        let roles = rule.roles.count == 1 ? rule.roles[0] : "[" + rule.roles.joined(separator: ", ") + "]"
        return "  - role: \(roles)\n" + (rule.layers.map { "    layers: \($0)\n" } ?? "")
          + "    type: \(rule.type.name)\n    why: \(YAMLText.scalar(TypeTradeOff(rule, in: table).why))\n"
      }.joined()
  }

  // MARK: - Bases

  private let anyRule = "rules:\n  - {role: any, type: q8_0, why: none}\n"

  /// Leaves out kinds of roles all of whose groups the base treats alike already.
  private func needed(_ rules: [MixRule], agreeing: Set<Int>) -> [MixRule] {
    func kind(_ rule: MixRule) -> String { table.rows[rule.rows[0]].group.role.kind }
    let open = Set(rules.filter { !agreeing.isSuperset(of: $0.rows) }.map(kind))
    return rules.filter { open.contains(kind($0)) }
  }

  // MARK: - Reading back

  private func read(_ text: String, _ file: String) throws -> Recipe {
    try RecipeLibrary.recipe(text: Array(text.utf8), file: file)
  }

  /// The type that a recipe means for each tensor that is quantized at all, before substitutes for rows that do not fit.
  private func wantedTypes(_ recipe: Recipe?) throws -> [String: TensorType] {
    guard let recipe else { return [:] }
    var options = MixOptions()
    options.recipe = recipe
    options.importanceSupplied = table.importance != nil
    options.allowRequantize = true
    let decisions = try TypeMixer.decide(
      mix: recipe.stockMix, options: options, facts: facts, tensors: tensors)
    var types: [String: TensorType] = [:]
    for (tensor, decision) in zip(tensors, decisions) {
      if case .notQuantizable = decision.reason { continue }
      types[tensor.name] = decision.fallbackFrom ?? decision.type
    }
    return types
  }

  private func check(_ recipe: Recipe, types: [TensorType], file: String) throws {
    let found = try wantedTypes(recipe)
    let wrong = zip(table.rows, types).compactMap { row, type -> Wording? in
      let others = row.group.tensors.filter { found[$0] != type }
      guard let first = others.first else { return nil }
      let got = found[first].map { "rules give it \($0.name)" } ?? "no rule applies to it"
      return "\(row.group.name), \(type.name): \(first), \(got)"
        + (others.count > 1 ? ", and \(others.count - 1) more" : "")
    }
    guard wrong.isEmpty else {
      throw TuningError(
        .groupNotExpressible,
        Fault(
          file: file, subject: "\(table.model.name)",
          expected: "groups of tensors that rules by role and layer can tell apart",
          found: "\(wrong.count) that they cannot", problems: wrong,
          remedy: "hold these groups at one type with \(.uniformRoles), or leave them to a base recipe"))
    }
  }
}
