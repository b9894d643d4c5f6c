internal import Dispatch
internal import Synchronization

extension TileQueue {
  /// Processes the tiles on several threads, each with a worker of its own, and returns early when asked to.
  ///
  /// Not `parallelForEach`: the queue decides which tile comes next for whom, several streams at a time. After a failure no
  /// further tile is begun, and the failure that came first is thrown.
  ///
  /// - Parameters:
  ///   - threadCount: The number of threads.
  ///   - isCancelled: Asked between tiles.
  ///   - worker: Makes the worker of a thread.
  ///   - isWanted: Whether anybody still wants a form of a tile.
  ///   - body: Called with the number of the thread, a tile, and what became of it; bytes are valid during the call.
  /// - Throws: What the sources' files and `body` throw.
  func forEachTile(
    threadCount: Int, isCancelled: @Sendable () -> Bool, worker: @Sendable () -> TileWorker,
    isWanted: @Sendable (Tile.Demand) -> Bool = { _ in true },
    _ body: @Sendable (_ thread: Int, _ tile: Tile, _ outcomes: [TileWorker.Outcome]) throws -> Void
  ) throws {
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: threadCount) { thread in
      do {
        var worker = worker()
        while !isCancelled(), failure.withLock({ $0 == nil }),
          let taken = try next(worker: thread, buffer: worker.source)
        {
          defer { finished(taken) }
          try body(thread, taken.tile, worker.process(taken.tile, from: taken.bytes, isWanted: isWanted))
        }
      } catch {
        failure.withLock { if $0 == nil { $0 = error } }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
