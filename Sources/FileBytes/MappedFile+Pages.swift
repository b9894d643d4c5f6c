internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

extension MappedFile {
  /// Bytes that are read at a time.
  private static let readStep = 4 << 20
  /// The most that the kernel takes of one hint.
  private static let hintStep = 128 << 10

  /// Reads parts of the file into memory, and waits until they are there.
  ///
  /// Several times as fast as touching pages one after the other: the disk works on the next megabytes while pages of
  /// these are mapped.
  ///
  /// - Parameter ranges: Bytes of the file; whole pages around them are read.
  package func readIn(_ ranges: [Range<Int>]) {
    guard let base = bytes.baseAddress else { return }
    let pieces = ranges.flatMap { range in
      let pages = Self.pages(around: range.clamped(to: 0..<bytes.count))
      return stride(from: pages.lowerBound, to: pages.upperBound, by: Self.readStep).map {
        $0..<min($0 + Self.readStep, pages.upperBound)
      }
    }
    // Hints are ahead of what is mapped, across ranges.
    var (hinted, ahead) = (0, 0)
    for piece in pieces {
      while hinted < pieces.count, ahead < piece.count + Self.readStep {
        for start in stride(from: pieces[hinted].lowerBound, to: pieces[hinted].upperBound, by: Self.hintStep)
        {
          let count = min(Self.hintStep, pieces[hinted].upperBound - start)
          madvise(UnsafeMutableRawPointer(mutating: base + start), count, MADV_WILLNEED)
        }
        ahead += pieces[hinted].count
        hinted += 1
      }
      ahead -= piece.count
      guard !Self.map(base + piece.lowerBound, piece.count) else { continue }
      Self.touch(
        UnsafeRawBufferPointer(rebasing: bytes[piece.lowerBound..<min(piece.upperBound, bytes.count)]))
    }
  }

  /// Gives back the memory of the whole pages within a part of the file; they are read again when they are touched.
  package func giveBack(_ range: Range<Int>) {
    guard let base = bytes.baseAddress else { return }
    let pages = Self.pages(within: range.clamped(to: 0..<bytes.count))
    guard !pages.isEmpty else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + pages.lowerBound), pages.count, MADV_DONTNEED)
    #if canImport(Glibc)
      // Out of the page cache, too: what was touched often would push out what was just read.
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      posix_fadvise(descriptor, pages.lowerBound, pages.count, POSIX_FADV_DONTNEED)
      close(descriptor)
    #endif
  }

  /// Maps pages that are in memory or on disk; false where the system cannot.
  private static func map(_ base: UnsafeRawPointer, _ count: Int) -> Bool {
    #if canImport(Glibc)
      let populateRead: Int32 = 22  // MADV_POPULATE_READ, Linux 5.14
      return madvise(UnsafeMutableRawPointer(mutating: base), count, populateRead) == 0
    #else
      return false
    #endif
  }

  /// Takes what is read, so that reading cannot be left out.
  private static let sink = Atomic<UInt8>(0)

  private static func touch(_ bytes: UnsafeRawBufferPointer) {
    var sum: UInt8 = 0
    for offset in stride(from: 0, to: bytes.count, by: pageSize) { sum &+= bytes[offset] }
    sink.store(sum, ordering: .relaxed)
  }

  private static let pageSize = Int(getpagesize())

  private static func pages(around range: Range<Int>) -> Range<Int> {
    let start = range.lowerBound / pageSize * pageSize
    return start..<max(start, (range.upperBound + pageSize - 1) / pageSize * pageSize)
  }

  private static func pages(within range: Range<Int>) -> Range<Int> {
    let start = (range.lowerBound + pageSize - 1) / pageSize * pageSize
    return start..<max(start, range.upperBound / pageSize * pageSize)
  }
}
