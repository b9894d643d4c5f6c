internal import Dispatch
internal import Synchronization

/// Does work on every item of `0..<count`, on several threads.
///
/// Threads take the items in order, `batch` at a time. After a failure no item after the failed one is begun, those
/// before it are finished, and of all failures that of the first item is thrown: which error a caller sees does not
/// depend on the number of threads or on how fast they are.
///
/// This is for work without queues of its own. The converter's workers (whose tiles come from streams that inflate
/// under a lock) and the runtime's `WorkerPool` (whose regions last microseconds) have their own threads.
///
/// - Parameters:
///   - count: How many items there are.
///   - threadCount: The most threads; never more than batches.
///   - batch: Consecutive items that one thread takes at once, so that it reads ahead of itself.
///   - isCancelled: Asked before each batch; the function returns without the rest.
///   - context: Makes what each thread needs for itself, such as a buffer.
///   - body: Does the work on an item.
/// - Throws: What `body` throws.
package func parallelForEach<Context, Failure: Error>(
  count: Int, threadCount: Int, batch: Int = 1, isCancelled: @Sendable () -> Bool = { false },
  context: @Sendable () -> Context,
  _ body: @Sendable (_ index: Int, _ context: Context) throws(Failure) -> Void
) throws(Failure) {
  guard count > 0 else { return }
  let next = Atomic<Int>(0)
  // The index of `failure`; read without the lock, since a late look only costs another item.
  let firstFailed = Atomic<Int>(Int.max)
  let failure = Mutex<Failure?>(nil)
  let batches = (count - 1) / batch + 1
  DispatchQueue.concurrentPerform(iterations: max(1, min(threadCount, batches))) { _ in
    let own = context()
    while !isCancelled() {
      let start = next.wrappingAdd(batch, ordering: .relaxed).oldValue
      guard start < count else { return }
      for index in start..<min(start + batch, count) {
        guard index < firstFailed.load(ordering: .relaxed) else { return }
        do throws(Failure) {
          try body(index, own)
        } catch {
          failure.withLock {
            guard index < firstFailed.load(ordering: .relaxed) else { return }
            firstFailed.store(index, ordering: .relaxed)
            $0 = error
          }
          return
        }
      }
    }
  }
  if let error = failure.withLock({ $0 }) { throw error }
}

/// Does work on every item of `0..<count`, on several threads, as ``parallelForEach(count:threadCount:batch:isCancelled:context:_:)``.
///
/// - Throws: What `body` throws for the first item that fails.
package func parallelForEach<Failure: Error>(
  count: Int, threadCount: Int, batch: Int = 1, isCancelled: @Sendable () -> Bool = { false },
  _ body: @Sendable (_ index: Int) throws(Failure) -> Void
) throws(Failure) {
  try parallelForEach(
    count: count, threadCount: threadCount, batch: batch, isCancelled: isCancelled, context: {}
  ) { (index, _: Void) throws(Failure) in try body(index) }
}

/// Makes a value of every item of `0..<count`, on several threads.
///
/// - Returns: The values in order of items.
/// - Throws: What `body` throws for the first item that fails.
package func parallelMap<Value: Sendable, Failure: Error>(
  count: Int, threadCount: Int, _ body: @Sendable (_ index: Int) throws(Failure) -> Value
) throws(Failure) -> [Value] {
  let slots = Mutex<[Value?]>(Array(repeating: nil, count: count))
  try parallelForEach(count: count, threadCount: threadCount) { (index) throws(Failure) in
    let value = try body(index)
    slots.withLock { $0[index] = value }
  }
  return slots.withLock { $0 }.compactMap(\.self)
}
