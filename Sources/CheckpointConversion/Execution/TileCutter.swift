internal import FileBytes
internal import TensorAssembly
internal import TensorTypes

/// Cuts work into tiles.
///
/// Tiles depend on the plans and on byte limits alone. Where the cuts fall has no
/// influence on the output, since rows are independent of each other.
struct TileCutter {
  private let work: WorkUnion
  /// The most source bytes that a tile should read; a single row (or head of rows) may exceed it.
  private let sourceByteLimit: Int
  /// The same for rows that are columns of their source.
  ///
  /// The fewer of them a tile has, the smaller are the pieces that are read of each source row. A call that reads
  /// 512 bytes takes as long as copying 3,000, so these tiles are larger.
  private let columnByteLimit: Int

  /// Columns come in multiples of this where a tile has as many: cache lines of 16-bit values.
  private static let columnUnit = 32

  /// Chooses how large tiles are.
  ///
  /// - Parameters:
  ///   - work: What is cut.
  ///   - sourceByteLimit: The most source bytes that a tile should read.
  ///   - columnByteLimit: The same for rows that are columns of their source; `nil` for twice as many.
  init(_ work: WorkUnion, sourceByteLimit: Int, columnByteLimit: Int? = nil) {
    self.work = work
    self.sourceByteLimit = sourceByteLimit
    self.columnByteLimit = columnByteLimit ?? 2 * sourceByteLimit
  }

  /// Cuts rows of one tensor.
  func cut(_ piece: WorkPiece) -> [Tile] {
    let tensor = work.tensors[piece.tensor].common
    let rows = piece.rows
    guard !rows.isEmpty else { return [] }
    switch tensor.content {
    case .values:
      return [
        Tile(
          tensor: piece.tensor, demands: piece.demands, run: -1, firstRow: rows.lowerBound,
          rowCount: rows.count,
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
          cut(piece, run: run, runIndex: runIndex, runStart: runStart, wanted: wanted, into: &tiles)
        }
        runStart = runRows.upperBound
        if runStart >= rows.upperBound { break }
      }
      return tiles
    }
  }

  private func cut(
    _ piece: WorkPiece, run: RowRun, runIndex: Int, runStart: Int, wanted: Range<Int>,
    into tiles: inout [Tile]
  ) {
    let tensor = work.tensors[piece.tensor].common
    let source = work.sources[run.source]
    let rowBytes = source.encoding.byteCount(ofElements: tensor.rowLength)
    let rowsPerTile = tileSize(run, rowByteCount: rowBytes)
    var offset = wanted.lowerBound - runStart
    let end = wanted.upperBound - runStart
    let matrixRows = work.tensors[piece.tensor].rowsPerLossMatrix
    while offset < end {
      // Tile borders are multiples of the tile size within the run, and the ends of matrices.
      let matrixEnd = ((runStart + offset) / matrixRows + 1) * matrixRows - runStart
      let stop = min(end, (offset / rowsPerTile + 1) * rowsPerTile, matrixEnd)
      if case .columns(let firstElement, let stride, let step) = run.order {
        tiles.append(
          columns(
            offset..<stop, piece, run: runIndex, runStart: runStart, firstElement: firstElement,
            stride: stride, step: step))
      } else {
        let sourceRows = run.sourceRows(holding: offset..<stop)
        let byteCount = sourceRows.count * rowBytes
        tiles.append(
          Tile(
            tensor: piece.tensor, demands: piece.demands, run: runIndex, firstRow: runStart + offset,
            rowCount: stop - offset,
            offsetInRun: offset, firstSourceRow: sourceRows.lowerBound, file: source.file,
            sourceOffset: source.offset + sourceRows.lowerBound * rowBytes, sourceByteCount: byteCount,
            scales: scales(of: run, rows: sourceRows, rowLength: tensor.rowLength, behind: byteCount)))
      }
      offset = stop
    }
  }

  /// What is read of the scales of source rows; `nil` when nothing is.
  private func scales(of run: RowRun, rows: Range<Int>, rowLength: Int, behind byteCount: Int) -> Tile.Scales?
  {
    guard work.readsScalesByRow(run), let scale = run.scale,
      case let source = work.sources[scale.source], case .element(let type) = source.encoding
    else { return nil }
    let rowBytes = source.encoding.byteCount(ofElements: scale.countPerRow(rowLength: rowLength))
    return Tile.Scales(
      type: type, file: source.file, offset: source.offset + rows.lowerBound * rowBytes,
      byteCount: rows.count * rowBytes, place: Tile.Scales.place(behind: byteCount),
      biases: scale.bias.map {
        (work.sources[$0].file, work.sources[$0].offset + rows.lowerBound * rowBytes)
      })
  }

