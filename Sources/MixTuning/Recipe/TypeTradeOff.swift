internal import ReportPages
internal import TensorTypes

/// What a rule's type takes and costs, and what the types next to it would.
struct TypeTradeOff: Hashable {
  /// Another type for the same groups.
  struct Neighbour: Hashable {
    var type: TensorType
    /// Bytes more (larger) or less (smaller).
    var byteCount: Int
    /// Divergence less (larger) or more (smaller).
    var divergence: Double
  }

  /// Bytes of the rule's groups.
  var byteCount: Int
  /// The sum of their divergences.
  var divergence: Double
  /// The next larger type that is predicted to lose less; `nil` without one.
  var larger: Neighbour?
  /// The next smaller type that is predicted to lose more; `nil` without one.
  var smaller: Neighbour?

  /// Adds up a rule.
  ///
  /// - Parameters:
  ///   - rule: The rule, of groups of the table.
  ///   - table: The table.
  init(_ rule: MixRule, in table: SensitivityTable) {
    func sum(_ type: TensorType) -> (byteCount: Int, divergence: Double)? {
      var sum = (byteCount: 0, divergence: 0.0)
      for row in rule.rows {
        guard let candidate = table.rows[row].candidates.first(where: { $0.type == type }) else { return nil }
        sum.byteCount += candidate.byteCount
        sum.divergence += candidate.divergence
      }
      return sum
    }
    let own = sum(rule.type) ?? (0, 0)
    (byteCount, divergence) = own
    // All groups of a rule must have a type for it to be a neighbour.
    let others = (rule.rows.first.map { table.rows[$0].candidates.map(\.type) } ?? []).compactMap { type in
      sum(type).map { (type: type, byteCount: $0.byteCount, divergence: $0.divergence) }
    }
    larger = others.filter { $0.byteCount > own.byteCount && $0.divergence < own.divergence }
      .min { ($0.byteCount, $0.divergence) < ($1.byteCount, $1.divergence) }
      .map { Neighbour(type: $0, byteCount: $1 - own.byteCount, divergence: own.divergence - $2) }
    smaller = others.filter { $0.byteCount < own.byteCount && $0.divergence > own.divergence }
      .max { ($0.byteCount, -$0.divergence) < ($1.byteCount, -$1.divergence) }
      .map { Neighbour(type: $0, byteCount: own.byteCount - $1, divergence: $2 - own.divergence) }
  }

  /// The reason that a recipe gives, such as `0.52 MB, loses 0.00012; q5_K would take 0.11 MB more and lose 0.00006 less`.
  var why: String {
    var text = "\(Figures.bytes(byteCount)), loses \(Figures.divergence(divergence))"
    if let larger {
      text +=
        "; \(larger.type.name) would take \(Figures.bytes(larger.byteCount)) more and lose "
        + "\(Figures.divergence(larger.divergence)) less"
    }
    if let smaller {
      text +=
        "; \(smaller.type.name) would take \(Figures.bytes(smaller.byteCount)) less and lose "
        + "\(Figures.divergence(smaller.divergence)) more"
    }
    return text
  }
}
