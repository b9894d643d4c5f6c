internal import Dispatch
internal import Synchronization
internal import TensorCompute

/// Makes the weights of the next layer ready while the current one computes, and gives back those of the last one.
final class LayerLoader: Sendable {
  private let store: any TensorStore
  /// Whether weights are given back at all.
  private let givesBack: Bool
  private let queue = DispatchQueue(label: "pouch.layer-loader")
  private let pending = DispatchGroup()
  private let failure = Mutex<(any Error)?>(nil)
  private let nanoseconds = Atomic<UInt64>(0)
  private let byteCount = Atomic<Int>(0)

  init(_ store: any TensorStore, givesBack: Bool) {
    self.store = store
    self.givesBack = givesBack
  }

  /// Seconds that loading has taken so far, on its own thread, and bytes of files that were loaded.
  var total: (seconds: Double, byteCount: Int) {
    (Double(nanoseconds.load(ordering: .relaxed)) / 1e9, byteCount.load(ordering: .relaxed))
  }

  /// Starts to make weights ready.
  func start(_ weights: [WeightMatrix]) {
    queue.async(group: pending) {
      do {
        try self.loadNow(weights)
      } catch {
        self.failure.withLock { $0 = error }
      }
    }
  }

  /// Makes weights ready beside what was started, and returns when they are.
  ///
  /// - Throws: What goes wrong with it.
  func loadNow(_ weights: [WeightMatrix]) throws {
    let start = DispatchTime.now().uptimeNanoseconds
    defer { nanoseconds.add(DispatchTime.now().uptimeNanoseconds - start, ordering: .relaxed) }
    try store.load(weights, readsPages: true)
    byteCount.add(store.footprint(of: weights).readByteCount, ordering: .relaxed)
  }

  /// Waits until everything that was started is ready.
  ///
  /// - Throws: What went wrong with it.
  func wait() throws {
    pending.wait()
    let error = failure.withLock { failure in
      defer { failure = nil }
      return failure
    }
    if let error { throw error }
  }

  /// Makes weights ready of which few rows are read, and waits.
  ///
  /// - Throws: What goes wrong with it.
  func loadRows(_ weights: [WeightMatrix]) throws { try store.load(weights, readsPages: false) }

  /// Gives weights back that will not be used for a while.
  func release(_ weights: [WeightMatrix]) {
    if givesBack { store.release(weights) }
  }
}
