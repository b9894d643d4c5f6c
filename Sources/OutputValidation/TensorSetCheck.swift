internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Whether the tensors are exactly those of the architecture.
struct TensorSetCheck {
  let family: ModelFamily
  let metadata: [MetadataEntry]
  let tensors: [GGUFTensorInfo]
  let purposes: TensorPurposes
  private(set) var findings: [Finding] = []

  init(family: ModelFamily, metadata: [MetadataEntry], tensors: [GGUFTensorInfo], purposes: TensorPurposes) {
    self.family = family
    self.metadata = metadata
    self.tensors = tensors
    self.purposes = purposes
  }

  /// Shapes without trailing ones, which writers may leave out.
  static func trimmed(_ shape: [Int]) -> [Int] {
    var shape = shape
    while shape.count > 1, shape.last == 1 { shape.removeLast() }
    return shape
  }

  /// Compares names and shapes.
  mutating func run(file: String) {
    var metadata = metadata
    correctExpertCount(&metadata)
    let model: HyperParameters
    do {
      model = try HyperParameters(metadata: metadata, file: file)
    } catch {
      // Missing keys and wrong types have been told already.
      if let fault = (error as? any FaultError)?.fault {
        findings.append(
          Finding(
            .error, .wrongValue, fault.subject, expected: fault.expected, found: fault.found,
            remedy: fault.remedy))
      }
      return
    }
    var present: [String: GGUFTensorInfo] = [:]
    for tensor in tensors { present[tensor.name] = tensor }
    let layout = GGUFLayout(family: family, model: model) { present[$0] != nil }
    let expected = layout.expected
    checkReading(model)
    var known: Set<String> = []
    var missing: [String] = []
    for wanted in expected {
      known.insert(wanted.name)
      guard let found = present[wanted.name] else {
        if !wanted.isOptional { missing.append(wanted.name) }
        continue
      }
      if let whole = layout.fused[wanted.name], !whole.isStandard { findings.append(unread(whole)) }
      if Self.trimmed(found.ggmlShape) != Self.trimmed(wanted.ggmlShape) {
        findings.append(
          Finding(
            .error, .wrongShape, wanted.name, expected: "shape \(wanted.ggmlShape), as the metadata says",
            found: "\(found.ggmlShape)",
            remedy: "the tensor or the metadata is wrong; convert the model again"))
      }
    }
    missing += inconsistentBiases(expected.filter(\.isOptional), present)
    for name in missing {
      findings.append(
        Finding(
          .error, .missingTensor, name, expected: "a tensor that every \(family.ggufArchitecture) model has",
          found: "none of this name", remedy: "convert the model again"))
    }
    let unknown = tensors.filter { !known.contains($0.name) }
    findings += unknown.compactMap { tensor in
      GGUFLayout.Extra(name: tensor.name).map { foreign($0, tensor.name) }
    }
    let extra = unknown.filter {
      GGUFLayout.Extra(name: $0.name) == nil && !WeightScale.isOne($0, present: present, purposes)
    }
    for (number, tensor) in extra.enumerated() {
      // A search over all names for each of very many would take minutes.
      let near = number < 8 ? ExpectedTensor.nearestName(to: tensor.name, in: expected) : nil
      findings.append(
        Finding(
          .error, .extraTensor, tensor.name,
          expected: "only tensors of the architecture \(family.ggufArchitecture)",
          found: "one that it does not have\(near.map { "; the nearest name is \($0)" } ?? "")",
          remedy: "llama.cpp refuses files with tensors that it does not use"))
    }
  }

  /// What in the metadata llama.cpp reads as another model, or refuses.
  private mutating func checkReading(_ model: HyperParameters) {
    let values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    for change in model.changesForLlamaCpp(metadata, family: family) {
      findings.append(
        Finding(
          .error, .wrongValue, change.key, expected: change.expected,
          found: values[change.key]?.summary ?? "no such key", remedy: Self.rewriteRemedy))
    }
    if !model.hasStandardHeadOrder(family: family) {
      let key = TypedKey.areValueHeadsTiled.name(in: family.ggufArchitecture)
      findings.append(
        Finding(
          .error, .valueHeadOrder, key, expected: "value heads in the order that llama.cpp reads",
          found: values[key]?.summary ?? "another order",
          remedy: "llama.cpp loads the file and computes nonsense; convert the checkpoint again"))
    }
  }

  static let rewriteRemedy = "pouch-quantize FILE OUTPUT COPY writes it as llama.cpp reads it"

  /// A tensor that Pouch reads and llama.cpp does not.
  private func unread(_ whole: FusedTensor) -> Finding {
    let parts = whole.parts.map {
      $0.name.split(separator: ".", maxSplits: 2).last.map(String.init) ?? $0.name
    }
    return Finding(
      .error, .extraTensor, whole.name,
      expected: "\(parts.joined(separator: " and ")), as llama.cpp reads \(family.ggufArchitecture) models",
      found: parts.count == 1 ? "another name" : "one tensor for \(parts.count)", remedy: Self.rewriteRemedy)
  }

  /// A tensor of another part of the model, which belongs into a file of its own.
  private func foreign(_ extra: GGUFLayout.Extra, _ name: String) -> Finding {
    Finding(
      .error, .extraTensor, name, expected: "only tensors of the architecture \(family.ggufArchitecture)",
      found: "a tensor of a \(extra.rawValue), as Ollama's converter puts them into one file",
      remedy: "llama.cpp refuses the file; pouch-quantize FILE OUTPUT COPY leaves these tensors out")
  }

  /// An optional bias that one layer has, all layers with such a projection have.
  private func inconsistentBiases(_ optional: [ExpectedTensor], _ present: [String: GGUFTensorInfo])
    -> [String]
  {
    let biases = optional.filter(\.slot.isProjectionBias)
    let used = Set(biases.filter { present[$0.name] != nil }.map(\.slot))
    return biases.filter { used.contains($0.slot) && present[$0.name] == nil }.map(\.name)
  }

  /// Notes a wrong `expert_count` once, and goes on with the count that the tensors have.
  private mutating func correctExpertCount(_ metadata: inout [MetadataEntry]) {
    let key = TypedKey.expertCount.name(in: family.ggufArchitecture)
    guard let index = metadata.firstIndex(where: { $0.key == key }),
      let stated = metadata[index].value.integer
    else {
      return
    }
    let counts = Set(
      tensors.filter { purposes[$0.name].role == .routedExperts && $0.ggmlShape.count == 3 }
        .map { $0.ggmlShape[2] })
    guard counts.count == 1, let actual = counts.first, actual != stated, actual > 0 else { return }
    findings.append(
      Finding(
        .error, .expertCount, key, expected: "\(actual), as many as every ffn_*_exps tensor holds",
        found: "\(stated)", remedy: "correct the key or convert the model again"))
    metadata[index].value = .uint32(UInt32(actual))
    // The number of used experts is bounded by the count.
    let usedKey = TypedKey.expertUsedCount.name(in: family.ggufArchitecture)
    if let used = metadata.firstIndex(where: { $0.key == usedKey }),
      let number = metadata[used].value.integer, number > actual
    {
      metadata[used].value = .uint32(UInt32(actual))
    }
  }
}
