internal import FileBytes
internal import TensorAssembly
internal import TensorTypes
internal import ZstdStreams

extension WorkUnion {
  /// Whether the scales of a run are read with its rows: those of compressed files are not, which can only be read
  /// from front to back.
  func readsScalesByRow(_ run: RowRun) -> Bool {
    guard run.hasScalesByRow, let scale = run.scale, case let file = sources[scale.source].file else {
      return false
    }
    // A plan that was made of an outline may not know its files.
    let files = [file] + (scale.bias.map { [sources[$0].file] } ?? [])
    return files.allSatisfy { !sourceFiles.indices.contains($0) || !sourceFiles[$0].isCompressed }
  }

  /// The source tensors whose scales are kept in memory during a run: those of blocks and tensors as f32 values, those
  /// by row, which may be many, as they are stored.
  var keptScales: (values: Set<Int>, rows: Set<Int>) {
    let feeds = tensors.lazy.compactMap { tensor -> TensorFeed? in
      guard case .feed(let feed) = tensor.common.content else { return nil }
      return feed
    }
    var rows: Set<Int> = []
    for run in feeds.flatMap(\.runs) where run.hasScalesByRow && !readsScalesByRow(run) {
      if let scale = run.scale { rows.formUnion([scale.source, scale.bias].compactMap(\.self)) }
    }
    return (ScaleTable.sources(of: feeds, isReadByRow: \.hasScalesByRow), rows)
  }

  /// Bytes of these.
  var keptScaleByteCount: Int {
    let kept = keptScales
    return kept.values.reduce(0) { $0 + sources[$1].elementCount * MemoryLayout<Float>.stride }
      + kept.rows.reduce(0) { $0 + sources[$1].encoding.byteCount(ofElements: sources[$1].elementCount) }
  }
}

extension ScaleTable {
  /// Reads the scale tensors of a run that are not read with the rows they belong to.
  ///
  /// - Throws: ``ConversionError`` with `nonFiniteWeight`, `FileError`, `ZstdError`.
  init(_ work: WorkUnion) throws {
    self.init()
    let kept = work.keptScales
    let inFileOrder = kept.values.union(kept.rows).sorted {
      (work.sources[$0].file, work.sources[$0].offset) < (work.sources[$1].file, work.sources[$1].offset)
    }
    var stream: (file: Int, reader: ZstdReader)?
    let fetching = Self.fetching(inFileOrder, of: work)
    defer { fetching?.stop() }
    for (step, index) in inFileOrder.enumerated() {
      defer { fetching?.finished(step) }
      let source = work.sources[index]
      let file = work.sourceFiles[source.file]
      let count = source.encoding.byteCount(ofElements: source.elementCount)
      var bytes = [UInt8](repeating: 0, count: count)
      if file.isCompressed {
        if stream?.file != source.file { stream = (source.file, try ZstdReader(path: file.path)) }
        guard let reader = stream?.reader else { continue }
        try reader.skip(source.offset - reader.position)
        let got = try bytes.withUnsafeMutableBytes { try reader.readFully(into: $0) }
        guard got == count else {
          throw FileError(
            .truncated,
            Fault(file: file.path, subject: source.name, expected: "\(count) bytes", found: "\(got)"))
        }
      } else {
        bytes = try ReadableFile(path: file.path).bytes(at: source.offset, count: count)
      }
      if kept.rows.contains(index), case .element(let type) = source.encoding {
        bytes.withUnsafeBytes { addRows(source: index, type: type, bytes: $0) }
      }
      guard kept.values.contains(index) else { continue }
      do {
        try bytes.withUnsafeBytes { try add(source: index, encoding: source.encoding, bytes: $0) }
      } catch let error as BadValue {
        throw ConversionError(
          .nonFiniteWeight,
          Fault(
            file: file.path, subject: source.name, expected: "finite scales",
            found: "\(error.value) at \(error.column)"))
      }
    }
  }
  /// Has the scales of remote files fetched, a step for each tensor; `nil` when all files are of this machine.
  private static func fetching(_ indices: [Int], of work: WorkUnion) -> (any ReadAhead)? {
    let steps = indices.map { index -> [RemoteRange] in
      let source = work.sources[index]
      guard let remote = RemoteFiles.at(work.sourceFiles[source.file].path) else { return [] }
      let count = source.encoding.byteCount(ofElements: source.elementCount)
      return [RemoteRange(file: remote, bytes: source.offset..<(source.offset + count))]
    }
    return steps.lazy.joined().first?.file.readAhead(steps)
  }
}
