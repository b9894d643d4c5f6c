/// A binary heap of candidate merges; the first is the one to do next.
struct MergeQueue<Priority: Comparable> {
  /// A candidate: two neighbouring symbols at the time it was found.
  struct Candidate {
    var priority: Priority
    /// The position of the left symbol; among equal priorities the leftmost is first.
    var left: Int32
    var right: Int32
    /// The symbols, or their lengths, at the time; when they have changed, the candidate is stale.
    var leftState: Int32
    var rightState: Int32
    var result: Int32

    @inline(__always)
    func comes(before other: Candidate) -> Bool {
      priority < other.priority || (priority == other.priority && left < other.left)
    }
  }

  private var heap: [Candidate] = []

  mutating func reserveCapacity(_ count: Int) { heap.reserveCapacity(count) }

  mutating func push(_ candidate: Candidate) {
    heap.append(candidate)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard candidate.comes(before: heap[parent]) else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = candidate
  }

  mutating func pop() -> Candidate? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if heap.isEmpty { return first }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].comes(before: heap[child]) { child += 1 }
      guard heap[child].comes(before: last) else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
    return first
  }
}
