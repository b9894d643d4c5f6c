/// A measure of arithmetic: weights that rows are multiplied with.
struct GroupWork {
  /// Per row, for the first and the second branch of each layer.
  let layers: [(mixer: Double, feedForward: Double)]
  /// Per row of logits.
  let output: Double

  init(_ weights: DecoderWeights) {
    layers = weights.layers.map { ($0.mixerWork, $0.feedForwardWork) }
    output = weights.output.weights.weightCount
  }
}

extension LoadedModel {
  /// The arithmetic of taking tokens through all layers, and of making rows of logits: weights times rows.
  public func work(tokens: Int, logits: Int) -> Double {
    let work = GroupWork(weights)
    return work.layers.reduce(0) { $0 + $1.mixer + $1.feedForward } * Double(tokens) + work.output
      * Double(logits)
  }
}
