internal import Synchronization
internal import TensorTypes

/// Counts finished rows and tells the caller; safe from any thread.
final class ProgressTracker: Sendable {
  private struct State {
    /// By output and tensor.
    var missingRows: [[Int]]
    var doneByteCount: Int
  }

  private let work: WorkUnion
  private let plans: [ConversionPlan]
  private let options: ExecutionOptions
  private let state: Mutex<State>
  private let totalByteCount: Int
  let resumedByteCount: Int

  /// Starts with what is left to do.
  ///
  /// - Parameters:
  ///   - work: What is made.
  ///   - plans: The plans of its outputs.
  ///   - pieces: What is left.
  ///   - totalByteCount: Bytes of source weights of this run's share.
  ///   - options: Who is told.
  init(
    _ work: WorkUnion, plans: [ConversionPlan], pieces: [WorkPiece], totalByteCount: Int,
    options: ExecutionOptions
  ) {
    self.work = work
    self.plans = plans
    self.options = options
    self.totalByteCount = totalByteCount
    var missing = plans.map { [Int](repeating: 0, count: $0.tensors.count) }
    var resumed = totalByteCount
    for piece in pieces {
      resumed -= work.tensors[piece.tensor].common.sourceByteCount(rows: piece.rows.count)
      for target in piece.demands.flatMap(\.targets) {
        missing[target.output][target.tensor] += piece.rows.count
      }
    }
    resumedByteCount = resumed
    state = Mutex(State(missingRows: missing, doneByteCount: resumed))
  }

  func finished(_ tile: Tile) {
    let byteCount = work.tensors[tile.tensor].common.sourceByteCount(rows: tile.rowCount)
    let (done, complete) = state.withLock { state in
      state.doneByteCount += byteCount
      var complete: [WorkUnion.Target] = []
      for target in tile.demands.lazy.flatMap(\.targets) {
        state.missingRows[target.output][target.tensor] -= tile.rowCount
        if state.missingRows[target.output][target.tensor] == 0 { complete.append(target) }
      }
      return (state.doneByteCount, complete)
    }
    for target in complete { options.onTensorDone?(plans[target.output], target.tensor) }
    options.onProgress?(
      ExecutionProgress(
        doneByteCount: done, totalByteCount: totalByteCount, resumedByteCount: resumedByteCount))
  }
}

extension PlannedTensor {
  /// Bytes of some rows before quantization.
  func sourceByteCount(rows: Int) -> Int {
    rows * (rowLength / sourceType.blockLength) * sourceType.blockByteCount
  }
}
