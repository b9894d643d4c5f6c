internal import ModelDescriptions

extension DecoderGraph {
  /// A short convolution between two gates, over the last vectors of each sequence and the new ones.
  mutating func shortConvolution(_ x: TensorGraph.ID, _ part: ShortConvolution) throws -> TensorGraph.ID {
    let sequences = batch.sequences
    let perSequence = tokens / sequences
    let history = part.kernelLength - 1
    let all = try product("convolution gates", graph.view(x), rows: 3 * part.width, columns: tokens)
    let gated = try graph.result(
      "convolution input", [part.width, tokens], [graph.view(all), graph.view(all)])
    let state = try graph.result(
      "convolution state", [history * part.width, sequences], [graph.external])
    graph.expand(state)
    let padded = try graph.result(
      "convolution input", [history + perSequence, part.width, sequences],
      [graph.view(state), graph.view(gated)])
    graph.store([graph.view(padded)])
    let shape = [part.width, perSequence, sequences]
    let convolved = try graph.result("convolution", shape, [padded, graph.external])
    let output = try graph.result("convolution", shape, [graph.view(all), convolved], overwrites: true)
    return graph.view(try product("convolution output", output, rows: width, columns: tokens))
  }
}
