internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Whether the tensors are exactly those of the architecture.
struct TensorSetCheck {
  let family: ModelFamily
  let metadata: [MetadataEntry]
  let tensors: [GGUFTensorInfo]
  private(set) var findings: [Finding] = []

  init(family: ModelFamily, metadata: [MetadataEntry], tensors: [GGUFTensorInfo]) {
    self.family = family
    self.metadata = metadata
    self.tensors = tensors
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
    let expected = family.expectedTensors(model)
    var present: [String: GGUFTensorInfo] = [:]
    for tensor in tensors { present[tensor.name] = tensor }
    var known: Set<String> = []
    var missing: [String] = []
    for wanted in expected {
      known.insert(wanted.name)
      guard let found = present[wanted.name] else {
        if !wanted.isOptional, !isFused(wanted.name, present, &known) { missing.append(wanted.name) }
        continue
      }
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
    let extra = tensors.filter { !known.contains($0.name) }
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

  /// Gate and up projections may be stored as one tensor.
  private func isFused(_ name: String, _ present: [String: GGUFTensorInfo], _ known: inout Set<String>)
    -> Bool
  {
    for part in ["ffn_gate_exps", "ffn_up_exps"] where name.contains(part) {
      let fused = name.replacing(part, with: "ffn_gate_up_exps")
      if present[fused] != nil {
        known.insert(fused)
        return true
      }
    }
    return false
  }

  /// An optional bias that one layer has, all layers with such a projection have.
  private func inconsistentBiases(_ optional: [ExpectedTensor], _ present: [String: GGUFTensorInfo])
    -> [String]
  {
    func suffix(_ name: String) -> String {
      name.split(separator: ".", maxSplits: 2).last.map(String.init) ?? name
    }
    let biases = optional.filter { $0.name.hasSuffix(".bias") }
    let used = Set(biases.filter { present[$0.name] != nil }.map { suffix($0.name) })
    return biases.filter { used.contains(suffix($0.name)) && present[$0.name] == nil }.map(\.name)
  }

  /// Notes a wrong `expert_count` once, and goes on with the count that the tensors have.
  private mutating func correctExpertCount(_ metadata: inout [MetadataEntry]) {
    let key = family.ggufArchitecture + ".expert_count"
    guard let index = metadata.firstIndex(where: { $0.key == key }),
      let stated = metadata[index].value.integer
    else {
      return
    }
    let counts = Set(
      tensors.filter { $0.name.hasSuffix("_exps.weight") && $0.ggmlShape.count == 3 }.map { $0.ggmlShape[2] })
    guard counts.count == 1, let actual = counts.first, actual != stated, actual > 0 else { return }
    findings.append(
      Finding(
        .error, .expertCount, key, expected: "\(actual), as many as every ffn_*_exps tensor holds",
        found: "\(stated)", remedy: "correct the key or convert the model again"))
    metadata[index].value = .uint32(UInt32(actual))
    // The number of used experts is bounded by the count.
    if let used = metadata.firstIndex(where: { $0.key == family.ggufArchitecture + ".expert_used_count" }),
      let number = metadata[used].value.integer, number > actual
    {
      metadata[used].value = .uint32(UInt32(actual))
    }
  }
}
