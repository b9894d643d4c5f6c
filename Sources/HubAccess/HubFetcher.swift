internal import FileBytes
internal import Foundation
internal import Synchronization

/// Reads ranges of the files of one model, over several connections where it is known what comes next.
final class HubFetcher: Sendable {
  /// Bytes that are fetched ahead of their readers at most.
  let windowByteCount: Int
  /// Bytes of one request at most.
  let segmentByteCount: Int
  private let connectionCount: Int
  private let schedules = Mutex<[HubSchedule]>([])

  /// Chooses sizes.
  ///
  /// What waits in the window is lost when the process is killed, and fetched again; so the window grows with the model,
  /// and what a kill costs stays near a thousandth of it.
  ///
  /// - Parameters:
  ///   - totalByteCount: Bytes of all weights.
  ///   - connectionCount: Connections that are open at the same time.
  init(totalByteCount: Int, connectionCount: Int) {
    windowByteCount = min(max(totalByteCount / 1024, 4 << 20), 128 << 20)
    segmentByteCount = min(max(windowByteCount / 8, 1 << 20), 8 << 20)
    self.connectionCount = connectionCount
  }

  /// Has ranges fetched in order.
  func schedule(_ steps: [[RemoteRange]]) -> HubSchedule {
    let plan = SegmentPlan(steps, segmentByteCount: segmentByteCount)
    let schedule = HubSchedule(plan, windowByteCount: windowByteCount) { [weak self] schedule in
      self?.schedules.withLock { $0.removeAll { $0 === schedule } }
    }
    schedules.withLock { $0.append(schedule) }
    schedule.start(threadCount: connectionCount)
    return schedule
  }

  /// Fills `buffer`, from what was fetched ahead where that has it.
  func read(_ file: HubFile, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    let active = schedules.withLock(\.self)
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      var got = 0
      for schedule in active where got == 0 { got = try schedule.read(file, at: offset + done, into: rest) }
      guard got > 0 else { return try file.fetch(at: offset + done, into: rest) }
      done += got
    }
  }
}

/// Ranges cut and joined to requests.
struct SegmentPlan {
  /// What one request fetches.
  struct Segment {
    var file: HubFile
    var bytes: Range<Int>
    /// Steps that read it.
    var userCount: Int
    /// The last of them.
    var lastStep: Int
  }

  private(set) var segments: [Segment] = []
  /// The segments of each file, by their first bytes.
  private(set) var order: [ObjectIdentifier: [Int]] = [:]
  /// The segments of step `i` are `users[starts[i]..<starts[i + 1]]`.
  private(set) var starts: [Int] = [0]
  private(set) var users: [Int] = []
  /// Bytes of the step that wants most.
  private(set) var largestStep = 0

  private let segmentByteCount: Int
  /// Gaps that are fetched along rather than cut out.
  private static let gapByteCount = 4096
  /// Segments are shared by steps at most this far apart: what is shared stays in memory in between.
  private static let sharingDistance = 256

  init(_ steps: [[RemoteRange]], segmentByteCount: Int) {
    self.segmentByteCount = segmentByteCount
    for (step, ranges) in steps.enumerated() {
      for range in ranges {
        guard let file = range.file as? HubFile else { continue }
        add(max(range.bytes.lowerBound, file.headByteCount), range.bytes.upperBound, of: file, step: step)
      }
      starts.append(users.count)
      largestStep = max(largestStep, ranges.reduce(0) { $0 + $1.bytes.count })
    }
  }

  private mutating func add(_ start: Int, _ end: Int, of file: HubFile, step: Int) {
    var start = start
    while start < end {
      let ids = order[ObjectIdentifier(file)] ?? []
      let next = ids.partitioningIndex { segments[$0].bytes.lowerBound > start }
      let limit = next < ids.count ? segments[ids[next]].bytes.lowerBound : Int.max
      if next > 0, case let id = ids[next - 1], case let last = segments[id],
        last.lastStep + Self.sharingDistance >= step
      {
        if last.bytes.contains(start) {
          use(id, step)
          start = min(end, last.bytes.upperBound)
          continue
        }
        // Only whole ranges are added, so that each lies in one piece and can be borrowed.
        if start - last.bytes.upperBound <= Self.gapByteCount, last.lastStep <= step, end <= limit,
          end - last.bytes.lowerBound <= segmentByteCount
        {
          segments[id].bytes = last.bytes.lowerBound..<end
          use(id, step)
          start = end
          continue
        }
      }
      let stop = min(end, limit, start + segmentByteCount)
      segments.append(Segment(file: file, bytes: start..<stop, userCount: 0, lastStep: step))
      order[ObjectIdentifier(file), default: []].insert(segments.count - 1, at: next)
      use(segments.count - 1, step)
      start = stop
    }
  }

  private mutating func use(_ id: Int, _ step: Int) {
    guard !users[starts[step]...].contains(id) else { return }
    users.append(id)
    segments[id].userCount += 1
    segments[id].lastStep = step
  }
}

extension Array {
  /// The first index whose element fulfils a condition that all later ones fulfil, too.
  func partitioningIndex(where isBeyond: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isBeyond(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
