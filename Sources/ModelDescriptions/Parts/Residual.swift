/// How what the two branches of a layer give reaches the residual stream.
package struct Residual: Hashable, Sendable {
  /// Whether it is normed before it is added.
  package var normsOutputs = false
  /// What it is multiplied by before it is added.
  package var factor = 1.0
  /// Whether a number of the layer's own multiplies the stream at the end of the layer.
  package var hasOutputScale = false

  /// Creates a residual connection that adds branches as they are.
  package init() {}
}

/// What happens to the residual stream before the first layer and after the last.
package struct StreamEnds: Hashable, Sendable {
  /// What embeddings are multiplied by.
  package var embeddingScale = 1.0
  /// Whether the output head adds a bias.
  package var hasOutputBias = false
  /// What logits are divided by.
  package var logitDivisor = 1.0
  /// The limit that logits approach: `cap * tanh(logit / cap)`; `nil` without one.
  package var logitCap: Double?

  /// Creates ends without factors, bias and limit.
  package init() {}
}

/// What is done to the residual stream before a branch and before the output head.
package enum Norm: Hashable, Sendable {
  /// `w * x / sqrt(mean(x^2) + epsilon)`.
  case rootMeanSquare
  /// `w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b`.
  case meanAndVariance
}
