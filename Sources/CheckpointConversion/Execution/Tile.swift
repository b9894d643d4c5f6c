internal import TensorTypes

/// A piece of work: consecutive rows of one output tensor, made from one contiguous range of one source file.
struct Tile: Sendable {
  /// The index of the output tensor.
  var tensor: Int
  /// The run of the tensor's feed, -1 for computed values.
  var run: Int
  /// The first output row.
  var firstRow: Int
  /// The number of output rows.
  var rowCount: Int
  /// The offset of the first of these rows inside the run.
  var offsetInRun: Int
  /// The source row that the bytes start with.
  var firstSourceRow: Int
  /// The source file, -1 for computed values.
  var file: Int
  /// Where the bytes start in the source file.
  var sourceOffset: Int
  /// How many bytes are read.
  var sourceByteCount: Int
}

/// Cuts a plan into tiles.
///
/// Tiles depend on the plan and on a byte limit alone. Where the cuts fall has no
/// influence on the output, since rows are independent of each other.
struct TileCutter {
  let plan: ConversionPlan
  /// The most source bytes that a tile should read; a single row (or head of rows) may exceed it.
  let sourceByteLimit: Int

  /// Cuts rows `rows` of tensor `index`.
  func cut(tensor index: Int, rows: Range<Int>) -> [Tile] {
    let tensor = plan.tensors[index]
    guard !rows.isEmpty else { return [] }
    switch tensor.content {
    case .values:
      return [
        Tile(
          tensor: index, run: -1, firstRow: rows.lowerBound, rowCount: rows.count,
          offsetInRun: rows.lowerBound,
          firstSourceRow: rows.lowerBound, file: -1, sourceOffset: 0, sourceByteCount: 0)
      ]
    case .feed(let feed):
      var tiles: [Tile] = []
      var runStart = 0
      for (runIndex, run) in feed.runs.enumerated() {
        let runRows = runStart..<(runStart + run.rowCount)
        let wanted = runRows.clamped(to: rows)
        if !wanted.isEmpty {
          cut(tensor: index, run: run, runIndex: runIndex, runStart: runStart, wanted: wanted, into: &tiles)
        }
        runStart = runRows.upperBound
        if runStart >= rows.upperBound { break }
      }
      return tiles
    }
  }

  private func cut(
    tensor index: Int, run: RowRun, runIndex: Int, runStart: Int, wanted: Range<Int>, into tiles: inout [Tile]
  ) {
    let tensor = plan.tensors[index]
    let source = plan.sources[run.source]
    let rowBytes = source.encoding.byteCount(ofElements: tensor.rowLength)
    // Rows of a permuted head are read together, so that a tile's source bytes stay contiguous.
    let group: Int
    if case .pairHalves(let headDim) = run.order { group = headDim } else { group = 1 }
    let groupsPerTile = max(1, sourceByteLimit / max(1, rowBytes * group))
    let rowsPerTile = groupsPerTile * group
    var offset = wanted.lowerBound - runStart
    let end = wanted.upperBound - runStart
    let matrixRows = tensor.rowsPerLossMatrix
    while offset < end {
      // Tile borders are multiples of the tile size within the run, and the ends of matrices.
      let matrixEnd = ((runStart + offset) / matrixRows + 1) * matrixRows - runStart
      let stop = min(end, (offset / rowsPerTile + 1) * rowsPerTile, matrixEnd)
      let firstGroup = offset / group * group
      let lastGroup = (stop + group - 1) / group * group
      tiles.append(
        Tile(
          tensor: index, run: runIndex, firstRow: runStart + offset, rowCount: stop - offset,
          offsetInRun: offset,
          firstSourceRow: run.firstRow + firstGroup, file: source.file,
          sourceOffset: source.offset + (run.firstRow + firstGroup) * rowBytes,
          sourceByteCount: (lastGroup - firstGroup) * rowBytes))
      offset = stop
    }
  }

  /// The most source and output bytes that any single tile of the plan needs.
  func largestTile() -> (source: Int, output: Int) {
    var largest = (source: 0, output: 0)
    for tensor in plan.tensors {
      guard case .feed(let feed) = tensor.content else {
        largest.output = max(largest.output, tensor.byteCount)
        continue
      }
      for run in feed.runs {
        let rowBytes = plan.sources[run.source].encoding.byteCount(ofElements: tensor.rowLength)
        let group: Int
        if case .pairHalves(let headDim) = run.order { group = headDim } else { group = 1 }
        let rows = min(max(1, sourceByteLimit / max(1, rowBytes * group)) * group, run.rowCount)
        largest.source = max(largest.source, rows * rowBytes)
        largest.output = max(largest.output, rows * tensor.rowByteCount)
      }
    }
    return largest
  }
}
