internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

extension ConversionPlanner {
  /// Brings a GGUF into the layout that llama.cpp reads: names, tensors that must be apart, metadata of another form,
  /// and nothing that belongs into another file.
  ///
  /// A file that llama.cpp reads as it is stays as it is.
  ///
  /// - Throws: ``ConversionError`` with `unsupportedSourceType` for an order of rows that llama.cpp reads otherwise.
  static func arranged(_ draft: PlanDraft, _ request: ConversionRequest) throws -> PlanDraft {
    let shapes = Dictionary(draft.tensors.map { ($0.name, $0.ggmlShape) }) { first, _ in first }
    let rows = shapes[ModelFamily.tokenEmbeddingName]?.dropFirst().first
    guard let family = ModelFamily.family(metadata: draft.metadata) else { return draft }
    let model: HyperParameters
    do {
      model = try HyperParameters(metadata: draft.metadata, embeddingRows: rows, file: request.source)
    } catch let error as DescriptionError {
      // Types can be chosen for any file, also for one that lacks keys; a key that makes no sense is worth a word.
      var unchanged = draft
      if draft.metadata.contains(where: { $0.key == error.fault.subject.description }) {
        let text: Wording =
          "\(error.fault.found), where \(error.fault.expected) is expected; copied as it is, and llama.cpp may refuse it"
        unchanged.notices.append(.init(subject: error.fault.subject, text: text))
      }
      return unchanged
    }
    guard model.hasStandardHeadOrder(family: family) else {
      throw ConversionError(
        .unsupportedSourceType,
        Fault(
          file: request.source, subject: family.ggufArchitecture + ".ssm.v_head_reordered",
          expected: "value heads in the order that llama.cpp reads for \(family.ggufArchitecture)",
          found: "another order",
          remedy: "llama.cpp would load the output and compute nonsense; convert the checkpoint instead"))
    }
    let layout = GGUFLayout(family: family, model: model) { shapes[$0] != nil }
    var result = draft
    result.model = model.architecture(of: family)
    result.tensors = []
    var takenApart: [(name: String, parts: [String])] = []
    for tensor in draft.tensors {
      if let extra = GGUFLayout.Extra(name: tensor.name) {
        result.skipped.append(.init(name: tensor.name, reason: extra.reasonToSkip))
        continue
      }
      guard let whole = layout.fused[tensor.name], !whole.isStandard || request.takesTensorsApart,
        whole.elementCount == tensor.ggmlShape.reduce(1, *)
      else {
        result.tensors.append(tensor)
        continue
      }
      result.tensors += whole.parts.map { part($0, of: tensor, block: whole.block, layout) }
      takenApart.append((tensor.name, whole.parts.map(\.name)))
    }
    if !request.takesTensorsApart { result.notices += notices(takenApart) }
    result.metadata = metadata(draft, model: model, family: family, notices: &result.notices)
    return result
  }

  /// One of the tensors in a fused one.
  private static func part(
    _ part: FusedTensor.Part, of tensor: PlanDraft.Tensor, block: Int, _ layout: GGUFLayout
  ) -> PlanDraft.Tensor {
    var result = tensor
    guard case .feed(let feed) = tensor.content, let source = feed.runs.first?.source,
      let place = layout.place(of: part.name)
    else {
      preconditionFailure("tensors of a GGUF are rows of it")
    }
    let matrices = part.ggmlShape.dropFirst(2).reduce(1, *)
    result.name = part.name
    result.purpose = TensorPurpose(part.slot, block: block)
    result.importanceName = part.name
    result.ggmlShape = part.ggmlShape
    result.content = .feed(
      TensorFeed(
        runs: (0..<matrices).flatMap { matrix in
          place.runs.map {
            RowRun(
              source: source, firstRow: matrix * place.storedRowsPerMatrix + $0.lowerBound,
              rowCount: $0.count)
          }
        }))
    return result
  }

  /// Says what was renamed or taken apart, one sentence for all layers.
  private static func notices(
    _ changed: [(name: String, parts: [String])]
  ) -> [ConversionPlan.Notice] {
    func stem(_ name: String) -> String {
      name.split(separator: ".", maxSplits: 2).dropFirst(2).first.map(String.init) ?? name
    }
    return Dictionary(grouping: changed) { stem($0.name) }.sorted { $0.key < $1.key }.compactMap {
      stem, group in
      guard let first = group.first else { return nil }
      let parts = first.parts.map { $0.split(separator: ".", maxSplits: 2).last.map(String.init) ?? $0 }
      let what = parts.count == 1 ? "renamed to" : "taken apart into"
      let others = group.count > 1 ? " and \(group.count - 1) more" : ""
      return ConversionPlan.Notice(
        subject: first.name + others,
        text: "\(what) \(parts.joined(separator: " and ")), which is what llama.cpp reads")
    }
  }

  /// The metadata as llama.cpp reads them, and without what describes tensors that are left out.
  private static func metadata(
    _ draft: PlanDraft, model: HyperParameters, family: ModelFamily,
    notices: inout [ConversionPlan.Notice]
  ) -> [MetadataEntry] {
    var entries = draft.metadata
    for change in model.changesForLlamaCpp(draft.metadata, family: family) {
      let entry = MetadataEntry(change.key, change.value)
      let old: String
      if let index = entries.firstIndex(where: { $0.key == change.key }) {
        old = entries[index].value.summary
        entries[index] = entry
      } else {
        old = "no such key"
        entries.append(entry)
      }
      notices.append(
        ConversionPlan.Notice(
          subject: change.key, text: "\(change.value.summary) in place of \(old); expected \(change.expected)"
        ))
    }
    if draft.tensors.contains(where: { GGUFLayout.Extra(name: $0.name) == .vision }) {
      let prefix = family.ggufArchitecture + "."
      let others = Set(
        ["image_token_id", "vision_start_token_id", "vision_end_token_id"].map { prefix + $0 })
      entries.removeAll { $0.key.hasPrefix(prefix + "vision.") || others.contains($0.key) }
    }
    return entries
  }
}

extension GGUFLayout.Extra {
  /// Why tensors of the kind are not copied.
  fileprivate var reasonToSkip: String {
    switch self {
    case .vision: "part of the vision tower, which llama.cpp wants in a file of its own (mmproj)"
    case .nextToken:
      "next-token prediction under the checkpoint's names, which llama.cpp does not read; convert the checkpoint to "
        + "keep it"
    }
  }
}

extension FusedTensor {
  fileprivate var elementCount: Int { ggmlShape.reduce(1, *) }
}
