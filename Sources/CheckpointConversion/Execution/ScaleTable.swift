internal import BlockQuantization
internal import FileBytes
internal import TensorTypes
internal import ZstdStreams

/// The block scales of an fp8 checkpoint, read before the weights they belong to.
///
/// One f32 value per 128 x 128 weights: 9 MB for 35 billion weights.
struct ScaleTable: Sendable {
  private let values: [Int: [Float]]

  /// Reads the scale tensors that the feeds of `plan` refer to.
  ///
  /// - Throws: ``ConversionError`` with `nonFiniteWeight`, `FileError`, `ZstdError`.
  init(plan: ConversionPlan) throws {
    var wanted: Set<Int> = []
    for tensor in plan.tensors {
      guard case .feed(let feed) = tensor.content else { continue }
      for run in feed.runs { if let scale = run.scale { wanted.insert(scale.source) } }
    }
    var values: [Int: [Float]] = [:]
    let inFileOrder = wanted.sorted {
      (plan.sources[$0].file, plan.sources[$0].offset) < (plan.sources[$1].file, plan.sources[$1].offset)
    }
    var stream: (file: Int, reader: ZstdReader)?
    for index in inFileOrder {
      let source = plan.sources[index]
      let file = plan.sourceFiles[source.file]
      let count = source.byteCount(ofElements: source.elementCount)
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
      values[index] = try Self.decode(bytes, source: source, path: file.path)
    }
    self.values = values
  }

  private static func decode(_ bytes: [UInt8], source: PlannedSource, path: String) throws -> [Float] {
    guard case .element(let type) = source.encoding else { return [] }
    let scales = [Float](unsafeUninitializedCapacity: source.elementCount) { buffer, count in
      bytes.withUnsafeBytes {
        FloatConversion.widen(
          type, bytes: $0, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<source.elementCount]))
      }
      count = source.elementCount
    }
    if let bad = scales.firstIndex(where: { !$0.isFinite }) {
      throw ConversionError(
        .nonFiniteWeight,
        Fault(file: path, subject: source.name, expected: "finite scales", found: "\(scales[bad]) at \(bad)"))
    }
    return scales
  }

  /// Multiplies one source row by the scales of its blocks.
  func apply(_ scale: BlockScale, row: Int, to chunk: UnsafeMutableBufferPointer<Float>) {
    guard let table = values[scale.source] else { return }
    var column = 0
    while column < chunk.count {
      let end = min(chunk.count, column + scale.blockColumns)
      let factor = table[scale.index(row: row, column: column, rowLength: chunk.count)]
      for position in column..<end { chunk[position] *= factor }
      column = end
    }
  }
}