  /// A tile of rows that are columns of the source.
  private func columns(
    _ offsets: Range<Int>, _ piece: WorkPiece, run runIndex: Int, runStart: Int, firstElement: Int,
    stride: Int,
    step: Int
  ) -> Tile {
    let tensor = work.tensors[piece.tensor].common
    guard case .feed(let feed) = tensor.content else { preconditionFailure("computed values have no source") }
    let source = work.sources[feed.runs[runIndex].source]
    let size = source.encoding.columnValueByteCount
    let valueCount = tensor.rowLength
    let span = RowRun.span(offsets.count, step: step)
    let firstOfRegion = firstElement / stride * stride
    let endOfRegion = min(firstOfRegion + valueCount * stride, source.elementCount)
    return Tile(
      tensor: piece.tensor, demands: piece.demands, run: runIndex, firstRow: runStart + offsets.lowerBound,
      rowCount: offsets.count,
      offsetInRun: offsets.lowerBound, firstSourceRow: offsets.lowerBound, file: source.file,
      sourceOffset: source.offset + (firstElement + offsets.lowerBound * step) * size,
      sourceByteCount: span * valueCount * size,
      pieces: Tile.Pieces(
        byteCount: span * size, valueByteCount: size, pitch: stride * size,
        region: (source.offset + firstOfRegion * size)..<(source.offset + endOfRegion * size)))
  }

  /// The rows of a tile.
  private func tileSize(_ run: RowRun, rowByteCount: Int) -> Int {
    switch run.order {
    case .identity: return max(1, sourceByteLimit / max(1, rowByteCount))
    case .pairHalves(let headDim):
      return max(1, sourceByteLimit / max(1, rowByteCount * headDim)) * headDim
    case .every(let step, let together):
      return max(1, sourceByteLimit / max(1, rowByteCount * step)) * together
    case .columns(_, _, let step):
      let columns = max(1, columnByteLimit / max(1, rowByteCount * step))
      return columns < Self.columnUnit ? columns : columns / Self.columnUnit * Self.columnUnit
    }
  }

  /// What tiles need.
  struct Sizes {
    /// The most source bytes of a tile, with those that are read before they are turned, and with scales.
    var source = 0
    /// The most output bytes of a tile, in all its forms.
    var output = 0
    /// The most bytes of a compressed or remote file that are kept while tiles take columns of them; 0 when none do.
    var region = 0
  }

  /// The most that any single tile needs.
  func largestTile() -> Sizes {
    var largest = Sizes()
    for united in work.tensors {
      let tensor = united.common
      guard case .feed(let feed) = tensor.content else {
        largest.output = max(largest.output, united.formByteCount(rows: tensor.rowCount))
        continue
      }
      for run in feed.runs {
        let source = work.sources[run.source]
        let rowBytes = source.encoding.byteCount(ofElements: tensor.rowLength)
        let rows = min(tileSize(run, rowByteCount: rowBytes), run.rowCount)
        largest.output = max(largest.output, united.formByteCount(rows: rows))
        guard case .columns(_, let stride, let step) = run.order else {
          let sourceRows = run.sourceRows(holding: 0..<rows)
          var byteCount = sourceRows.count * rowBytes
          if let scales = scales(of: run, rows: sourceRows, rowLength: tensor.rowLength, behind: byteCount) {
            byteCount = scales.end
          }
          largest.source = max(largest.source, byteCount)
          continue
        }
        let span = RowRun.span(rows, step: step)
        let piece = span * source.encoding.columnValueByteCount
        largest.source = max(largest.source, span * rowBytes + Tile.Pieces.spaceToTurn(byteCount: piece))
        // A plan that was made of an outline may not know its files.
        if work.sourceFiles.indices.contains(source.file), case let file = work.sourceFiles[source.file],
          file.isCompressed || RemoteFiles.at(file.path) != nil
        {
          largest.region = max(largest.region, stride * rowBytes)
        }
      }
    }
    return largest
  }
}

extension WorkUnion.Tensor {
  /// Where each form of some rows is put, and where the last one ends.
  func formPlaces(rows: Int) -> (starts: [Int], end: Int) {
    var starts: [Int] = []
    var end = 0
    for form in forms {
      let start = (end + 63) / 64 * 64
      starts.append(start)
      end = start + rows * form.planned.rowByteCount
    }
    return (starts, end)
  }

  /// Bytes of some rows in all forms.
  fileprivate func formByteCount(rows: Int) -> Int { formPlaces(rows: rows).end }
}
