internal import CRuntimeKernels
package import ModelDescriptions

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Which experts a token uses, and how much each of them counts.
///
/// ```
/// p = softmax(z) or sigmoid(z)                       over all experts, f32
/// s = p (+ bias)
/// groups: the best groups by their two highest s     experts of other groups are left out
///         or by their highest s                      experts of other groups have s = p = 0
/// top = the k largest s
/// w_e = scale * p_e (/ (sum of p over top + 1e-20))  e in top; what guards the sum is the family's
/// w_e = a_e w_e                                      where experts have factors
/// ```
///
/// Two routers are unlike this. One chooses by z and takes a softmax over the chosen alone; the sparse mixer chooses one
/// expert after the other:
///
/// ```
/// e = the largest z left;  w_e = softmax(z over those left that are near it)_e
/// near: (z_e - z_i) / max(|z_i|, z_e) <= 2 * jitter
/// ```
///
/// Among equals, experts and groups alike, the lower index comes first.
package struct ExpertRouting: Sendable {
  private let shape: Experts
  private let bias: [Float]?
  private let expertScales: [Float]?
  private let scale: Float
  /// Whether probabilities themselves are what experts are chosen by.
  private let isPlain: Bool

  /// Prepares for the mixtures of a layer.
  ///
  /// - Parameters:
  ///   - shape: The mixture.
  ///   - bias: A value per expert; `nil` for routers without a bias.
  ///   - expertScales: A factor per expert; `nil` for routers without them.
  package init(_ shape: Experts, bias: [Float]?, expertScales: [Float]? = nil) {
    self.shape = shape
    self.bias = bias
    self.expertScales = expertScales
    scale = Float(shape.router.scale)
    isPlain = bias == nil && shape.router.usedGroupCount >= shape.router.groupCount
  }

  /// Turns the scores of one token into probabilities; leaves them where experts are chosen by score.
  package func makeProbabilities(_ scores: UnsafeMutablePointer<Float>, level: Int32) {
    switch shape.router.scoring {
    case .chosenSoftmax, .sparseMixer: break
    case .softmax: crk_softmax(level, shape.count, scores)
    case .sigmoid:
      // A few values per token: computed in f64 and rounded, so that no variant of the C library shows.
      for expert in 0..<shape.count { scores[expert] = Float(1 / (1 + exp(-Double(scores[expert])))) }
    }
  }

  /// Chooses the experts of one token, ascending, and their shares.
  package func choose(
    _ probabilities: UnsafeBufferPointer<Float>, into chosen: UnsafeMutableBufferPointer<Int32>,
    shares: UnsafeMutablePointer<Float>
  ) {
    if case .sparseMixer(let jitter) = shape.router.scoring {
      chooseInTurn(probabilities, into: chosen, shares: shares, jitter: jitter)
    } else {
      chooseAtOnce(probabilities, into: chosen, shares: shares)
    }
    if scale != 1 { for k in chosen.indices { shares[k] *= scale } }
    if let expertScales { for (k, expert) in chosen.enumerated() { shares[k] *= expertScales[Int(expert)] } }
  }

  /// Chooses the largest, with groups and a bias where there are any.
  private func chooseAtOnce(
    _ probabilities: UnsafeBufferPointer<Float>, into chosen: UnsafeMutableBufferPointer<Int32>,
    shares: UnsafeMutablePointer<Float>
  ) {
    if isPlain {
      Self.largest(probabilities, into: chosen)
      share(probabilities, chosen, into: shares)
      return
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * shape.count) { memory in
      let counted = UnsafeMutableBufferPointer(rebasing: memory[..<shape.count])
      let selection = UnsafeMutableBufferPointer(rebasing: memory[shape.count...])
      _ = counted.initialize(from: probabilities)
      if shape.router.groupRule == .highest { fillOtherGroups(counted, with: 0) }
      for expert in 0..<shape.count { selection[expert] = counted[expert] + (bias?[expert] ?? 0) }
      if shape.router.groupRule == .twoHighest { fillOtherGroups(selection, with: -.infinity) }
      Self.largest(UnsafeBufferPointer(selection), into: chosen)
      share(UnsafeBufferPointer(counted), chosen, into: shares)
    }
  }

  /// Chooses one after the other, each weighed against those left that are near it.
  private func chooseInTurn(
    _ scores: UnsafeBufferPointer<Float>, into chosen: UnsafeMutableBufferPointer<Int32>,
    shares: UnsafeMutablePointer<Float>, jitter: Double
  ) {
    let limit = Float(2 * jitter)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * scores.count) { memory in
      let left = UnsafeMutableBufferPointer(rebasing: memory[..<scores.count])
      let weights = UnsafeMutableBufferPointer(rebasing: memory[scores.count...])
      _ = left.initialize(from: scores)
      for k in chosen.indices {
        Self.largest(
          UnsafeBufferPointer(left), into: UnsafeMutableBufferPointer(rebasing: chosen[k...k]))
        let best = Int(chosen[k])
        let top = left[best]
        var sum = 0.0
        for score in left where !((top - score) / max(abs(score), top) > limit) {
          sum += exp(Double(score) - Double(top))
        }
        weights[best] = Float(1 / sum)
        left[best] = -.infinity
      }
      var ascending = chosen
      ascending.sort()
      for (k, expert) in chosen.enumerated() { shares[k] = weights[Int(expert)] }
    }
  }

  /// Overwrites the values of all groups but the best.
  private func fillOtherGroups(_ values: UnsafeMutableBufferPointer<Float>, with filler: Float) {
    let router = shape.router
    guard router.usedGroupCount < router.groupCount else { return }
    let size = shape.count / router.groupCount
    withUnsafeTemporaryAllocation(of: Float.self, capacity: router.groupCount) { scores in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: router.usedGroupCount) { best in
        for group in 0..<router.groupCount {
          scores[group] = score(UnsafeBufferPointer(rebasing: values[(group * size)..<((group + 1) * size)]))
        }
        Self.largest(UnsafeBufferPointer(scores), into: best)
        for group in 0..<router.groupCount where !best.contains(Int32(group)) {
          UnsafeMutableBufferPointer(rebasing: values[(group * size)..<((group + 1) * size)])
            .update(repeating: filler)
        }
      }
    }
  }

  /// What a group is chosen by.
  private func score(_ group: UnsafeBufferPointer<Float>) -> Float {
    var (first, second) = (-Float.infinity, -Float.infinity)
    for value in group {
      if value > first {
        (first, second) = (value, first)
      } else if value > second {
        second = value
      }
    }
    return shape.router.groupRule == .highest ? first : first + second
  }

  private func share(
    _ probabilities: UnsafeBufferPointer<Float>, _ chosen: UnsafeMutableBufferPointer<Int32>,
    into shares: UnsafeMutablePointer<Float>
  ) {
    if case .chosenSoftmax = shape.router.scoring {
      return shareBySoftmax(probabilities, chosen, into: shares)
    }
    var sum: Float = 0
    for (k, expert) in chosen.enumerated() {
      let share = probabilities[Int(expert)]
      shares[k] = share
      sum += share
    }
    if shape.router.normalizesTopK {
      // Keeps shares finite when all probabilities are 0.
      switch shape.router.sumGuard {
      case .added(let value): sum += Float(value)
      case .atLeast(let value): sum = max(sum, Float(value))
      }
      for k in chosen.indices { shares[k] /= sum }
    }
  }

  /// A softmax over the chosen experts' scores, in f64 so that no variant of the C library shows.
  private func shareBySoftmax(
    _ scores: UnsafeBufferPointer<Float>, _ chosen: UnsafeMutableBufferPointer<Int32>,
    into shares: UnsafeMutablePointer<Float>
  ) {
    let top = chosen.reduce(-Float.infinity) { max($0, scores[Int($1)]) }
    let sum = chosen.reduce(0.0) { $0 + exp(Double(scores[Int($1)]) - Double(top)) }
    for (k, expert) in chosen.enumerated() {
      shares[k] = Float(exp(Double(scores[Int(expert)]) - Double(top)) / sum)
    }
  }

  /// The indices of the largest values in ascending order of index; NaN counts as smallest.
  package static func largest(
    _ values: UnsafeBufferPointer<Float>, into chosen: UnsafeMutableBufferPointer<Int32>
  ) {
    var filled = 0
    // Kept sorted by value while choosing: an insertion into a short list.
    for (index, value) in values.enumerated() {
      if filled == chosen.count, !(value > values[Int(chosen[filled - 1])]) { continue }
      var place = filled < chosen.count ? filled : filled - 1
      while place > 0, value > values[Int(chosen[place - 1])] {
        chosen[place] = chosen[place - 1]
        place -= 1
      }
      chosen[place] = Int32(index)
      if filled < chosen.count { filled += 1 }
    }
    var ascending = chosen
    ascending.sort()
  }
}
