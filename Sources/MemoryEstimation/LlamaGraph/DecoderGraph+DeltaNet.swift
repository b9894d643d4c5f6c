internal import ModelDescriptions

extension DecoderGraph {
  /// A gated delta net, with the fused operation.
  mutating func deltaNet(_ x: TensorGraph.ID, _ net: GatedDeltaNet) throws -> TensorGraph.ID {
    let sequences = batch.sequences
    let perSequence = tokens / sequences
    let heads = net.valueHeadCount
    let (mixed, gate) = try projections(x, net)
    let (beta, decay) = try gates(x, net)

    let history = try graph.result(
      "convolution state", [(net.kernelLength - 1) * net.channelCount, sequences], [graph.external])
    graph.expand(history)
    let padded = try graph.result(
      "convolution input", [net.kernelLength - 1 + perSequence, net.channelCount, sequences],
      [graph.view(history), graph.view(mixed)])
    graph.store([graph.view(padded)])
    let stateSize = try Checked.product("recurrent state", net.valueDim, net.valueDim, heads)
    let state = try graph.result("recurrent state", [stateSize, sequences], [graph.external])
    graph.expand(state)
    let shape = [net.channelCount, perSequence, sequences]
    let convolved = try graph.result("convolution", shape, [padded, graph.external])
    let active = try graph.result("convolution", shape, [convolved], overwrites: true)
    var query = try unitLength("delta net queries", graph.view(active), net)
    var key = try unitLength("delta net keys", graph.view(active), net)
    if net.hasJointGates, net.keyHeadCount != heads {
      let repeated = [net.keyDim, net.repetition, net.keyHeadCount, tokens]
      query = graph.view(try graph.result("delta net queries", repeated, [graph.view(query)]))
      key = graph.view(try graph.result("delta net keys", repeated, [graph.view(key)]))
    }
    let outputSize = try Checked.product("delta net", net.valueDim, heads, tokens)
    let stepped = try graph.result(
      "delta net", [outputSize + stateSize * sequences],
      [query, key, graph.view(active), decay, beta, graph.view(state)])
    graph.store([graph.view(stepped)])
    let normed = try norm(graph.view(stepped), [net.valueDim, heads, tokens], "delta net output")
    let open = try graph.result(
      "delta net gate", [net.valueDim, heads, tokens], [graph.view(gate)], overwrites: true)
    let gated = try graph.result(
      "delta net output", [net.valueDim, heads, tokens], [normed, open], overwrites: true)
    return graph.view(try product("delta net result", graph.view(gated), rows: width, columns: tokens))
  }

  /// Queries, keys and values as one row of channels, and the output gates.
  private mutating func projections(
    _ x: TensorGraph.ID, _ net: GatedDeltaNet
  ) throws -> (mixed: TensorGraph.ID, gate: TensorGraph.ID) {
    guard forms.interleavesDeltaNet else {
      let mixed = graph.view(try product("delta net input", x, rows: net.channelCount, columns: tokens))
      return (mixed, try product("delta net gate", x, rows: net.valueWidth, columns: tokens))
    }
    let all = graph.view(
      try product("delta net input", x, rows: net.channelCount + net.valueWidth, columns: tokens))
    let gate = try graph.result("delta net gate", [net.valueWidth, tokens], [graph.view(all)])
    let query = try graph.result("delta net queries", [net.keyWidth, tokens], [graph.view(all)])
    let key = try graph.result("delta net keys", [net.keyWidth, tokens], [graph.view(all)])
    let value = try graph.result("delta net values", [net.valueWidth, tokens], [graph.view(all)])
    let both = try graph.result("delta net input", [2 * net.keyWidth, tokens], [query, key])
    return (try graph.result("delta net input", [net.channelCount, tokens], [both, value]), gate)
  }

  /// Step sizes and decays, one per value head and token.
  private mutating func gates(
    _ x: TensorGraph.ID, _ net: GatedDeltaNet
  ) throws -> (beta: TensorGraph.ID, decay: TensorGraph.ID) {
    let shape = [net.valueHeadCount, tokens]
    var (beta, alpha): (TensorGraph.ID, TensorGraph.ID)
    if net.hasJointGates {
      let both = try product("delta net gates", x, rows: 2 * net.valueHeadCount, columns: tokens)
      beta = try graph.result("delta net gates", shape, [graph.view(both)])
      alpha = try graph.result("delta net gates", shape, [graph.view(both)])
    } else {
      beta = graph.view(try product("delta net gates", x, rows: net.valueHeadCount, columns: tokens))
      alpha = graph.view(try product("delta net gates", x, rows: net.valueHeadCount, columns: tokens))
    }
    beta = try graph.result("delta net gates", shape, [beta], overwrites: true)
    // Plus the step bias, softplus, times the decay rate.
    alpha = try graph.result("delta net gates", shape, [alpha, graph.external], overwrites: true)
    alpha = try graph.result("delta net gates", shape, [alpha], overwrites: true)
    alpha = try graph.result("delta net gates", shape, [alpha, graph.external], overwrites: true)
    return (graph.view(beta), graph.view(alpha))
  }

  private mutating func unitLength(
    _ label: String, _ x: TensorGraph.ID, _ net: GatedDeltaNet
  ) throws -> TensorGraph.ID {
    let shape = [net.keyDim, net.keyHeadCount, tokens]
    let normed = try graph.result(label, shape, [x], overwrites: true)
    return try graph.result(label, shape, [normed], overwrites: true)
  }
}
