internal import CheckpointConversion
internal import ModelDescriptions
internal import TensorTypes

/// An order of heads, or of rows within heads, that some architectures want and others do not.
enum HeadOrder {
  /// The halves of a head to pairs of adjacent dimensions.
  case rotaryPairs(Attention)
  /// The same in the part of a head that turns; the pairs are adjacent already.
  case latentPairs(LatentAttention)
  /// Value heads grouped by key head to tiled over key heads.
  case valueHeads(GatedDeltaNet)

  /// The order that is possible for a tensor; `nil` for those whose order of rows is without doubt.
  init?(_ tensor: TensorPurpose, in model: Architecture?) {
    guard let slot = tensor.slot, let block = tensor.block, let model, model.blocks.indices.contains(block)
    else { return nil }
    switch (slot, model.blocks[block].mixer) {
    case (.query, .attention(let part)), (.key, .attention(let part)), (.queryBias, .attention(let part)),
      (.keyBias, .attention(let part)):
      self = .rotaryPairs(part)
    case (.query, .latent(let part)), (.queryUp, .latent(let part)), (.latentDown, .latent(let part)):
      self = .latentPairs(part)
    case (_, .deltaNet(let part))
    where slot.role == .linearAttention && part.repetition > 1 && part.keyHeadCount > 1:
      self = .valueHeads(part)
    default: return nil
    }
  }

  /// Whether the architecture has the order in its files, so that a conversion makes it.
  var isWanted: Bool {
    switch self {
    case .rotaryPairs(let part): part.rotaryPairing == .adjacent
    case .latentPairs: false
    case .valueHeads(let net): net.valueHeadOrder == .tiled
    }
  }

  var kind: Finding.Kind {
    switch self {
    case .rotaryPairs, .latentPairs: .rotaryOrder
    case .valueHeads: .valueHeadOrder
    }
  }

  /// What a tensor holds that was not brought into the order, and what one that was twice; or, where the architecture
  /// does not want the order, one that was brought out of it, and one that was brought into it.
  func words(_ rows: String) -> (undone: String, done: String) {
    switch (self, isWanted) {
    case (.rotaryPairs, true):
      (
        "\(rows) in the checkpoint's order: the permutation for rotary pairs is missing",
        "\(rows) that were permuted for rotary pairs twice"
      )
    case (.rotaryPairs, false):
      (
        "\(rows) that were permuted back for rotary pairs, which this architecture does not want",
        "\(rows) permuted for adjacent rotary pairs, which this architecture does not want"
      )
    case (.latentPairs, _):
      (
        "\(rows) whose rotary pairs were taken apart into halves, which this architecture does not want",
        "\(rows) permuted for adjacent rotary pairs, which the source has already"
      )
    case (.valueHeads, true):
      (
        "value heads in the checkpoint's order, grouped by key head: the reordering is missing",
        "value heads that were reordered twice"
      )
    case (.valueHeads, false):
      ("value heads that were reordered back", "value heads tiled over key heads, not grouped by them")
    }
  }

  /// The order in a tensor of a plan; `nil` for shapes and slots that have no such order.
  func order(of tensor: PlannedTensor) -> ValueOrder? {
    switch self {
    case .rotaryPairs(let part):
      let isVector = tensor.ggmlShape.count == 1
      let count = isVector ? tensor.rowLength : tensor.rowCount
      let order = Self.pairs(count, headDim: part.headDim, turning: 0..<part.headDim)
      return order.map { isVector ? .columns($0) : .rows($0) }
    case .latentPairs(let part):
      let still = tensor.purpose.slot == .latentDown ? part.latentWidth : part.keyDim
      let headDim = still + part.rotaryDim
      return Self.pairs(tensor.rowCount, headDim: headDim, turning: still..<headDim).map { .rows($0) }
    case .valueHeads(let net):
      // The first row or column of value heads, how many a head has, and whether they lie along the row.
      let place: (first: Int, unit: Int, isAlongRow: Bool)
      switch tensor.purpose.slot {
      case .deltaNetInput, .convolution: place = (2 * net.keyWidth, net.valueDim, false)
      case .deltaNetGate: place = (0, net.valueDim, false)
      case .deltaNetBeta, .deltaNetAlpha: place = (0, 1, false)
      case .decay, .stepBias: place = (0, 1, true)
      case .deltaNetOutput: place = (0, net.valueDim, true)
      default: return nil
      }
      let count = place.isAlongRow ? tensor.rowLength : tensor.rowCount
      guard count == place.first + net.valueHeadCount * place.unit else { return nil }
      let heads = net.tiledHeadOrder.flatMap { head in
        (0..<place.unit).map { place.first + head * place.unit + $0 }
      }
      let order = Array(0..<place.first) + heads
      return place.isAlongRow ? .columns(order) : .rows(order)
    }
  }

  /// Halves to pairs among the turning dimensions of each head.
  private static func pairs(_ count: Int, headDim: Int, turning: Range<Int>) -> [Int]? {
    guard turning.count > 1, turning.count % 2 == 0, count % headDim == 0 else { return nil }
    let run = RowRun(
      source: 0, firstRow: turning.lowerBound, rowCount: turning.count,
      order: .pairHalves(headDim: turning.count))
    let head =
      Array(0..<turning.lowerBound) + turning.indices.map { run.sourceRow(at: $0 - turning.lowerBound) }
    return (0..<count / headDim).flatMap { number in head.map { number * headDim + $0 } }
  }
}
