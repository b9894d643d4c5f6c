import FileBytes
import Synchronization
import Testing

@Suite struct ParallelForEachTests {
  private struct Failure: Error, Hashable {
    var index: Int
  }

  @Test(arguments: [1, 2, 7], [1, 3, 1000])
  func visitsEveryItemOnce(threads: Int, batch: Int) {
    let visits = Mutex([Int](repeating: 0, count: 100))
    parallelForEach(count: 100, threadCount: threads, batch: batch) { index in
      visits.withLock { $0[index] += 1 }
    }
    #expect(visits.withLock { $0 } == [Int](repeating: 1, count: 100))
    parallelForEach(count: 0, threadCount: threads, batch: batch) { _ in Issue.record("there is no item") }
  }

  /// A later item fails long before an earlier one does, and still the earlier one's error is thrown.
  @Test(arguments: [1, 2, 7], [1, 4])
  func throwsTheFirstFailureInOrderOfItems(threads: Int, batch: Int) {
    let begun = Mutex<Set<Int>>([])
    let error = #expect(throws: Failure.self) {
      try parallelForEach(count: 100_000, threadCount: threads, batch: batch) { index in
        begun.withLock { _ = $0.insert(index) }
        guard index >= 40 else { return }
        if index == 40 {
          let start = ContinuousClock.now
          while ContinuousClock.now - start < .milliseconds(30) {}
        }
        throw Failure(index: index)
      }
    }
    #expect(error == Failure(index: 40))
    #expect(begun.withLock { $0 }.isSuperset(of: 0...40))
    #expect(begun.withLock { $0.count } <= 41 + threads * batch)
  }

  @Test func endsEarlyWhenCancelled() {
    let done = Atomic<Int>(0)
    parallelForEach(
      count: 1000, threadCount: 2, isCancelled: { done.load(ordering: .relaxed) >= 10 }
    ) { _ in
      done.add(1, ordering: .relaxed)
    }
    #expect((10...12).contains(done.load(ordering: .relaxed)))
  }

  @Test func everyThreadHasItsContext() {
    let made = Atomic<Int>(0)
    let sums = Mutex(0)
    parallelForEach(
      count: 64, threadCount: 4,
      context: {
        made.add(1, ordering: .relaxed)
        return ScratchBuffer(byteCount: 8)
      }
    ) { index, scratch in
      scratch.bytes.storeBytes(of: index, as: Int.self)
      sums.withLock { $0 += scratch.bytes.load(as: Int.self) }
    }
    #expect(made.load(ordering: .relaxed) <= 4)
    #expect(sums.withLock { $0 } == 64 * 63 / 2)
  }

  @Test func mapsInOrder() throws {
    #expect(parallelMap(count: 500, threadCount: 3) { $0 * $0 } == (0..<500).map { $0 * $0 })
    #expect(throws: Failure(index: 3)) {
      try parallelMap(count: 500, threadCount: 3) { (index) throws -> Int in
        if index >= 3 { throw Failure(index: index) }
        return index
      }
    }
  }
}
