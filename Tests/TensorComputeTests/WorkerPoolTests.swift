import Synchronization
import TensorCompute
import Testing

@Suite("Worker pool")
struct WorkerPoolTests {
  @Test("Every item runs exactly once, region after region", arguments: [1, 2, 3, 8])
  func everyItemOnce(threads: Int) {
    let pool = WorkerPool(threadCount: threads)
    for region in 0..<2000 {
      let count = region % 13
      let hits = (0..<count).map { _ in Counter() }
      pool.run(count: count) { hits[$0].value.add(1, ordering: .relaxed) }
      #expect(hits.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
    }
  }

  @Test("A region inside a region runs to its end")
  func nested() {
    let pool = WorkerPool(threadCount: 3)
    let total = Counter()
    pool.run(count: 10) { _ in
      pool.run(count: 10) { _ in total.value.add(1, ordering: .relaxed) }
    }
    #expect(total.value.load(ordering: .relaxed) == 100)
  }

  @Test("Workers that were parked come back")
  func parked() async throws {
    let pool = WorkerPool(threadCount: 2)
    let total = Counter()
    for _ in 0..<5 {
      try await Task.sleep(for: .milliseconds(20))
      pool.run(count: 100) { total.value.add($0, ordering: .relaxed) }
    }
    #expect(total.value.load(ordering: .relaxed) == 5 * 4950)
  }

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }
}
