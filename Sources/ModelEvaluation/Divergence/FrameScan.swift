internal import FileBytes

/// Walks over the frames of a zstd file by their block headers alone (RFC 8878, section 3.1.1), so that a file that
/// ends too early is noticed before hours of work and without decompressing it.
struct FrameScan {
  struct Frame: Hashable {
    var offset: Int
    var byteCount: Int
    /// The size after decompression, if the header tells.
    var contentSize: UInt64?
  }

  private let file: ReadableFile
  private var offset = 0

  init(_ file: ReadableFile) { self.file = file }

  /// All frames; `nil` when the file ends inside one or holds something else.
  static func frames(_ file: ReadableFile, limit: Int) throws -> [Frame]? {
    var scan = FrameScan(file)
    var frames: [Frame] = []
    while scan.offset < file.byteCount, frames.count <= limit {
      guard let frame = try scan.next() else { return nil }
      frames.append(frame)
    }
    return frames
  }

  private mutating func take(_ count: Int) throws -> UInt64? {
    guard count <= file.byteCount - offset else { return nil }
    let bytes = try file.bytes(at: offset, count: count)
    offset += count
    return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func next() throws -> Frame? {
    let start = offset
    guard try take(4) == 0xFD2F_B528, let descriptor = try take(1) else { return nil }
    let isSingleSegment = descriptor & 0x20 != 0
    guard try take((isSingleSegment ? 0 : 1) + [0, 1, 2, 4][Int(descriptor & 3)]) != nil else { return nil }
    let sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    guard let size = try take(sizeBytes) else { return nil }
    var isLast = false
    while !isLast {
      guard let header = try take(3), header >> 1 & 3 != 3 else { return nil }
      isLast = header & 1 == 1
      // A block of one repeated byte stores that byte alone.
      let stored = header >> 1 & 3 == 1 ? 1 : Int(header >> 3)
      guard stored <= file.byteCount - offset else { return nil }
      offset += stored
    }
    if descriptor & 4 != 0 {
      guard try take(4) != nil else { return nil }
    }
    return Frame(
      offset: start, byteCount: offset - start,
      contentSize: sizeBytes == 0 ? nil : sizeBytes == 2 ? size + 256 : size)
  }
}
