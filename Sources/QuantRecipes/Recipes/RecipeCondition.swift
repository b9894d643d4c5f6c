/// What a model or a run must be like for a rule to apply (`when`); all parts that are given must hold.
package struct RecipeCondition: Hashable, Sendable {
  /// A count in a range; `nil` ends are open.
  struct Count: Hashable, Sendable {
    var low: Int?
    var high: Int?

    /// Reads `8`, `4..`, `..1` or `2..8`.
    init?(_ text: String) {
      let ends = text.split(separator: ".", omittingEmptySubsequences: false)
      func number(_ text: Substring) -> Int?? {
        if text.isEmpty { return .some(nil) }
        guard let value = Int(text), (0...99_999).contains(value) else { return nil }
        return .some(value)
      }
      switch ends.count {
      case 1:
        guard let value = number(ends[0]) ?? nil else { return nil }
        (low, high) = (value, value)
      case 3 where ends[1].isEmpty:
        guard let first = number(ends[0]), let last = number(ends[2]), first != nil || last != nil else {
          return nil
        }
        if let first, let last, first > last { return nil }
        (low, high) = (first, last)
      default: return nil
      }
    }

    func contains(_ value: Int) -> Bool { value >= low ?? Int.min && value <= high ?? Int.max }
  }

  /// Names of architectures, one of which the model's must be; empty for any.
  var architectures: [String] = []
  /// The experts per layer.
  var experts: Count?
  /// The query heads per key and value head.
  var queriesPerValue: Count?
  /// Whether the model is of the sizes that llama.cpp calls 70B.
  var is70B: Bool?
  /// Whether an importance matrix is given.
  var importance: Bool?

  /// True when nothing is asked for.
  var isEmpty: Bool { self == RecipeCondition() }

  /// Whether the condition holds.
  func holds(_ facts: MixModelFacts, importanceSupplied: Bool) -> Bool {
    (architectures.isEmpty || architectures.contains(facts.architecture))
      && experts?.contains(facts.expertCount) ?? true
      && queriesPerValue?.contains(facts.queryGroupSize) ?? true
      && is70B.map { $0 == facts.is70BClass } ?? true
      && importance.map { $0 == importanceSupplied } ?? true
  }
}
