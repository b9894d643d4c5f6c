internal import BlockQuantization
internal import FileBytes
internal import Foundation
internal import ZstdStreams

/// Hands tiles to workers, with their source bytes.
///
/// Plain files are read at any offset, in file order so that disks stream.
/// A compressed shard is one stream: its tiles are handed out in the order of
/// their bytes, and popping a tile and inflating its bytes is one step under the
/// lane's lock. Scales of rows are put behind the rows; they come from plain files
/// alone. Source rows whose columns become rows are wanted by many tiles, each
/// with a piece of every row; of a stream they are kept until the last of these
/// tiles has its pieces, of a plain file the system keeps them.
final class TileQueue: Sendable {
  /// The tiles of one compressed file (or of several, whose kept rows share memory), or of all plain files together.
  ///
  /// Unchecked: the variables are touched under `lock` alone.
  private final class Lane: @unchecked Sendable {
    let tiles: [Tile]
    let isStream: Bool
    let lock = NSLock()
    var next = 0
    var stream: (file: Int, reader: ZstdReader)?
    /// The source rows whose columns are being handed out, of the stream's file.
    var kept: (range: Range<Int>, bytes: UnsafeMutableRawBufferPointer)?
    /// Where the source rows end that the system was asked to read for their columns.
    var advised = (file: -1, end: 0)

    init(tiles: [Tile], isStream: Bool) {
      self.tiles = tiles
      self.isStream = isStream
    }

    deinit { kept?.bytes.deallocate() }

    func dropStream() {
      stream = nil
      kept?.bytes.deallocate()
      kept = nil
    }
  }

  private let lanes: [Lane]
  private let paths: [String]
  private let files: [ReadableFile?]
  /// Fetches what the tiles of remote files need; `nil` when all files are of this machine.
  private let fetching: (any ReadAhead)?
  /// How far ahead of the reading position the system is asked to read.
  private static let readAhead = 32 << 20

  /// Sorts `tiles` into lanes and opens the plain files.
  ///
  /// - Parameters:
  ///   - tiles: The work.
  ///   - sourceFiles: The files that it is read from.
  ///   - regionCount: How many compressed files may keep source rows in memory at the same time.
  /// - Throws: `FileError` when a plain file cannot be opened.
  init(tiles: [Tile], sourceFiles: [PlannedSourceFile], regionCount: Int) throws {
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
    var keeping: [[Tile]] = Array(repeating: [], count: max(1, regionCount))
    var keepingFileCount = 0
    for (_, tiles) in streams.sorted(by: { $0.key < $1.key }) {
      let tiles = tiles.sorted(by: inFileOrder)
      if tiles.contains(where: { $0.pieces != nil }) {
        keeping[keepingFileCount % keeping.count] += tiles
        keepingFileCount += 1
      } else {
        lanes.append(Lane(tiles: tiles, isStream: true))
      }
    }
    for tiles in keeping where !tiles.isEmpty { lanes.append(Lane(tiles: tiles, isStream: true)) }
    plain.sort(by: inFileOrder)
    lanes.append(Lane(tiles: plain, isStream: false))
    self.lanes = lanes
    paths = sourceFiles.map(\.path)
    files = try sourceFiles.map { $0.isCompressed ? nil : try ReadableFile(path: $0.path) }
    fetching = Self.fetching(plain, of: files)
  }

  deinit { fetching?.stop() }

  /// Has the bytes of tiles fetched that lie in remote files, a step for each tile.
  private static func fetching(_ tiles: [Tile], of files: [ReadableFile?]) -> (any ReadAhead)? {
    guard let first = files.lazy.compactMap({ $0?.remote }).first else { return nil }
    return first.readAhead(
      tiles.map { tile in
        guard tile.file >= 0 else { return [] }
        var ranges: [RemoteRange] = []
        if let remote = files[tile.file]?.remote {
          let end = tile.sourceOffset + tile.sourceByteCount
          ranges.append(RemoteRange(file: remote, bytes: tile.pieces?.region ?? tile.sourceOffset..<end))
        }
        if let scales = tile.scales, let remote = files[scales.file]?.remote {
          ranges.append(
            RemoteRange(file: remote, bytes: scales.offset..<(scales.offset + scales.byteCount)))
        }
        if let scales = tile.scales, let biases = scales.biases, let remote = files[biases.file]?.remote {
          ranges.append(
            RemoteRange(file: remote, bytes: biases.offset..<(biases.offset + scales.byteCount)))
        }
        return ranges
      })
  }

