internal import BlockQuantization
package import TensorTypes

/// The rows of a feed whose sources are all in memory, mapped or not.
///
/// Rows that lie as the output wants them are used in their place. Rows and columns that only change their order are
/// copied in the type that they have, and MXFP4 codes with their exponents become MXFP4 blocks; whatever changes
/// values, or has a type that no GGUF has, is made in f32 by a ``RowAssembler``.
package struct FeedRows {
  /// The source of a run.
  package struct Source {
    /// How the bytes encode values.
    package var encoding: SourceEncoding
    /// All bytes of the source tensor.
    package var bytes: UnsafeRawBufferPointer
    /// The scales of all its rows, for runs that have scales by row.
    package var scales: StoredRows.Scales?

    /// Describes a source.
    package init(
      encoding: SourceEncoding, bytes: UnsafeRawBufferPointer, scales: StoredRows.Scales? = nil
    ) {
      self.encoding = encoding
      self.bytes = bytes
      self.scales = scales
    }
  }

  /// Where rows lie as they are.
  package struct Place {
    /// The source tensor.
    package var source: Int
    /// The type of its rows.
    package var type: TensorType
    /// The bytes of the rows.
    package var bytes: UnsafeRawBufferPointer
  }

  private let feed: TensorFeed
  private let rowLength: Int
  /// The source of each run.
  private let sources: [Source]
  private let scales: ScaleTable
  /// Whether all rows become MXFP4 blocks bit for bit.
  private let isRepacked: Bool
  /// The first output row of each run.
  private let starts: [Int]
  /// The type of copies; it holds every value exactly as a conversion to f32 would.
  package let copyType: TensorType

  /// Whether rows of an encoding can be read at all.
  package static func canRead(_ encoding: SourceEncoding) -> Bool {
    switch encoding {
    case .element(let type): FloatConversion.canWiden(type)
    case .block(let type): BlockQuantizer.canDequantize(type)
    case .codes: true
    }
  }

  /// Describes rows.
  ///
  /// - Parameters:
  ///   - feed: Where the rows come from.
  ///   - rowLength: Values per row.
  ///   - sources: The source of each run; ``canRead(_:)`` holds for all.
  ///   - scales: The scales that the feed refers to.
  package init(_ feed: TensorFeed, rowLength: Int, sources: [Source], scales: ScaleTable) {
    precondition(sources.count == feed.runs.count, "one source for each run")
    for (run, source) in zip(feed.runs, sources) {
      if case .columns = run.order { precondition(source.encoding.columnValueByteCount > 0) }
    }
    self.feed = feed
    self.rowLength = rowLength
    self.sources = sources
    self.scales = scales
    var starts: [Int] = []
    var total = 0
    for run in feed.runs {
      starts.append(total)
      total += run.rowCount
    }
    self.starts = starts
    isRepacked =
      !sources.isEmpty && rowLength % TensorType.mxfp4.blockLength == 0
      && zip(feed.runs, sources).allSatisfy { run, source in
        MXFP4Repacking.applies(to: run, of: feed, encoding: source.encoding, scaleType: source.scales?.type)
      }
    let types = Set(sources.map(\.encoding.tensorType))
    let isMoved = feed.operation == .identity && feed.runs.allSatisfy { $0.scale == nil }
    // Columns of quantized rows cannot change places without their blocks.
    if isMoved, types.count == 1, case let type?? = types.first,
      !type.isQuantized || feed.columns == .identity
    {
      copyType = type
    } else if isRepacked {
      copyType = .mxfp4
    } else {
      copyType = .f32
    }
  }

  /// Rows that lie in memory as the output wants them, one after the other; `nil` when they do not.
  package func place(of rows: Range<Int>) -> Place? {
    guard feed.columns == .identity, feed.operation == .identity else { return nil }
    var found: (run: Int, first: Int, count: Int)?
    for (index, run) in feed.runs.enumerated() {
      let part = rows.clamped(to: starts[index]..<(starts[index] + run.rowCount))
      guard !part.isEmpty else { continue }
      guard run.order == .identity, run.scale == nil else { return nil }
      let first = run.firstRow + part.lowerBound - starts[index]
      if let known = found {
        guard feed.runs[known.run].source == run.source, known.first + known.count == first else {
          return nil
        }
        found = (known.run, known.first, known.count + part.count)
      } else {
        found = (index, first, part.count)
      }
    }
    guard let found, found.count == rows.count, let type = sources[found.run].encoding.tensorType else {
      return nil
    }
    return Place(
      source: feed.runs[found.run].source, type: type,
      bytes: bytes(ofRows: found.first..<(found.first + found.count), run: found.run))
  }

  /// The bytes of all sources that rows are made of, scales by row included.
  package func sourceBytes(of rows: Range<Int>) -> [UnsafeRawBufferPointer] {
    feed.runs.indices.flatMap { run -> [UnsafeRawBufferPointer] in
      guard rows.overlaps(starts[run]..<(starts[run] + feed.runs[run].rowCount)) else { return [] }
      let scales = sources[run].scales
      return [sources[run].bytes] + [scales?.bytes, scales?.biases].compactMap(\.self)
    }
  }

  /// Makes rows in ``copyType``.
  ///
  /// - Parameters:
  ///   - rows: Output rows.
  ///   - target: Receives exactly their bytes.
  /// - Throws: ``BadValue`` for a value that is not finite, where values are made; its row counts from that of `rows`.
  package func copy(_ rows: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(BadValue) {
    let rowBytes = rowLength / copyType.blockLength * copyType.blockByteCount
    precondition(target.count == rows.count * rowBytes, "the bytes of all rows")
    let isMoved = feed.operation == .identity && feed.runs.allSatisfy { $0.scale == nil }
    let assembler = RowAssembler(longestRow: rowLength)
    for (index, run) in feed.runs.enumerated() {
      let part = rows.clamped(to: starts[index]..<(starts[index] + run.rowCount))
      guard !part.isEmpty else { continue }
      let offsets = (part.lowerBound - starts[index])..<(part.upperBound - starts[index])
      let first = part.lowerBound - rows.lowerBound
      let place = UnsafeMutableRawBufferPointer(
        rebasing: target[(first * rowBytes)..<((first + part.count) * rowBytes)])
      if isMoved, sources[index].encoding.tensorType == copyType {
        move(offsets, of: index, into: place)
      } else if isRepacked {
        MXFP4Repacking.repack(offsets, of: run, from: stored(index), rowLength: rowLength, into: place)
        if let block = BlockQuantizer.firstInvalidBlock(.mxfp4, bytes: UnsafeRawBufferPointer(place)) {
          let blocksPerRow = rowLength / TensorType.mxfp4.blockLength
          throw BadValue(
            value: .nan, row: first + block / blocksPerRow,
            column: block % blocksPerRow * TensorType.mxfp4.blockLength)
        }
      } else {
        do {
          try assemble(offsets, of: index, with: assembler, into: place)
        } catch {
          var bad = error
          bad.row += first
          throw bad
        }
      }
    }
  }

  /// Copies rows with their columns in order, bit for bit.
  private func move(_ offsets: Range<Int>, of run: Int, into target: UnsafeMutableRawBufferPointer) {
    if case .columns(let firstElement, let stride, let step) = feed.runs[run].order {
      moveColumns(offsets, of: run, firstElement: firstElement, stride: stride, step: step, into: target)
      return
    }
    let rowBytes = sources[run].encoding.byteCount(ofElements: rowLength)
    for (index, offset) in offsets.enumerated() {
      let row = feed.runs[run].sourceRow(at: offset)
      let from = bytes(ofRows: row..<(row + 1), run: run)
      let to = UnsafeMutableRawBufferPointer(
        rebasing: target[(index * rowBytes)..<((index + 1) * rowBytes)])
      guard case .blocks(let width, let order) = feed.columns else {
        to.copyMemory(from: from)
        continue
      }
      let size = sources[run].encoding.byteCount(ofElements: width)
      for (block, source) in order.enumerated() {
        UnsafeMutableRawBufferPointer(rebasing: to[(block * size)..<((block + 1) * size)])
          .copyMemory(
            from: UnsafeRawBufferPointer(rebasing: from[(source * size)..<((source + 1) * size)]))
      }
    }
  }

  /// The same for rows that are columns of the source.
  private func moveColumns(
    _ offsets: Range<Int>, of run: Int, firstElement: Int, stride: Int, step: Int,
    into target: UnsafeMutableRawBufferPointer
  ) {
    let source = sources[run]
    let size = source.encoding.columnValueByteCount
    // Values that keep together, and where they come from.
    let width: Int
    let order: [Int]
    switch feed.columns {
    case .identity: (width, order) = (rowLength, [0])
    case .blocks(let blockWidth, let blocks): (width, order) = (blockWidth, blocks)
    }
    for (block, from) in order.enumerated() {
      // Columns that are neighbours are moved together, others one by one.
      let columns = step == 1 ? offsets.count : 1
      for index in Swift.stride(from: 0, to: offsets.count, by: columns) {
        let start = (firstElement + (offsets.lowerBound + index) * step + from * width * stride) * size
        let place = (index * rowLength + block * width) * size
        ElementMatrix.transpose(
          elementByteCount: size, UnsafeRawBufferPointer(rebasing: source.bytes[start...]), pitch: stride,
          rows: width, columns: columns,
          into: UnsafeMutableRawBufferPointer(rebasing: target[place...]), pitch: rowLength)
      }
    }
  }

  private func assemble(
    _ offsets: Range<Int>, of run: Int, with assembler: borrowing RowAssembler,
    into target: UnsafeMutableRawBufferPointer
  ) throws(BadValue) {
    let source = stored(run)
    let step = RowAssembler.rowsPerStep(rowLength: rowLength)
    for first in stride(from: offsets.lowerBound, to: offsets.upperBound, by: step) {
      let some = first..<min(first + step, offsets.upperBound)
      do {
        let values = try assembler.assemble(
          some, of: feed.runs[run], in: feed, from: source, rowLength: rowLength, scales: scales)
        let start = (first - offsets.lowerBound) * rowLength * MemoryLayout<Float>.stride
        UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(
          from: UnsafeRawBufferPointer(values))
      } catch {
        var bad = error
        bad.row += first - offsets.lowerBound
        throw bad
      }
    }
  }

  /// Everything that a run may take rows from.
  private func stored(_ run: Int) -> StoredRows {
    let source = sources[run]
    guard case .columns(let firstElement, let stride, let step) = feed.runs[run].order else {
      return StoredRows(encoding: source.encoding, bytes: source.bytes, scales: source.scales)
    }
    let start = firstElement * source.encoding.columnValueByteCount
    return StoredRows(
      encoding: source.encoding, bytes: UnsafeRawBufferPointer(rebasing: source.bytes[start...]),
      layout: .columns(pitch: stride, step: step))
  }

  private func bytes(ofRows rows: Range<Int>, run: Int) -> UnsafeRawBufferPointer {
    let rowBytes = sources[run].encoding.byteCount(ofElements: rowLength)
    return UnsafeRawBufferPointer(
      rebasing: sources[run].bytes[(rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes)])
  }
}
