internal import Synchronization
internal import TensorTypes

/// Counts finished rows and tells the caller; safe from any thread.
final class ProgressTracker: Sendable {
  private struct State {
    var missingRows: [Int]
    var doneByteCount: Int
  }

  private let plan: ConversionPlan
  private let options: ExecutionOptions
  private let state: Mutex<State>
  private let totalByteCount: Int
  let resumedByteCount: Int

  init(plan: ConversionPlan, done: FinishedRows, options: ExecutionOptions) {
    self.plan = plan
    self.options = options
    var resumed = 0
    var missing: [Int] = []
    for (index, tensor) in plan.tensors.enumerated() {
      let finished = done.finishedRowCount(of: index)
      missing.append(tensor.rowCount - finished)
      resumed += Self.sourceBytes(tensor, rows: finished)
    }
    resumedByteCount = resumed
    totalByteCount = plan.sourceByteCount
    state = Mutex(State(missingRows: missing, doneByteCount: resumed))
  }

  private static func sourceBytes(_ tensor: PlannedTensor, rows: Int) -> Int {
    rows * (tensor.rowLength / tensor.sourceType.blockLength) * tensor.sourceType.blockByteCount
  }

  func finished(_ tile: Tile) {
    let tensor = plan.tensors[tile.tensor]
    let (done, isLast) = state.withLock { state in
      state.doneByteCount += Self.sourceBytes(tensor, rows: tile.rowCount)
      state.missingRows[tile.tensor] -= tile.rowCount
      return (state.doneByteCount, state.missingRows[tile.tensor] == 0)
    }
    if isLast { options.onTensorDone?(tile.tensor, tensor) }
    options.onProgress?(
      ExecutionProgress(
        doneByteCount: done, totalByteCount: totalByteCount, resumedByteCount: resumedByteCount))
  }
}