  /// A tile with its source bytes.
  struct Taken {
    var tile: Tile
    /// The bytes: of the worker's buffer, or where they came to, which is valid until the tile is given back.
    var bytes: UnsafeRawBufferPointer
    /// Its position among the tiles whose bytes are fetched; `nil` for those of streams.
    fileprivate var step: Int?
  }

  /// Takes the next tile, with its source bytes at the front of `buffer` unless they can be used where they are.
  ///
  /// - Returns: The tile, to be given back by ``finished(_:)``; `nil` when nothing is left.
  func next(worker: Int, buffer: UnsafeMutableRawBufferPointer) throws -> Taken? {
    // Workers start at different lanes, so that several compressed shards inflate at the same time.
    for step in 0..<lanes.count {
      let lane = lanes[(worker + step) % lanes.count]
      guard let taken = try take(from: lane, buffer: buffer) else { continue }
      if let scales = taken.tile.scales {
        try files[scales.file]?.read(
          at: scales.offset,
          into: UnsafeMutableRawBufferPointer(
            rebasing: buffer[scales.place..<(scales.place + scales.byteCount)]))
        if let biases = scales.biases {
          try files[biases.file]?.read(
            at: biases.offset,
            into: UnsafeMutableRawBufferPointer(
              rebasing: buffer[scales.biasPlace..<(scales.biasPlace + scales.byteCount)]))
        }
      }
      return taken
    }
    return nil
  }

  /// Says that the bytes of a tile are not needed any more.
  func finished(_ taken: Taken) {
    if let step = taken.step { fetching?.finished(step) }
  }

