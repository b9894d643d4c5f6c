extension PlanReport.Total {
  /// A sum over nothing yet.
  package init(named name: String) { self.init(name: name, tensors: 0, weights: 0, bytes: 0) }

  /// Counts one more tensor.
  package mutating func count(weights: Int, bytes: Int) { add(weights: weights, bytes: bytes) }
}
