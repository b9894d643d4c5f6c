internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// The metadata that readers of an architecture rely on: every key of the table, then what keys say together.
struct MetadataCheck {
  let metadata: [MetadataEntry]
  private let values: [String: MetadataValue]
  private(set) var findings: [Finding] = []

  init(metadata: [MetadataEntry]) {
    self.metadata = metadata
    values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// Checks everything; `family` is `nil` for architectures that are not known here.
  mutating func run(family: ModelFamily?, hasQuantizedTensors: Bool) {
    for key in MetadataKey.general { check(key, name: key.name, blockCount: nil) }
    if values["general.file_type"] == nil {
      findings.append(
        Finding(
          .note, .missingKey, "general.file_type", expected: "a u32 that names the mix", found: "no such key",
          remedy: "readers guess it from the tensors"))
    }
    if hasQuantizedTensors, values["general.quantization_version"] == nil {
      findings.append(
        Finding(
          .warning, .missingKey, "general.quantization_version",
          expected: "a u32, since tensors are quantized",
          found: "no such key"))
    }
    activationTypes()
    guard let family else { return }
    let architecture = family.ggufArchitecture
    var blockCount: Int?
    guard let keys = try? KeyReader(metadata, file: "") else { return }
    if case .uint32(let count)? = keys.raw(.blockCount) { blockCount = Int(count) }
    // Beside a list of layers the interval says nothing.
    let unread = keys.raw(.recurrentLayers) == nil ? nil : TypedKey.fullAttentionInterval.key.name
    for key in MetadataKey.keys(of: family) where key.name != unread {
      check(key, name: key.fullName(architecture), blockCount: blockCount)
    }
    for relation in KeyRelation.all(of: family) {
      guard let failure = relation.failure(keys, family),
        !findings.contains(where: { $0.subject.description == failure.key })
      else { continue }
      findings.append(
        Finding(
          .error, .wrongValue, failure.key, expected: failure.expected, found: failure.found,
          remedy: "convert the model again"))
    }
  }

  /// Checks the keys of a file of a vision tower.
  mutating func runForVision() {
    for key in MetadataKey.general { check(key, name: key.name, blockCount: nil) }
    let blockCount = values[TypedKey.visionBlockCount.name(in: VisionTower.architecture)]?.integer
    for key in VisionTower.keys {
      check(key, name: key.fullName(VisionTower.architecture), blockCount: blockCount)
    }
  }

  /// Checks one key.
  private mutating func check(_ key: MetadataKey, name: String, blockCount: Int?) {
    guard let value = values[name] else {
      switch key.absence {
      case .required:
        findings.append(
          Finding(
            .error, .missingKey, name, expected: key.phrase(blockCount: blockCount), found: "no such key",
            remedy: "readers refuse the file or guess; convert the model again"))
      case .assumesWrongly(let text):
        findings.append(
          Finding(
            .warning, .missingKey, name, expected: key.phrase(blockCount: blockCount), found: "no such key",
            remedy: "readers take " + text))
      case .assumes: break
      }
      return
    }
    guard let complaint = key.complaint(about: value, blockCount: blockCount) else { return }
    // The version says how blocks are laid out; readers look at the types alone.
    let isWarning = name == "general.quantization_version" && complaint.aspect == .value
    findings.append(
      Finding(
        isWarning ? .warning : .error, complaint.aspect == .type ? .wrongKeyType : .wrongValue, name,
        expected: complaint.expected, found: complaint.found,
        remedy: complaint.aspect == .value
          ? "convert the model again" : "llama.cpp refuses a value of another type; convert the model again"))
  }

  /// Names of tensors and a flag for each, which belong together.
  private mutating func activationTypes() {
    guard case .array(let list)? = values["general.tensor_extra.name"] else { return }
    guard case .string(let names) = list else {
      findings.append(
        Finding(
          .error, .wrongKeyType, "general.tensor_extra.name", expected: "an array of strings",
          found: MetadataValue.array(list).phrase, remedy: "convert the model again"))
      return
    }
    let key = "general.tensor_extra.prec_a4"
    if case .array(.bool(let flags))? = values[key], flags.count == names.count { return }
    findings.append(
      Finding(
        .error, .wrongValue, key,
        expected: "an array of \(names.count) bool, as many as general.tensor_extra.name has",
        found: values[key]?.phrase ?? "no such key", remedy: "convert the model again"))
  }
}
