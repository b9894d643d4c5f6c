internal import FileBytes
internal import Foundation
internal import ZstdStreams

/// Hands tiles to workers, with their source bytes.
///
/// Plain files are read at any offset, in file order so that disks stream.
/// A compressed shard is one stream: its tiles are handed out in the order of
/// their bytes, and popping a tile and inflating its bytes is one step under the
/// lane's lock.
final class TileQueue: Sendable {
  /// The tiles of one compressed file, or of all plain files together.
  ///
  /// Unchecked: `next` and `stream` are touched under `lock` alone.
  private final class Lane: @unchecked Sendable {
    let tiles: [Tile]
    let path: String
    let isStream: Bool
    let lock = NSLock()
    var next = 0
    var stream: ZstdReader?

    init(tiles: [Tile], path: String, isStream: Bool) {
      self.tiles = tiles
      self.path = path
      self.isStream = isStream
    }
  }

  private let lanes: [Lane]
  private let files: [ReadableFile?]
  /// How far ahead of the reading position the system is asked to read.
  private static let readAhead = 32 << 20

  /// Sorts `tiles` into lanes and opens the plain files.
  init(tiles: [Tile], sourceFiles: [PlannedSourceFile]) throws {
    var plain: [Tile] = []
    var streams: [Int: [Tile]] = [:]
    for tile in tiles {
      if tile.file >= 0, sourceFiles[tile.file].isCompressed {
        streams[tile.file, default: []].append(tile)
      } else {
        plain.append(tile)
      }
    }
    func inFileOrder(_ a: Tile, _ b: Tile) -> Bool { (a.file, a.sourceOffset) < (b.file, b.sourceOffset) }
    var lanes: [Lane] = []
    for (file, tiles) in streams.sorted(by: { $0.key < $1.key }) {
      lanes.append(Lane(tiles: tiles.sorted(by: inFileOrder), path: sourceFiles[file].path, isStream: true))
    }
    lanes.append(Lane(tiles: plain.sorted(by: inFileOrder), path: "", isStream: false))
    self.lanes = lanes
    files = try sourceFiles.map { $0.isCompressed ? nil : try ReadableFile(path: $0.path) }
  }

  /// Takes the next tile and fills the front of `buffer` with its source bytes.
  ///
  /// - Returns: `nil` when nothing is left.
  func next(worker: Int, buffer: UnsafeMutableRawBufferPointer) throws -> Tile? {
    // Workers start at different lanes, so that several compressed shards inflate at the same time.
    for step in 0..<lanes.count {
      let lane = lanes[(worker + step) % lanes.count]
      if let tile = try take(from: lane, buffer: buffer) { return tile }
    }
    return nil
  }

  private func take(from lane: Lane, buffer: UnsafeMutableRawBufferPointer) throws -> Tile? {
    if lane.isStream {
      lane.lock.lock()
      defer { lane.lock.unlock() }
      guard lane.next < lane.tiles.count else {
        lane.stream = nil
        return nil
      }
      let tile = lane.tiles[lane.next]
      lane.next += 1
      try Self.inflate(tile, lane: lane, into: buffer)
      return tile
    }
    let (tile, ahead) = takePlain(from: lane)
    guard let tile else { return nil }
    if let ahead, ahead.file >= 0 {
      files[ahead.file]?.willNeed(at: ahead.sourceOffset, count: ahead.sourceByteCount)
    }
    if tile.file >= 0 {
      try files[tile.file]?.read(
        at: tile.sourceOffset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<tile.sourceByteCount])
      )
    }
    return tile
  }

  private func takePlain(from lane: Lane) -> (tile: Tile?, ahead: Tile?) {
    lane.lock.lock()
    defer { lane.lock.unlock() }
    guard lane.next < lane.tiles.count else { return (nil, nil) }
    let tile = lane.tiles[lane.next]
    lane.next += 1
    let ahead = lane.next + max(1, Self.readAhead / max(tile.sourceByteCount, 1 << 16))
    return (tile, ahead < lane.tiles.count ? lane.tiles[ahead] : nil)
  }

  private static func inflate(_ tile: Tile, lane: Lane, into buffer: UnsafeMutableRawBufferPointer) throws {
    var reader = lane.stream
    if reader == nil || tile.sourceOffset < reader?.position ?? 0 {
      // Two output tensors that share source bytes (a tied copy) make a second pass over the stream.
      reader = try ZstdReader(path: lane.path)
      lane.stream = reader
    }
    guard let reader else { return }
    try reader.skip(tile.sourceOffset - reader.position)
    let got = try reader.readFully(
      into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<tile.sourceByteCount]))
    guard got == tile.sourceByteCount else {
      throw FileError(
        .truncated,
        Fault(
          file: lane.path, expected: "\(tile.sourceByteCount) inflated bytes at \(tile.sourceOffset)",
          found: "the end of the stream after \(got)", remedy: "the shard is incomplete; fetch it again"))
    }
  }
}
