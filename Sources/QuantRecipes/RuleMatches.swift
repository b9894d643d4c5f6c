internal import FileBytes
internal import TensorTypes

/// Which rules match which tensors.
struct RuleMatches {
  /// For every tensor, the rules that match it, in order.
  private let byTensor: [[Int]]

  /// Matches all rules against all names.
  ///
  /// - Throws: ``RecipeError`` with `ruleMatchesNothing`, naming all such rules.
  init(_ rules: [TensorTypeRule], names: [String]) throws {
    byTensor = names.map { name in rules.indices.filter { rules[$0].matches(name) } }
    let used = Set(byTensor.joined())
    let unused = rules.indices.filter { !used.contains($0) }
    guard !unused.isEmpty else { return }
    let near = unused.prefix(10).map { rule -> String in
      let candidates = nearestTensorNames(toPattern: rules[rule].pattern, among: names, count: 3)
      return "nearest to \(rules[rule].pattern): " + candidates.joined(separator: ", ")
    }
    throw RecipeError(
      .ruleMatchesNothing,
      Fault(
        subject: listed(unused.map { rules[$0].described }), expected: "at least one tensor that matches",
        found: "none among \(names.count) tensors", remedy: near.joined(separator: "; ")))
  }

  /// The first rule that matches the tensor.
  func first(_ tensor: Int) -> Int? { byTensor[tensor].first }

  /// What to say about rules that decided nothing.
  ///
  /// - Throws: ``RecipeError`` with `ruleHasNoEffect` when a mix or an option leaves a rule nothing to do.
  func notes(
    _ rules: [TensorTypeRule], mix: StockMix, kept: [KeepReason?], decisions: [TypeDecision], names: [String]
  ) throws -> [MixNote] {
    var notes: [MixNote] = []
    var idle: [String] = []
    for rule in rules.indices {
      let tensors = byTensor.indices.filter { byTensor[$0].contains(rule) }
      guard mix.defaultType?.isQuantized ?? false else {
        idle.append("\(rules[rule].described) (\(mix.rawValue) takes no rules)")
        continue
      }
      if tensors.contains(where: { decisions[$0].reason == .rule(rule) }) { continue }
      let open = tensors.filter { kept[$0] == nil }
      if open.isEmpty {
        notes.append(.ruleMatchesOnlyKept(rule: rule, tensors: tensors.map { names[$0] }))
        continue
      }
      let earlier = Set(
        open.compactMap { tensor -> Int? in
          if case .rule(let index) = decisions[tensor].reason { index } else { nil }
        })
      if earlier.isEmpty {
        idle.append(rules[rule].described + " (an option for the output or embedding decides)")
      } else {
        notes.append(.ruleShadowed(rule: rule, by: earlier.sorted()))
      }
    }
    guard idle.isEmpty else {
      throw RecipeError(
        .ruleHasNoEffect,
        Fault(
          subject: listed(idle), expected: "rules that change something", found: "\(idle.count) that do not",
          remedy: "leave them out, or choose a quantized mix"))
    }
    return notes
  }
}

extension TensorTypeRule {
  /// The rule as it is typed.
  var described: String { "\(pattern)=\(type.name)" }
}
