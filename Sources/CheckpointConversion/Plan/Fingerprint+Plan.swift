package import FileBytes
internal import TensorTypes

extension Fingerprint {
  /// The fingerprint of a plan and its importance data.
  package init(plan: ConversionPlan, importance: String, version: String) {
    self.init(task: "conversion", version: version)
    var sources = FieldHash()
    for file in plan.sourceFiles {
      sources.add(FileSystem.name(of: file.path))
      sources.add([file.byteCount, Int(file.modificationTime), Int(bitPattern: UInt(file.headerHash))])
    }
    add("the source files", sources)
    if !importance.isEmpty { add("the importance data", importance, .named) }
    var shape = FieldHash()
    for file in plan.files {
      shape.add(FileSystem.name(of: file.path))
      shape.add(file.header)
    }
    for source in plan.sources {
      shape.add(source.name)
      shape.add([source.file, source.offset, source.elementCount])
      shape.add("\(source.encoding)")
    }
    for tensor in plan.tensors {
      shape.add(tensor.name)
      shape.add(tensor.ggmlShape)
      shape.add([Int(tensor.type.rawValue), Int(tensor.sourceType.rawValue), tensor.file, tensor.offset])
      shape.add(tensor.importanceName ?? "")
      if let groups = tensor.groups {
        shape.add(groups.name)
        for part in tensor.groupParts { shape.add([part.file, part.offset]) }
      }
      shape.add(tensor.content)
    }
    for companion in plan.folder?.companions ?? [] {
      shape.add(companion.name)
      switch companion.content {
      case .bytes(let bytes): shape.add(bytes)
      case .copy(let path): shape.add(path)
      }
    }
    add("the output type, flags or output names", shape)
  }
}

extension FieldHash {
  /// Takes in what a tensor is made of.
  fileprivate mutating func add(_ content: TensorContent) {
    switch content {
    case .values(let values):
      add(values.map { Int($0.bitPattern) })
    case .feed(let feed):
      for run in feed.runs {
        add([run.source, run.firstRow, run.rowCount])
        switch run.order {
        case .identity: break
        case .pairHalves(let headDim): add(headDim)
        case .every(let step, let together): add([step] + (together == 1 ? [] : [together]))
        case .columns(let firstElement, let stride, let step):
          add([firstElement, stride] + (step == 1 ? [] : [step]))
        }
        if let scale = run.scale {
          add([scale.source, scale.blockRows, scale.blockColumns, scale.matrixRows])
          if let bias = scale.bias { add([bias]) }
          if let common = scale.common { add([common.source, common.divides ? 1 : 0]) }
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
}
