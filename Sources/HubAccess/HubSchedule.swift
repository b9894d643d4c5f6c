internal import FileBytes
internal import Foundation

/// Segments on their way: threads fetch them in order, as far ahead of the readers as the window allows.
///
/// Unchecked: the variables are touched under `condition` alone; a segment's bytes are written by the one thread that
/// fetches it, and read when that is done.
final class HubSchedule: ReadAhead, @unchecked Sendable {
  private enum State {
    case waiting
    case fetching
    case loaded(UnsafeMutableRawBufferPointer)
    case failed(any Error)
    case dropped
  }

  private let plan: SegmentPlan
  private let limit: Int
  private let onStop: @Sendable (HubSchedule) -> Void
  private let condition = NSCondition()
  private var states: [State]
  private var userCounts: [Int]
  /// The first segment that nobody has begun to fetch.
  private var next = 0
  /// Segments that readers wait for, which are fetched first and whatever the window holds.
  private var awaited: [Int] = []
  /// Bytes in memory, or being fetched, without those that are borrowed.
  private var heldByteCount = 0
  /// Bytes that steps have borrowed; they take the place of the buffer that these would read into.
  private var borrowedByteCounts: [Int: Int] = [:]
  private var isStopped = false
  /// What went wrong first.
  private var failure: (any Error)?

  init(
    _ plan: SegmentPlan, windowByteCount: Int, onStop: @escaping @Sendable (HubSchedule) -> Void
  ) {
    self.plan = plan
    // Where one step wants more than the window, all of that has to be there at the same time.
    limit = plan.largestStep > windowByteCount / 2 ? windowByteCount + plan.largestStep : windowByteCount
    self.onStop = onStop
    states = Array(repeating: .waiting, count: plan.segments.count)
    userCounts = plan.segments.map(\.userCount)
  }

  deinit {
    for state in states { if case .loaded(let bytes) = state { bytes.deallocate() } }
  }

  func start(threadCount: Int) {
    for _ in 0..<min(threadCount, plan.segments.count) {
      let thread = Thread { self.fetchAll() }
      thread.name = "pouch-fetch"
      thread.start()
    }
  }

  /// Copies bytes from the segment that holds `offset`, after waiting for it.
  ///
  /// - Returns: How many; 0 when no segment holds them.
  /// - Throws: What went wrong with the segment.
  func read(_ file: HubFile, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard let id = segment(of: file, at: offset) else { return 0 }
    condition.lock()
    defer { condition.unlock() }
    guard let bytes = try loaded(id) else { return 0 }
    let start = offset - plan.segments[id].bytes.lowerBound
    let count = min(buffer.count, bytes.count - start)
    // The step that reads has not finished: nobody frees the bytes while the lock is open.
    condition.unlock()
    UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count]).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
    condition.lock()
    return count
  }

  func borrow(_ range: RemoteRange, for step: Int, alignment: Int) throws -> UnsafeRawBufferPointer? {
    guard let file = range.file as? HubFile, let id = segment(of: file, at: range.bytes.lowerBound),
      case let whole = plan.segments[id].bytes, range.bytes.upperBound <= whole.upperBound
    else { return nil }
    return try condition.withLock {
      guard let bytes = try loaded(id) else { return nil }
      let start = range.bytes.lowerBound - whole.lowerBound
      guard let first = bytes.baseAddress, Int(bitPattern: first + start) % alignment == 0 else { return nil }
      borrowedByteCounts[step, default: 0] += range.bytes.count
      heldByteCount -= range.bytes.count
      condition.broadcast()
      return UnsafeRawBufferPointer(rebasing: bytes[start..<(start + range.bytes.count)])
    }
  }

  /// The segment that holds a byte of a file.
  private func segment(of file: HubFile, at offset: Int) -> Int? {
    guard let ids = plan.order[ObjectIdentifier(file)] else { return nil }
    let after = ids.partitioningIndex { plan.segments[$0].bytes.lowerBound > offset }
    guard after > 0, case let id = ids[after - 1], plan.segments[id].bytes.contains(offset) else {
      return nil
    }
    return id
  }

  /// The bytes of a segment, after waiting for them.
  ///
  /// Called under the lock; `nil` when they will not come this way.
  private func loaded(_ id: Int) throws -> UnsafeMutableRawBufferPointer? {
    while true {
      switch states[id] {
      case .loaded(let bytes): return bytes
      case .failed(let error): throw error
      case .dropped: return nil
      case .waiting where isStopped:
        if let failure { throw failure }
        return nil
      case .waiting:
        if !awaited.contains(id) {
          awaited.append(id)
          condition.broadcast()
        }
        condition.wait()
      case .fetching: condition.wait()
      }
    }
  }

  func finished(_ step: Int) {
    condition.withLock {
      let before = heldByteCount
      heldByteCount += borrowedByteCounts.removeValue(forKey: step) ?? 0
      for id in plan.users[plan.starts[step]..<plan.starts[step + 1]] {
        userCounts[id] -= 1
        if userCounts[id] == 0 { drop(id) }
      }
      if heldByteCount != before { condition.broadcast() }
    }
  }

  func stop() {
    condition.withLock {
      isStopped = true
      for id in states.indices { drop(id) }
      condition.broadcast()
    }
    onStop(self)
  }

  /// Frees a segment; one that is being fetched is freed by its thread.
  private func drop(_ id: Int) {
    switch states[id] {
    case .loaded(let bytes):
      bytes.deallocate()
      heldByteCount -= bytes.count
      states[id] = .dropped
    case .waiting: states[id] = .dropped
    case .fetching, .failed, .dropped: break
    }
  }

  /// The next segment to be fetched; `nil` when there is no more.
  private func begin() -> Int? {
    condition.withLock {
      while !isStopped {
        if let id = awaited.popLast() {
          guard case .waiting = states[id] else { continue }
          return begin(id)
        }
        while next < states.count {
          if case .waiting = states[next] { break }
          next += 1
        }
        guard next < states.count else { return nil }
        let byteCount = plan.segments[next].bytes.count
        if heldByteCount == 0 || heldByteCount + byteCount <= limit { return begin(next) }
        condition.wait()
      }
      return nil
    }
  }

  private func begin(_ id: Int) -> Int {
    states[id] = .fetching
    heldByteCount += plan.segments[id].bytes.count
    return id
  }

  private func fetchAll() {
    while let id = begin() {
      let segment = plan.segments[id]
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: segment.bytes.count, alignment: 64)
      let result = Result { try segment.file.fetch(at: segment.bytes.lowerBound, into: bytes) }
      condition.withLock {
        switch result {
        case .success where !isStopped && userCounts[id] > 0: states[id] = .loaded(bytes)
        case .success:
          bytes.deallocate()
          heldByteCount -= segment.bytes.count
          states[id] = .dropped
        case .failure(let error):
          bytes.deallocate()
          heldByteCount -= segment.bytes.count
          states[id] = .failed(error)
          // Nothing after a failure is of use to anybody.
          if failure == nil { failure = error }
          isStopped = true
        }
        condition.broadcast()
      }
    }
  }
}
