internal import FileBytes

extension PlanExecutor {
  /// More threads than any machine has cores; keeps products with buffer sizes far from overflow.
  private static let mostThreads = 4096
  /// Source bytes of a tile, if memory allows.
  private static let tileByteCount = 2 << 20

  struct BufferSizes {
    var tile: Int
    var source: Int
    var output: Int
    /// How many compressed files may keep source rows for tiles of their columns.
    var regionCount: Int
    var total: Int
  }

  /// Chooses the tile size that fits the memory limit.
  func bufferSizes(_ work: WorkUnion, _ options: ExecutionOptions) throws -> BufferSizes {
    guard 1...Self.mostThreads ~= options.threadCount else {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(.threads)", expected: "a number from 1 to \(Self.mostThreads)",
          found: "\(options.threadCount)"))
    }
    let longestRow = work.longestRow
    let weightedFormCount = work.weightedFormCount
    let scales = work.keptScaleByteCount
    // Bytes of remote files that wait for their tiles.
    let window = RemoteFiles.windowByteCount(of: work.sourceFiles.map(\.path))
    // A killed run loses the tiles in work, too, and their bytes are fetched again.
    var tile = window > 0 ? min(Self.tileByteCount, window / 4) : Self.tileByteCount
    while true {
      let largest = TileCutter(work, sourceByteLimit: tile).largestTile()
      let perWorker = TileWorker.byteCount(
        source: largest.source, output: largest.output, longestRow: longestRow,
        weightedFormCount: weightedFormCount)
      var total = perWorker * options.threadCount + scales + window
      // As many as can be inflated at a time, if memory allows, and at least one.
      var regionCount = 0
      if largest.region > 0 {
        let fitting = (options.maxMemory - total) / largest.region
        regionCount = max(1, min(fitting, options.threadCount, work.compressedFileCount))
        total += regionCount * largest.region
      }
      if total <= options.maxMemory {
        return BufferSizes(
          tile: tile, source: largest.source, output: largest.output, regionCount: regionCount, total: total)
      }
      guard tile > 1 else {
        throw ConversionError(
          .memoryLimitTooSmall,
          Fault(
            subject: "\(.maxMemory)", expected: "at least \(total) bytes for \(options.threadCount) threads",
            found: "\(options.maxMemory)", remedy: "raise the limit or lower \(.threads)"))
      }
      tile /= 2
    }
  }
}
