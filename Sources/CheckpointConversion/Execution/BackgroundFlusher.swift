internal import FileBytes
internal import Foundation

/// Writes finished data to disk while workers go on, so that the final synchronization is short.
///
/// Without it all of the output would wait in the page cache for the last `fsync`, and the disk would
/// idle during the work. Files that together do not fit the cache leave it as they reach the disk: the cache could not keep
/// them, would forget the source and what other programs read, and fresh memory for every byte costs a virtual machine
/// several times what copying into the same few pages does.
///
/// Unchecked: the counters are touched under `condition` alone.
final class BackgroundFlusher: @unchecked Sendable {
  private let outputs: [WritableFile]
  private let leavesCache: Bool
  private let condition = NSCondition()
  private var pendingByteCount = 0
  private var isStopped = false
  private var hasEnded = false

  /// A flush starts when this much has been written since the last one.
  private static let threshold = 64 << 20

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - outputs: The files.
  ///   - runByteCount: The size of all files that the run writes.
  init(_ outputs: [WritableFile], runByteCount: Int) {
    self.outputs = outputs
    leavesCache = runByteCount > Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)
    let thread = Thread { self.loop() }
    thread.name = "pouch-flush"
    thread.start()
  }

  /// Notes that bytes were written; safe from any thread, never waits for the disk.
  func wrote(_ byteCount: Int) {
    condition.lock()
    pendingByteCount += byteCount
    if pendingByteCount >= Self.threshold { condition.signal() }
    condition.unlock()
  }

  /// Ends the thread and waits for a flush in progress; more calls do nothing.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    while !hasEnded { condition.wait() }
    condition.unlock()
  }

  private func loop() {
    condition.lock()
    while true {
      while pendingByteCount < Self.threshold, !isStopped { condition.wait() }
      if isStopped { break }
      pendingByteCount = 0
      condition.unlock()
      for output in outputs { output.flushData(leavesCache: leavesCache) }
      condition.lock()
    }
    hasEnded = true
    condition.broadcast()
    condition.unlock()
  }
}