  /// The next tile of a lane with its bytes.
  private func take(from lane: Lane, buffer: UnsafeMutableRawBufferPointer) throws -> Taken? {
    let own = UnsafeRawBufferPointer(buffer)
    if lane.isStream {
      lane.lock.lock()
      defer { lane.lock.unlock() }
      guard lane.next < lane.tiles.count else {
        lane.dropStream()
        return nil
      }
      let tile = lane.tiles[lane.next]
      lane.next += 1
      try inflate(
        tile, lane: lane, into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<tile.sourceByteCount]))
      return Taken(tile: tile, bytes: own)
    }
    let (tile, step, ahead) = takePlain(from: lane)
    guard let tile else { return nil }
    for range in ahead { files[range.file]?.willNeed(at: range.bytes.lowerBound, count: range.bytes.count) }
    guard tile.file >= 0 else { return Taken(tile: tile, bytes: own, step: step) }
    if let pieces = tile.pieces {
      try readTurned(tile, pieces, into: buffer)
    } else if let borrowed = try borrow(tile, step: step) {
      return Taken(tile: tile, bytes: borrowed, step: step)
    } else {
      try files[tile.file]?.read(
        at: tile.sourceOffset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<tile.sourceByteCount])
      )
    }
    return Taken(tile: tile, bytes: own, step: step)
  }

  /// The bytes of a tile where they were fetched to.
  ///
  /// - Returns: `nil` for files of this machine, and where scales belong behind the bytes or values do not begin as they
  ///   would in a worker's buffer.
  private func borrow(_ tile: Tile, step: Int) throws -> UnsafeRawBufferPointer? {
    guard let fetching, tile.scales == nil, let remote = files[tile.file]?.remote else { return nil }
    let range = tile.sourceOffset..<(tile.sourceOffset + tile.sourceByteCount)
    return try fetching.borrow(
      RemoteRange(file: remote, bytes: range), for: step, alignment: TileWorker.alignment)
  }

  /// Reads pieces of source rows and makes rows of their columns, a few pieces at a time while the cache has them.
  private func readTurned(_ tile: Tile, _ pieces: Tile.Pieces, into buffer: UnsafeMutableRawBufferPointer)
    throws
  {
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<tile.sourceByteCount])
    let pieceCount = tile.sourceByteCount / pieces.byteCount
    let step = Tile.Pieces.countPerTurn(byteCount: pieces.byteCount)
    for first in stride(from: 0, to: pieceCount, by: step) {
      let count = min(step, pieceCount - first)
      let read = UnsafeMutableRawBufferPointer(
        rebasing: buffer[tile.sourceByteCount..<(tile.sourceByteCount + count * pieces.byteCount)])
      try files[tile.file]?.read(
        at: tile.sourceOffset + first * pieces.pitch, pieceByteCount: pieces.byteCount, pitch: pieces.pitch,
        into: read)
      Self.turn(
        UnsafeRawBufferPointer(read), pitch: pieces.byteCount, pieces, first..<(first + count),
        of: pieceCount, into: target)
    }
  }

  /// Writes a range of pieces as columns of the target.
  private static func turn(
    _ bytes: UnsafeRawBufferPointer, pitch: Int, _ pieces: Tile.Pieces, _ range: Range<Int>,
    of pieceCount: Int,
    into target: UnsafeMutableRawBufferPointer
  ) {
    let size = pieces.valueByteCount
    ElementMatrix.transpose(
      elementByteCount: size, bytes, pitch: pitch / size, rows: range.count, columns: pieces.byteCount / size,
      into: UnsafeMutableRawBufferPointer(rebasing: target[(range.lowerBound * size)...]), pitch: pieceCount)
  }

  /// The next tile of plain files, its position, and what will be read soon.
  private func takePlain(from lane: Lane) -> (
    tile: Tile?, step: Int, ahead: [(file: Int, bytes: Range<Int>)]
  ) {
    lane.lock.lock()
    defer { lane.lock.unlock() }
    guard lane.next < lane.tiles.count else { return (nil, 0, []) }
    let step = lane.next
    let tile = lane.tiles[step]
    lane.next += 1
    var ahead: [(file: Int, bytes: Range<Int>)] = []
    func advise(_ tile: Tile, isNext: Bool) {
      guard let pieces = tile.pieces else {
        // What is read front to back from here on, the system reads ahead on its own.
        if !isNext {
          ahead.append((tile.file, tile.sourceOffset..<(tile.sourceOffset + tile.sourceByteCount)))
        }
        return
      }
      // Small pieces look like random access; their rows are wanted as a whole, once for all tiles.
      guard (lane.advised.file, lane.advised.end) < (tile.file, pieces.region.upperBound) else { return }
      lane.advised = (tile.file, pieces.region.upperBound)
      ahead.append((tile.file, pieces.region))
    }
    advise(tile, isNext: true)
    let distance = lane.next + max(1, Self.readAhead / max(tile.sourceByteCount, 1 << 16))
    if distance < lane.tiles.count, lane.tiles[distance].file >= 0 {
      advise(lane.tiles[distance], isNext: false)
    }
    return (tile, step, ahead)
  }

  private func inflate(_ tile: Tile, lane: Lane, into target: UnsafeMutableRawBufferPointer) throws {
    guard let pieces = tile.pieces else {
      return try inflate(tile.file, at: tile.sourceOffset, lane: lane, into: target)
    }
    let bytes = try keep(pieces.region, of: tile.file, lane: lane)
    let pieceCount = target.count / pieces.byteCount
    Self.turn(
      UnsafeRawBufferPointer(rebasing: bytes[(tile.sourceOffset - pieces.region.lowerBound)...]),
      pitch: pieces.pitch, pieces, 0..<pieceCount, of: pieceCount, into: target)
  }

  /// The inflated bytes of a range, which stay until the lane keeps another one.
  private func keep(_ range: Range<Int>, of file: Int, lane: Lane) throws -> UnsafeMutableRawBufferPointer {
    if let kept = lane.kept, kept.range == range, lane.stream?.file == file { return kept.bytes }
    var bytes = lane.kept?.bytes
    lane.kept = nil
    if bytes?.count != range.count {
      bytes?.deallocate()
      bytes = .allocate(byteCount: range.count, alignment: 64)
    }
    let buffer = bytes ?? .allocate(byteCount: range.count, alignment: 64)
    do {
      try inflate(file, at: range.lowerBound, lane: lane, into: buffer)
    } catch {
      buffer.deallocate()
      throw error
    }
    lane.kept = (range, buffer)
    return buffer
  }

  private func inflate(
    _ file: Int, at offset: Int, lane: Lane, into target: UnsafeMutableRawBufferPointer
  ) throws {
    let reader: ZstdReader
    if let stream = lane.stream, stream.file == file, stream.reader.position <= offset {
      reader = stream.reader
    } else {
      // Two output tensors that share source bytes (a tied copy) make a second pass over the stream.
      reader = try ZstdReader(path: paths[file])
      lane.stream = (file, reader)
    }
    try reader.skip(offset - reader.position)
    let got = try reader.readFully(into: target)
    guard got == target.count else {
      throw FileError(
        .truncated,
        Fault(
          file: paths[file], expected: "\(target.count) inflated bytes at \(offset)",
          found: "the end of the stream after \(got)", remedy: "the shard is incomplete; fetch it again"))
    }
  }
}
