package import FileBytes

/// How plans are executed; nothing here has an influence on the bytes that come out.
package struct ExecutionOptions: Sendable {
  /// Threads that read, quantize and write.
  package var threadCount: Int
  /// The most bytes that buffers of all threads may take together.
  package var maxMemory: Int
  /// Replace existing outputs and ignore existing journals.
  package var force: Bool
  /// Stop before an output gets its name when weights became zeros; the work is kept for a run that accepts it.
  package var refusesLosses = false
  /// The part of the work to be done; `nil` for all of it.
  package var part: RunPart?
  /// Called with the name of a process on another machine before it is watched for a while whether it still lives.
  package var onWait: @Sendable (String) -> Void = { _ in }
  /// Called after every tile, from any thread.
  package var onProgress: (@Sendable (ExecutionProgress) -> Void)?
  /// Called when all rows of a tensor of an output are written, from any thread.
  package var onTensorDone: (@Sendable (_ plan: ConversionPlan, _ index: Int) -> Void)?
  /// Asked between tiles; `true` stops the run in a state that can be resumed.
  package var isCancelled: @Sendable () -> Bool

  /// Creates options.
  package init(
    threadCount: Int, maxMemory: Int = 512 << 20, force: Bool = false,
    onProgress: (@Sendable (ExecutionProgress) -> Void)? = nil,
    onTensorDone: (@Sendable (_ plan: ConversionPlan, _ index: Int) -> Void)? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.threadCount = threadCount
    self.maxMemory = maxMemory
    self.force = force
    self.onProgress = onProgress
    self.onTensorDone = onTensorDone
    self.isCancelled = isCancelled
  }
}

/// How far a run is.
///
/// Rows that several outputs want count once, when the last of these has them.
public struct ExecutionProgress: Sendable {
  /// Bytes of 16-bit (or source) weights done, resumed ones included.
  public var doneByteCount: Int
  /// Bytes of source weights in all.
  public var totalByteCount: Int
  /// Of the done bytes, those that an earlier run had finished.
  public var resumedByteCount: Int
}
