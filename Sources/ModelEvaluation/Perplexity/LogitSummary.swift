internal import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What turns one row of logits into log-probabilities: its maximum, and the logarithm of the sum of exponentials.
///
/// `ln p_i = (logit_i - maximum) - logSum`. Differences and exponentials are f32, the sum and its logarithm f64, as
/// in llama-perplexity.
package struct LogitSummary: Hashable, Sendable {
  /// The largest logit.
  package let maximum: Float
  /// The first index that has it.
  package let top: Int
  /// `ln(sum of exp(logit - maximum))`.
  package let logSum: Double

  /// Summarizes one row.
  ///
  /// - Parameters:
  ///   - logits: The row, not empty.
  ///   - visit: Receives the index and `exp(logit - maximum)` of every entry in order.
  /// - Throws: ``EvaluationError`` with `nonFinite` when any value is NaN or the maximum infinite; nothing is averaged
  ///   over such rows.
  package init(
    _ logits: UnsafeBufferPointer<Float>, visit: (_ index: Int, _ exponential: Float) -> Void = { _, _ in }
  ) throws {
    var maximum = -Float.infinity
    var top = 0
    for index in logits.indices where logits[index] > maximum {
      maximum = logits[index]
      top = index
    }
    var sum = 0.0
    for index in logits.indices {
      let exponential = expf(logits[index] - maximum)
      visit(index, exponential)
      sum += Double(exponential)
    }
    guard maximum.isFinite, sum.isFinite else {
      let bad = logits.firstIndex { !$0.isFinite } ?? 0
      throw EvaluationError(
        .nonFinite,
        Fault(
          subject: "logit \(bad)", expected: "a finite value",
          found: logits.isEmpty ? "none" : "\(logits[bad])",
          remedy: "the model's weights are damaged, or an activation is out of range"))
    }
    self.maximum = maximum
    self.top = top
    logSum = log(sum)
  }

  /// `-ln p` of a logit, in f64 after the f32 difference.
  package func surprise(_ logit: Float) -> Double { -(Double(logit - maximum) - logSum) }

  /// The logarithm of a logit's probability, in f32 as llama.cpp's divergence code computes it.
  package func logProbability(_ logit: Float) -> Float { logit - maximum - Float(logSum) }
}
