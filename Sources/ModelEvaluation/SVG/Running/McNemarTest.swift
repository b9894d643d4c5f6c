#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// McNemar's exact test of two models on the same prompts.
package enum McNemarTest {
  /// The probability that of the pairs that differ at least so uneven a share falls to one side by chance, two-sided.
  ///
  /// - Parameters:
  ///   - lost: Pairs that only the base got right.
  ///   - won: Pairs that only the tested model got right.
  /// - Returns: A probability from 0 to 1; 1 when no pair differs.
  package static func probability(lost: Int, won: Int) -> Double {
    let n = lost + won
    guard n > 0 else { return 1 }
    var sum = 0.0
    for k in 0...min(lost, won) {
      sum += exp(
        lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1)) - Double(n) * log(2.0))
    }
    return min(1, 2 * sum)
  }
}
