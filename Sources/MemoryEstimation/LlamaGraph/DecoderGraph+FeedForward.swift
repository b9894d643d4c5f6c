internal import ModelDescriptions

extension DecoderGraph {
  /// The feed-forward part of a layer: dense, experts with or without a shared one, or both side by side.
  ///
  /// - Parameters:
  ///   - x: The normed stream.
  ///   - part: What the layer has.
  ///   - stream: The stream before the norm.
  ///   - rows: Tokens.
  /// - Returns: What is added to the stream.
  /// - Throws: ``EstimationError`` with `overflow`.
  mutating func feedForward(
    _ x: TensorGraph.ID, _ part: FeedForward, stream: TensorGraph.ID, rows: Int
  ) throws -> TensorGraph.ID {
    switch part {
    case .dense(let dense): return try self.dense(x, dense, rows: rows)
    case .experts(let experts): return try self.experts(x, experts, stream: stream, rows: rows)
    case .parallel(let dense, let experts):
      let network = try layerNorm(try self.dense(x, dense, rows: rows), rows: rows)
      let input = try layerNorm(stream, rows: rows)
      let mixture = try layerNorm(
        try self.experts(input, experts, stream: stream, rows: rows), rows: rows)
      return try graph.result("feed-forward", [width, rows], [network, mixture], overwrites: true)
    }
  }

  private mutating func experts(
    _ x: TensorGraph.ID, _ experts: Experts, stream: TensorGraph.ID, rows: Int
  ) throws -> TensorGraph.ID {
    let routed = try mixture(x, experts, stream: stream, rows: rows)
    guard let sharedWidth = experts.sharedWidth else { return routed }
    var shared = try dense(x, Dense(width: sharedWidth), rows: rows)
    if experts.hasSharedGate {
      let gate = try product("shared gate", x, rows: 1, columns: rows)
      let open = try graph.result("shared gate", [1, rows], [gate], overwrites: true)
      shared = try graph.result("shared expert", [width, rows], [shared, open], overwrites: true)
    }
    return try graph.result("feed-forward", [width, rows], [routed, shared], overwrites: true)
  }

  private mutating func dense(_ x: TensorGraph.ID, _ part: Dense, rows: Int) throws -> TensorGraph.ID {
    let (inner, bias) = (part.width, part.hasBias)
    let up = try product("feed-forward up", x, rows: inner, columns: rows, bias: bias)
    let gate = try product("feed-forward gate", x, rows: inner, columns: rows, bias: bias)
    let both = try graph.result("feed-forward product", [inner, rows], [gate, up])
    return try product("feed-forward", both, rows: width, columns: rows, bias: bias)
  }

  private mutating func mixture(
    _ x: TensorGraph.ID, _ experts: Experts, stream: TensorGraph.ID, rows: Int
  ) throws -> TensorGraph.ID {
    let used = experts.usedCount
    let (chosen, weights) = try route(
      try routerInput(x, experts.router, stream: stream, rows: rows), experts, rows: rows)
    graph.expand(weights)
    let input = graph.view(x)
    /// A product of each token with the matrices of its experts, and their biases.
    func product(_ label: String, _ input: TensorGraph.ID, width: Int) throws -> TensorGraph.ID {
      let shape = [width, used, rows]
      let y = try graph.result(label, shape, [graph.external, input, chosen])
      guard experts.hasBias else { return y }
      return try graph.result(label, shape, [y, graph.external, chosen], overwrites: true)
    }
    let (up, gate): (TensorGraph.ID, TensorGraph.ID)
    if forms.fusesExperts {
      let joined = try product("experts gate and up", input, width: 2 * experts.width)
      (gate, up) = (graph.view(joined), graph.view(joined))
    } else {
      up = try product("experts up", input, width: experts.width)
      gate = try product("experts gate", input, width: experts.width)
    }
    let both = try graph.result("experts product", [experts.width, used, rows], [gate, up])
    var down = try product("experts down", both, width: width)
    if experts.router.hasExpertScales {
      let all = try graph.result("expert scales", [1, experts.count, rows], [graph.external])
      let scales = try graph.result("expert scales", [1, used, rows], [all, chosen])
      down = try graph.result("experts down", [width, used, rows], [down, scales], overwrites: true)
    }
    let weighted = try graph.result("experts down", [width, used, rows], [down, weights], overwrites: true)
    graph.expand(weighted)
    let parts = (0..<used).map { _ in graph.view(weighted) }
    for part in parts { graph.expand(part) }
    var sum = parts[0]
    for part in parts.dropFirst() {
      sum = try graph.result("experts sum", [width, rows], [sum, part], overwrites: true)
      graph.expand(sum)
    }
    if used == 1 { sum = try graph.result("experts sum", [width, rows], [sum]) }
    return sum
  }

