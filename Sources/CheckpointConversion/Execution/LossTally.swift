internal import Synchronization
internal import TensorTypes

/// Adds up lost rows by tensor and matrix; safe from any thread.
final class LossTally: Sendable {
  private struct Place: Hashable {
    var tensor: Int
    var matrix: Int
  }

  private let plan: ConversionPlan
  private let sums: Mutex<[Place: RowLosses]>

  /// Starts with what an earlier run recorded.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - records: Records whose rows are not made again.
  init(plan: ConversionPlan, records: [TileRecord]) {
    self.plan = plan
    sums = Mutex([:])
    for record in records {
      add(record.losses, tensor: record.tensor, firstRow: record.firstRow)
    }
  }

  /// Adds what became of the rows of one tile, which lie in one matrix.
  func add(_ losses: RowLosses, tensor: Int, firstRow: Int) {
    guard !losses.isNone else { return }
    let place = Place(tensor: tensor, matrix: firstRow / plan.tensors[tensor].rowsPerLossMatrix)
    sums.withLock { $0[place, default: RowLosses()] += losses }
  }

  /// The tensors with lost rows, in file order.
  func lostWeights() -> [LostWeights] {
    let sums = sums.withLock { $0 }
    var byTensor: [Int: [(matrix: Int, losses: RowLosses)]] = [:]
    for (place, losses) in sums { byTensor[place.tensor, default: []].append((place.matrix, losses)) }
    return byTensor.sorted { $0.key < $1.key }.compactMap { index, parts in
      let tensor = plan.tensors[index]
      let rowsPerMatrix = tensor.rowsPerLossMatrix
      let all = parts.reduce(into: RowLosses()) { $0 += $1.losses }
      guard all.lost > 0 else { return nil }
      let gone = parts.filter { $0.losses.lost > 0 && $0.losses.lost + $0.losses.empty >= rowsPerMatrix }
      let matrixCount = tensor.rowCount / max(1, rowsPerMatrix)
      return LostWeights(
        tensor: tensor.name, type: tensor.typeName, rows: all.lost,
        rowsWithValues: tensor.rowCount - all.empty,
        experts: matrixCount > 1 ? gone.map(\.matrix).sorted() : [], expertCount: matrixCount,
        largest: all.largest, withImportance: tensor.importanceName != nil)
    }
  }
}

extension PlannedTensor {
  /// Rows of one matrix for the purpose of saying which experts are lost; tiles end with them.
  ///
  /// Matrices of a few bytes, which are no experts, count as one, so that tiles do not become tiny.
  var rowsPerLossMatrix: Int {
    let isExpert = ggmlShape.count > 2 && rowsPerMatrix * rowByteCount >= 256
    return max(1, isExpert ? rowsPerMatrix : rowCount)
  }
}
