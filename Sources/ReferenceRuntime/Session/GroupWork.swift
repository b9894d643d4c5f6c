package import TensorCompute

/// A measure of arithmetic: weights that rows are multiplied with, those counted less whose products take less time.
struct GroupWork {
  /// Per row, for the first and the second branch of each layer.
  let layers: [(mixer: Double, feedForward: Double)]
  /// Per row of logits.
  let output: Double

  init(_ weights: DecoderWeights, mode: ComputeMode) {
    layers = weights.layers.map { ($0.mixerWork(mode), $0.feedForwardWork(mode)) }
    output = weights.output.weights.work(mode)
  }
}

extension LoadedModel {
  /// The arithmetic of taking tokens through all layers, and of making rows of logits: a measure for shares of time.
  package func work(tokens: Int, logits: Int, mode: ComputeMode) -> Double {
    let work = GroupWork(weights, mode: mode)
    return work.layers.reduce(0) { $0 + $1.mixer + $1.feedForward } * Double(tokens) + work.output
      * Double(logits)
  }
}
