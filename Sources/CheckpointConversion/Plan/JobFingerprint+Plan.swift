internal import FileBytes
internal import TensorTypes

extension JobFingerprint {
  /// The fingerprint of a plan and its importance data.
  package init(plan: ConversionPlan, importance: String, version: String) {
    var sources = HashedText()
    for file in plan.sourceFiles {
      sources.add(FileSystem.name(of: file.path))
      sources.add([file.byteCount, Int(file.modificationTime), Int(bitPattern: UInt(file.headerHash))])
    }
    var shape = HashedText()
    for file in plan.files {
      shape.add(FileSystem.name(of: file.path))
      shape.add(file.header)
    }
    for source in plan.sources {
      shape.add(source.name)
      shape.add([source.file, source.offset, source.elementCount])
    }
    for tensor in plan.tensors {
      shape.add(tensor.name)
      shape.add(tensor.ggmlShape)
      shape.add([Int(tensor.type.rawValue), Int(tensor.sourceType.rawValue), tensor.file, tensor.offset])
      shape.add(tensor.importanceName ?? "")
      shape.add(tensor.content)
    }
    self.init(version: version, sources: sources.digest, importance: importance, plan: shape.digest)
  }
}

/// Bytes gathered for one hash.
private struct HashedText {
  private var bytes: [UInt8] = []

  mutating func add(_ text: String) {
    add(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func add(_ raw: [UInt8]) {
    add(raw.count)
    bytes.append(contentsOf: raw)
  }

  mutating func add(_ number: Int) {
    withUnsafeBytes(of: Int64(number).littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func add(_ numbers: [Int]) {
    add(numbers.count)
    for number in numbers { add(number) }
  }

  mutating func add(_ content: TensorContent) {
    switch content {
    case .values(let values):
      add(values.map { Int($0.bitPattern) })
    case .feed(let feed):
      for run in feed.runs {
        add([run.source, run.firstRow, run.rowCount])
        switch run.order {
        case .identity: break
        case .pairHalves(let headDim): add(headDim)
        case .columns(let firstElement, let stride): add([firstElement, stride])
        }
        if let scale = run.scale {
          add([scale.source, scale.blockRows, scale.blockColumns, scale.matrixRows])
        }
      }
      if case .blocks(let width, let order) = feed.columns { add([width] + order) }
      switch feed.operation {
      case .identity: add(0)
      case .addOne: add(1)
      case .negateExponential: add(2)
      }
    }
  }

  var digest: String {
    let hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
    let text = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}
