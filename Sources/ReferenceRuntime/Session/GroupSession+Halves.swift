internal import TensorCompute

/// A pass in steps of one branch each, for measurements that change weights: half 2 *l* is the first branch of layer *l*, half
/// 2 *l* + 1 the second one. Boundary *b* is what the streams are before half *b*; the last one is what logits are made of.
///
/// Each half may take its weights from another form of the model, see ``LoadedModel/replacing(layer:_:with:)``.
extension GroupSession {
  /// Branches of all layers.
  package var halfCount: Int { 2 * model.weights.layers.count }

  /// Values per row of the streams.
  package var width: Int { model.weights.width }

  /// The streams of all sequences, `[sequences, tokens, width]`, of a group that was begun.
  package func streams() throws -> UnsafeMutableBufferPointer<Float> {
    let rows = try stream(count: sequences.last?.upperBound ?? 0)
    return UnsafeMutableBufferPointer(start: rows.base, count: rows.count * rows.width)
  }

  /// Begins a group with the embeddings of tokens: boundary 0.
  ///
  /// - Parameters:
  ///   - tokens: The tokens of each sequence.
  ///   - form: The form of the model whose embedding is used.
  /// - Throws: As ``run(_:onStep:)``.
  package func begin(_ tokens: [[Int32]], of form: LoadedModel) throws {
    for sequence in tokens { try model.check(sequence, position: 0, contextLength: contextLength) }
    try begin(lengths: tokens.map(\.count))
    try embed(tokens, form, sequences, into: try stream(count: sequences.last?.upperBound ?? 0))
  }

  /// Begins a group whose streams are written by the caller; they belong to any boundary.
  ///
  /// - Parameter lengths: Tokens of each sequence.
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  package func begin(lengths: [Int]) throws {
    sequences = Self.ranges(lengths)
    checked = []
    _ = try stream(count: sequences.last?.upperBound ?? 0)
    context.prepare(positions: 0..<(lengths.max() ?? 0))
  }

  /// Takes the first sequences over one boundary; the others' streams stay.
  ///
  /// - Parameters:
  ///   - half: The branch.
  ///   - count: Sequences that are taken on.
  ///   - form: The form of the model whose weights are used.
  /// - Throws: ``RuntimeError``; the errors of loading weights.
  package func run(half: Int, sequences count: Int, of form: LoadedModel) throws {
    let ranges = Array(sequences.prefix(count))
    let rows = try stream(count: sequences.last?.upperBound ?? 0).rows(0..<(ranges.last?.upperBound ?? 0))
    checked = []
    let (index, layer) = (half / 2, form.weights.layers[half / 2])
    _ =
      try half % 2 == 0
      ? mix(rows, ranges, layer, at: index) { _ in true }
      : feedForward(rows, ranges, layer, at: index) { _ in true }
  }

  /// Makes the weights of a layer ready, and returns when they are.
  ///
  /// - Throws: The errors of loading weights.
  package func load(layer: Int) throws {
    try loader.loadNow(model.weights.layers[layer].matrices)
  }

  /// Gives the weights of a layer back.
  package func release(layer: Int) {
    context.releaseScratch()
    loader.release(model.weights.layers[layer].matrices)
  }
}
