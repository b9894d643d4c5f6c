internal import FileBytes
internal import TensorAssembly
internal import TensorTypes
internal import ZstdStreams

extension ScaleTable {
  /// Reads the scale tensors that the feeds of `plan` refer to.
  ///
  /// - Throws: ``ConversionError`` with `nonFiniteWeight`, `FileError`, `ZstdError`.
  init(plan: ConversionPlan) throws {
    self.init()
    let feeds = plan.tensors.lazy.compactMap { tensor -> TensorFeed? in
      guard case .feed(let feed) = tensor.content else { return nil }
      return feed
    }
    let wanted = Self.sources(of: feeds)
    let inFileOrder = wanted.sorted {
      (plan.sources[$0].file, plan.sources[$0].offset) < (plan.sources[$1].file, plan.sources[$1].offset)
    }
    var stream: (file: Int, reader: ZstdReader)?
    for index in inFileOrder {
      let source = plan.sources[index]
      let file = plan.sourceFiles[source.file]
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
}