  /// What the router takes: what the experts take, or the stream with a norm and factors of its own.
  private mutating func routerInput(
    _ x: TensorGraph.ID, _ router: Router, stream: TensorGraph.ID, rows: Int
  ) throws -> TensorGraph.ID {
    guard router.hasOwnInput else { return x }
    var input = stream
    // A norm without weights, a factor, a weight for each column.
    for _ in 0..<3 { input = try graph.result("router input", [width, rows], [input], overwrites: true) }
    return input
  }

  /// The experts of each token and their weights.
  private mutating func route(
    _ x: TensorGraph.ID, _ experts: Experts, rows: Int
  ) throws -> (chosen: TensorGraph.ID, weights: TensorGraph.ID) {
    let router = experts.router
    let used = experts.usedCount
    // llama.cpp has no sparse mixer and one softmax over chosen scores; elsewhere it divides shares by their sum.
    let weighsScores = router.scoring == .chosenSoftmax && habits.weighsChosenScores
    let dividesBySum = router.normalizesTopK || ![.softmax, .sigmoid].contains(router.scoring)
    let logits = try product("router", x, rows: experts.count, columns: rows, bias: router.hasBias)
    let shares =
      weighsScores ? logits : try graph.result("router", [experts.count, rows], [logits], overwrites: true)
    var candidates = shares
    if router.hasSelectionBias {
      candidates = try graph.result(
        "router", [experts.count, rows], [shares, graph.external], overwrites: true)
    }
    if router.groupCount > 1 {
      candidates = try bestGroups(of: candidates, experts, rows: rows)
    }
    let sorted = try graph.result("expert order", [experts.count, rows], [candidates])
    let chosen = graph.view(sorted)
    var weights = try graph.result("expert weights", [1, used, rows], [graph.view(shares), chosen])
    if weighsScores {
      weights = graph.view(
        try graph.result("expert weights", [used, rows], [graph.view(weights)], overwrites: true))
    } else if dividesBySum {
      let flat = graph.view(weights)
      let sum = try graph.result("expert weights", [1, rows], [flat])
      let clamped = try graph.result("expert weights", [1, rows], [sum], overwrites: true)
      weights = graph.view(
        try graph.result("expert weights", [used, rows], [flat, clamped], overwrites: true))
    }
    // The factor is a number of 32 bits in the file.
    if Float(router.scale) != 1, router.scale != 0 {
      weights = try graph.result("expert weights", [1, used, rows], [weights], overwrites: true)
    }
    return (chosen, weights)
  }

  /// The scores of experts, those outside the best groups overwritten; llama.cpp ranks groups by their two highest
  /// scores, whatever the model was trained with.
  private mutating func bestGroups(
    of scores: TensorGraph.ID, _ experts: Experts, rows: Int
  ) throws -> TensorGraph.ID {
    let count = experts.router.groupCount
    let size = experts.count / count
    let groups = graph.view(scores)
    let sorted = try graph.result("expert order", [size, count, rows], [groups])
    let highest = try graph.result(
      "group scores", [1, 2, count, rows], [graph.view(groups), graph.view(sorted)])
    let sums = try graph.result("group scores", [1, count, rows], [graph.view(highest)])
    let order = try graph.result("group order", [count, rows], [graph.view(sums)])
    let best = graph.view(order)
    let kept = try graph.result("router", [size, experts.router.usedGroupCount, rows], [groups, best])
    let blank = try graph.result("router", [size, count, rows], [groups], overwrites: true)
    return graph.view(graph.overwriting(blank, with: [kept, best]))
  }
}
