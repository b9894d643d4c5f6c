internal import CQuantKernels
internal import Dispatch
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Threads that wait for short parallel regions.
///
/// A forward pass runs through hundreds of regions per token, so entering one must cost a few microseconds:
/// workers spin for a moment after each region and are parked only when no other follows. Items are handed
/// out by an atomic counter; which thread runs which item is not determined, so items must not depend on
/// each other's results or order.
package final class WorkerPool: Sendable {
  /// The number of threads that work on a region, the caller included.
  package let threadCount: Int
  private let state = PoolState()
  private let threads: [WorkerThread]

  /// Starts `threadCount - 1` workers.
  ///
  /// - Parameter threadCount: At least 1. When the system refuses a thread, the pool works with fewer.
  package init(threadCount: Int) {
    precondition(threadCount >= 1, "a pool has at least the calling thread")
    self.threadCount = threadCount
    let state = self.state
    threads = (1..<max(threadCount, 1)).compactMap { _ in WorkerThread { state.serve() } }
  }

  deinit {
    state.stop()
    for thread in threads { thread.join() }
  }

  /// Calls `body` once for each of `0..<count`, on the caller and the workers, and returns when all are done.
  ///
  /// Calls from inside a body, or from a second thread while a region runs, are carried out by their caller
  /// alone.
  package func run(count: Int, _ body: @Sendable (_ item: Int) -> Void) {
    if threads.isEmpty || count <= 1 || !state.begin() {
      for item in 0..<max(count, 0) { body(item) }
      return
    }
    withoutActuallyEscaping(body) { state.finish(count: count, body: $0) }
  }
}

/// What the caller and the workers share.
private final class PoolState: @unchecked Sendable {
  /// How long a worker looks for the next region before it parks: regions of one token follow each other closer.
  private static let spinNanoseconds: UInt64 = 70_000
  /// How often it looks before it asks for the time: how long a pause takes differs between processors a hundredfold.
  private static let looksPerClock = 64

  /// Counts regions; a change tells workers to look.
  private let generation = Atomic<Int>(0)
  /// 1 while workers may enter the current region.
  private let open = Atomic<Int>(0)
  /// Workers inside the current region.
  private let active = Atomic<Int>(0)
  /// The next item to hand out.
  private let next = Atomic<Int>(0)
  private let parked = Atomic<Int>(0)
  private let busy = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)

  // Written only while the region is closed and no worker is active; read only by active workers.
  private var count = 0
  private var body: (@Sendable (Int) -> Void)?

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Claims the pool for one region; false when it is taken.
  func begin() -> Bool {
    busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  /// Runs a region after ``begin()``.
  func finish(count: Int, body: @escaping @Sendable (Int) -> Void) {
    self.count = count
    self.body = body
    next.store(0, ordering: .relaxed)
    open.store(1, ordering: .sequentiallyConsistent)
    generation.add(1, ordering: .sequentiallyConsistent)
    if parked.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
    work(count, body)
    // A worker that enters from now on finds the region closed; one that entered before is counted in `active`.
    open.store(0, ordering: .sequentiallyConsistent)
    var spins = 0
    while active.load(ordering: .sequentiallyConsistent) != 0 {
      spins += 1
      if spins % 4096 == 0 { sched_yield() } else { cdk_pause() }
    }
    self.body = nil
    busy.store(false, ordering: .releasing)
  }

  /// The life of a worker.
  func serve() {
    var seen = 0
    while true {
      seen = waitForChange(from: seen)
      if stopping.load(ordering: .acquiring) { return }
      active.add(1, ordering: .sequentiallyConsistent)
      if open.load(ordering: .sequentiallyConsistent) == 1, let body { work(count, body) }
      active.subtract(1, ordering: .sequentiallyConsistent)
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    generation.add(1, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  private func work(_ count: Int, _ body: @Sendable (Int) -> Void) {
    while true {
      let item = next.add(1, ordering: .relaxed).oldValue
      if item >= count { return }
      body(item)
    }
  }

  private func waitForChange(from seen: Int) -> Int {
    let end = DispatchTime.now().uptimeNanoseconds + Self.spinNanoseconds
    repeat {
      for _ in 0..<Self.looksPerClock {
        let now = generation.load(ordering: .acquiring)
        if now != seen { return now }
        cdk_pause()
      }
    } while DispatchTime.now().uptimeNanoseconds < end
    pthread_mutex_lock(mutex)
    parked.add(1, ordering: .sequentiallyConsistent)
    var now = generation.load(ordering: .sequentiallyConsistent)
    while now == seen {
      pthread_cond_wait(condition, mutex)
      now = generation.load(ordering: .sequentiallyConsistent)
    }
    parked.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
    return now
  }

  private func wakeAll() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}

/// A system thread that runs one closure.
private final class WorkerThread: @unchecked Sendable {
  private let thread: pthread_t

  private final class Task {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init?(_ run: @escaping @Sendable () -> Void) {
    let task = Unmanaged.passRetained(Task(run))
    #if canImport(Darwin)
      var id: pthread_t?
      let status = pthread_create(
        &id, nil,
        {
          Unmanaged<Task>.fromOpaque($0).takeRetainedValue().run()
          return nil
        }, task.toOpaque())
      guard status == 0, let id else {
        task.release()
        return nil
      }
      thread = id
    #else
      var id = pthread_t()
      let status = pthread_create(
        &id, nil,
        {
          if let argument = $0 { Unmanaged<Task>.fromOpaque(argument).takeRetainedValue().run() }
          return nil
        }, task.toOpaque())
      guard status == 0 else {
        task.release()
        return nil
      }
      thread = id
    #endif
  }

  func join() { pthread_join(thread, nil) }
}
