internal import ModelDescriptions
internal import TensorCompute

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Makes the weights of layers, and at last of the output matrix, ready in the order in which steps use them, again and
/// again.
///
/// While a stage computes, the next one that is not kept is read. Where few rows use few of many experts, a stage is read
/// without its experts, and those that were chosen are read when the router has spoken.
final class WeightStages {
  enum State: Int, Comparable {
    case nothing
    /// Everything but experts, which come as they are chosen.
    case allButExperts
    case everything

    static func < (a: State, b: State) -> Bool { a.rawValue < b.rawValue }
  }

  /// A layer, or the output matrix.
  struct Stage {
    var others: [WeightMatrix]
    var stacks: [ExpertStack] = []
    /// Used and all experts; `nil` without a mixture.
    var experts: (used: Int, count: Int)?
    var isKept: Bool
    var state = State.nothing
    /// Experts that are there beside the state.
    var chosen: Set<Int> = []

    var all: [WeightMatrix] { others + stacks.flatMap(\.matrices) }

    /// The share of experts that some rows are expected to use if they choose by chance; `nil` where all are read.
    func expectedShare(rows: Int, _ store: any TensorStore) -> Double? {
      guard let experts, !store.readsInOrder else { return nil }
      let share = 1 - pow(1 - Double(experts.used) / Double(experts.count), Double(rows))
      return share < WeightStages.wholeShare ? share : nil
    }
  }

  /// From this share of a layer's experts on, all of them are read ahead.
  static let wholeShare = 0.75

  private let loader: LayerLoader
  private let store: any TensorStore
  private let embedding: WeightMatrix
  private let isTied: Bool
  /// Layers, then the output matrix; empty where everything is kept.
  private var stages: [Stage]
  /// The stage that is being read.
  private var pending: Int?

  init(_ model: LoadedModel, kept: KeptWeights) throws {
    let weights = model.weights
    loader = LayerLoader(model.store, givesBack: true)
    store = model.store
    embedding = weights.embedding.weights
    isTied = weights.output.weights.bytes.baseAddress == embedding.bytes.baseAddress
    stages = Self.stages(of: model, kept)
    if stages.allSatisfy(\.isKept) {
      stages = []
      try model.makeWhole()
    }
  }

  /// The stages of a model, nothing of which is there.
  static func stages(of model: LoadedModel, _ kept: KeptWeights) -> [Stage] {
    var stages = zip(model.weights.layers, model.architecture.layers).enumerated().map { index, pair in
      let (layer, shape) = pair
      return Stage(
        others: layer.matricesWithoutExperts, stacks: layer.expertStacks,
        experts: shape.feedForward.experts.map { ($0.usedCount, $0.count) }, isKept: index < kept.layerCount)
    }
    stages.append(Stage(others: [model.weights.output.weights], isKept: kept.keepsOutput))
    // Two are in memory at a time: one that would be read again and again can as well stay.
    let read = stages.indices.filter { !stages[$0].isKept }
    if read.count == 1 { stages[read[0]].isKept = true }
    return stages
  }

  deinit {
    _ = try? loader.wait()
    for stage in stages { loader.release(stage.all) }
  }

  /// Seconds and bytes of reading so far.
  var total: (seconds: Double, byteCount: Int) { loader.total }

  /// Makes rows of the embedding ready, calls `body`, and gives them back.
  ///
  /// - Throws: What goes wrong with it, and what `body` throws.
  func withEmbedding(_ body: () throws -> Void) throws {
    guard let output = stages.last else { return try body() }
    try loader.loadRows([embedding])
    defer { if !isTied || !output.isKept { loader.release([embedding]) } }
    try body()
  }

  /// Waits until a stage can compute, and has the next one read.
  ///
  /// - Parameters:
  ///   - index: A layer, or the number of layers for the output matrix.
  ///   - rows: Rows that go through it.
  /// - Returns: Whether experts have to be asked for as they are chosen, see ``prepare(experts:of:)``.
  /// - Throws: What went wrong with reading.
  func use(_ index: Int, rows: Int) throws -> Bool {
    guard !stages.isEmpty else { return false }
    if pending == index {
      try loader.wait()
      pending = nil
    }
    let wanted = wanted(index, rows)
    if stages[index].state < wanted {
      start(index, wanted)
      try loader.wait()
    }
    readAhead(after: index, rows)
    return stages[index].state < .everything
  }

  /// Makes experts of a layer ready.
  ///
  /// - Throws: What goes wrong with reading.
  func prepare(experts: [Int], of index: Int) throws {
    let missing = experts.filter { !stages[index].chosen.contains($0) }
    try loader.loadNow(stages[index].stacks.flatMap { stack in missing.map { stack.experts[$0] } })
    stages[index].chosen.formUnion(missing)
  }

  /// Gives back a stage that is not kept.
  func finish(_ index: Int) {
    guard !stages.isEmpty, !stages[index].isKept else { return }
    loader.release(stages[index].all)
    stages[index].state = .nothing
    stages[index].chosen = []
  }

  /// Ends a step that did not come to its end: what is being read comes, and goes again.
  func cancel() {
    _ = try? loader.wait()
    pending = nil
    for index in stages.indices where stages[index].state > .nothing {
      finish(index)
      // What is kept may be what failed: it is asked for again, which takes little where it is there.
      stages[index].state = .nothing
      stages[index].chosen = []
    }
  }

  private func wanted(_ index: Int, _ rows: Int) -> State {
    stages[index].expectedShare(rows: rows, store) == nil ? .everything : .allButExperts
  }

  private func readAhead(after index: Int, _ rows: Int) {
    guard pending == nil else { return }
    let order = Array(stages.indices[(index + 1)...]) + Array(stages.indices[...index])
    guard let next = order.first(where: { !stages[$0].isKept }), next != index,
      stages[next].state == .nothing
    else { return }
    start(next, wanted(next, rows))
    pending = next
  }

  private func start(_ index: Int, _ state: State) {
    let stage = stages[index]
    let weights =
      switch (stage.state, state) {
      case (.nothing, .allButExperts): stage.others
      case (.nothing, _): stage.all
      default: stage.stacks.flatMap(\.matrices)
      }
    loader.start(weights)
    stages[index].state = state
  }
}
