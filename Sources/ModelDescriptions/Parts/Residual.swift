/// How what the two branches of a layer give reaches the residual stream.
public struct Residual: Hashable, Sendable {
  /// Whether it is normed before it is added.
  public var normsOutputs = false
  /// What it is multiplied by before it is added.
  public var factor = 1.0
  /// Whether a number of the layer's own multiplies the stream at the end of the layer.
  public var hasOutputScale = false

  /// Creates a residual connection that adds branches as they are.
  public init() {}
}

/// What happens to the residual stream before the first layer and after the last.
public struct StreamEnds: Hashable, Sendable {
  /// What embeddings are multiplied by.
  public var embeddingScale = 1.0
  /// Whether the output head adds a bias.
  public var hasOutputBias = false
  /// What logits are divided by.
  public var logitDivisor = 1.0
  /// The limit that logits approach: `cap * tanh(logit / cap)`; `nil` without one.
  public var logitCap: Double?

  /// Creates ends without factors, bias and limit.
  public init() {}
}

/// What is done to the residual stream before a branch and before the output head.
public enum Norm: Hashable, Sendable {
  /// `w * x / sqrt(mean(x^2) + epsilon)`.
  case rootMeanSquare
  /// `w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b`.
  case meanAndVariance
}
