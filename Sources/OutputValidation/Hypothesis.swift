#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import CheckpointConversion
internal import ModelDescriptions
internal import TensorTypes

/// One way in which a tensor may have come to hold other values than the source gives: each row of the file has values
/// of some rows of a planned tensor, reordered or changed.
struct Hypothesis {
  var kind: Finding.Kind
  /// What the tensor holds, after "found".
  var found: String
  /// The planned tensor whose rows it holds.
  var tensor: Int
  /// The order in which it holds them.
  var order = ValueOrder.same
  /// What happened to each value.
  var change: (@Sendable (Float) -> Float)?

  /// What helps against every one of them.
  static let remedy = "convert the model again with a current converter"
}

/// Makes the hypotheses for a tensor from what its conversion does with the values: a step left out, a step taken twice,
/// a step that other architectures take.
struct HypothesisMaker {
  let plan: ConversionPlan
  /// How the family makes its tensors from a checkpoint, which the plan of a GGUF does not say.
  private let rules: [String: TensorFeed]
  /// Planned tensors by shape.
  private let byShape: [[Int]: [Int]]

  init(_ source: SourcePlan) {
    plan = source.plan
    let rows = plan.tensors.first { $0.purpose.slot == .tokenEmbedding }?.rowCount
    let model = try? HyperParameters(metadata: source.metadata, embeddingRows: rows, file: "")
    let family = ModelFamily.family(metadata: source.metadata)
    rules = model.flatMap { model in family.map { $0.conversionFeeds(model) } } ?? [:]
    byShape = Dictionary(grouping: plan.tensors.indices) { [plan] in plan.tensors[$0].ggmlShape }
  }

  /// Reordered or changed values of the same tensor.
  func ownHypotheses(_ index: Int) -> [Hypothesis] { changes(index) + reorderings(index) }

  /// What may have happened to each value.
  private func changes(_ index: Int) -> [Hypothesis] {
    let tensor = plan.tensors[index]
    func shifted(by offset: Float, _ text: String) -> Hypothesis {
      Hypothesis(
        kind: .normOffset, found: "the norm's weights, all \(text)", tensor: index, change: { $0 + offset })
    }
    let less = shifted(by: -1, "one less: the stored offset, to which one was not added")
    let more = shifted(by: 1, "one more: one was added twice, or to a norm that is stored whole")
    let isNorm = tensor.role == .norm || tensor.purpose.slot?.isNorm == true
    switch operation(tensor) {
    case .addOne: return [less, more]
    case .identity: return isNorm ? [more] : []
    case nil: return isNorm ? [less, more] : []
    case .negateExponential:
      return [
        Hypothesis(
          kind: .decayNotConverted, found: "the logarithms of the decay rates (A_log), not -exp of them",
          tensor: index, change: { $0 < 0 ? logarithm(-$0) : $0 })
      ]
    }
  }

  /// What the conversion does with each value; `nil` when it is not known.
  ///
  /// Where the source has it done already, as other conversions and checkpoints of MLX have, it is the family's.
  private func operation(_ tensor: PlannedTensor) -> ValueOperation? {
    if case .feed(let feed) = tensor.content, feed.operation != .identity { return feed.operation }
    return rules[tensor.name]?.operation
  }

  /// In what other order the values may be.
  private func reorderings(_ index: Int) -> [Hypothesis] {
    let tensor = plan.tensors[index]
    let heads = HeadOrder(tensor.purpose, in: plan.model)
    let rows = tensor.ggmlShape.count == 1 ? "values" : "rows"
    func both(_ order: ValueOrder, _ kind: Finding.Kind, _ words: (undone: String, done: String))
      -> [Hypothesis]
    {
      [
        Hypothesis(kind: kind, found: words.undone, tensor: index, order: order.inverse),
        Hypothesis(kind: kind, found: words.done, tensor: index, order: order),
      ]
    }
    var result = orders(tensor).flatMap { order in
      if let heads, heads.isWanted { return both(order, heads.kind, heads.words(rows)) }
      return both(order, .storedOrder, order.words(rows))
    }
    if let heads, !heads.isWanted, let order = heads.order(of: tensor) {
      result += both(order, heads.kind, heads.words(rows))
    }
    return result
  }

  /// The orders in which the conversion takes the values: those of the plan, or of the family where the source is in the
  /// order of a GGUF.
  private func orders(_ tensor: PlannedTensor) -> [ValueOrder] {
    let shape = (rows: tensor.rowsPerMatrix, columns: tensor.rowLength)
    if case .feed(let feed) = tensor.content {
      let own = ValueOrder.all(in: feed, shape: shape)
      if !own.isEmpty { return own }
    }
    return rules[tensor.name].map { ValueOrder.all(in: $0, shape: shape) } ?? []
  }

  /// Other tensors of the same shape, nearest layers first.
  func otherTensors(_ index: Int, limit: Int = 400) -> [Hypothesis] {
    let own = plan.tensors[index]
    func distance(_ other: Int) -> (Int, Int, Int) {
      let purpose = plan.tensors[other].purpose
      return (
        abs((own.purpose.block ?? 0) - (purpose.block ?? 0)), purpose.slot == own.purpose.slot ? 0 : 1, other
      )
    }
    return (byShape[own.ggmlShape] ?? []).filter { $0 != index }.sorted { distance($0) < distance($1) }
      .prefix(limit)
      .map { other in
        let tensor = plan.tensors[other]
        let isCounterpart =
          tensor.purpose.block == own.purpose.block && tensor.purpose.slot != nil
          && tensor.purpose.slot == own.purpose.slot?.counterpart
        return Hypothesis(
          kind: isCounterpart ? .swappedTensors : .otherTensor,
          found: isCounterpart
            ? "the weights of \(tensor.name): gate and up are exchanged" : "the weights of \(tensor.name)",
          tensor: other)
      }
  }
}

private func logarithm(_ x: Float) -> Float { logf(x) }
