/// How little the groups from any one on can lose within a budget: the linear relaxation, where a group may lie between two
/// choices.
///
/// Along the lower convex hull of a group's choices, each step buys less per byte than the one before; taking the steps of all
/// groups in order of what they buy solves the relaxation (Sinha and Zoltners, 1979). Every prefix of that order is a mix itself.
struct SuffixBounds {
  /// One step of a group's hull.
  private struct Step {
    var group: Int
    var byteCount: Int
    var gain: Int
  }

  /// Sums over the first steps of the groups from one on, and what they start from.
  private struct Suffix {
    var bytes: [Int]
    var losses: [Int]
  }

  private let suffixes: [Suffix]

  /// Prepares the sums.
  ///
  /// - Parameter groups: The choices of each group, by size, each smaller in loss than those before.
  init(_ groups: [[KnapsackChoice]]) {
    var steps: [Step] = []
    for (index, choices) in groups.enumerated() {
      let hull = Self.hull(choices)
      for (low, high) in zip(hull, hull.dropFirst()) {
        steps.append(
          Step(group: index, byteCount: high.byteCount - low.byteCount, gain: low.loss - high.loss))
      }
    }
    steps.sort {
      let (a, b) = (Self.product($0.gain, $1.byteCount), Self.product($1.gain, $0.byteCount))
      return a == b ? $0.group < $1.group : a > b
    }
    var suffixes: [Suffix] = []
    var (bytes, loss) = (0, 0)
    for first in groups.indices.reversed() {
      bytes += groups[first][0].byteCount
      loss += groups[first][0].loss
      var suffix = Suffix(bytes: [bytes], losses: [loss])
      var (b, l) = (bytes, loss)
      for step in steps where step.group >= first {
        b += step.byteCount
        l -= step.gain
        suffix.bytes.append(b)
        suffix.losses.append(l)
      }
      suffixes.append(suffix)
    }
    suffixes.reverse()
    suffixes.append(Suffix(bytes: [0], losses: [0]))
    self.suffixes = suffixes
  }

  /// The least loss of the groups from `first` on within a budget.
  ///
  /// - Returns: A number that no mix is below, and what a certain mix loses, with its bytes; `nil` when nothing fits.
  func range(from first: Int, budget: Int) -> (low: Int, high: Int, byteCount: Int)? {
    let suffix = suffixes[first]
    guard suffix.bytes[0] <= budget else { return nil }
    var (low, high) = (0, suffix.bytes.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if suffix.bytes[middle] <= budget { low = middle } else { high = middle }
    }
    let reached = suffix.losses[low]
    guard high < suffix.bytes.count else { return (reached, reached, suffix.bytes[low]) }
    let gain = reached - suffix.losses[high]
    let share = (budget - suffix.bytes[low]).multipliedFullWidth(by: gain)
    let (part, rest) = (suffix.bytes[high] - suffix.bytes[low]).dividingFullWidth(share)
    return (reached - part - (rest > 0 ? 1 : 0), reached, suffix.bytes[low])
  }

  /// The corners of the lower convex hull of choices that are sorted and not dominated.
  private static func hull(_ choices: [KnapsackChoice]) -> [KnapsackChoice] {
    var hull: [KnapsackChoice] = []
    for choice in choices {
      while hull.count > 1 {
        let (a, b) = (hull[hull.count - 2], hull[hull.count - 1])
        // b lies on or above the line from a to the new corner.
        let first = product(a.loss - b.loss, choice.byteCount - b.byteCount)
        let second = product(b.loss - choice.loss, b.byteCount - a.byteCount)
        guard first <= second else { break }
        hull.removeLast()
      }
      hull.append(choice)
    }
    return hull
  }

  private static func product(_ a: Int, _ b: Int) -> Int128 { Int128(a) * Int128(b) }
}
