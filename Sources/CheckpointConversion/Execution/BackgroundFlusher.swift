internal import FileBytes
internal import Foundation

/// Writes finished data to disk while workers go on, so that the final synchronization is short.
///
/// Without it all of the output would wait in the page cache for the last `fsync`, and the disk would
/// idle during the work.
///
/// Unchecked: the counters are touched under `condition` alone.
final class BackgroundFlusher: @unchecked Sendable {
  private let outputs: [WritableFile]
  private let condition = NSCondition()
  private var pendingByteCount = 0
  private var isStopped = false
  private var hasEnded = false

  /// A flush starts when this much has been written since the last one.
  private static let threshold = 64 << 20

  /// Starts the thread.
  init(_ outputs: [WritableFile]) {
    self.outputs = outputs
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
      for output in outputs { output.flushData() }
      condition.lock()
    }
    hasEnded = true
    condition.broadcast()
    condition.unlock()
  }
}
