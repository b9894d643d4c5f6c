internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// The metadata that readers of an architecture rely on.
struct MetadataCheck {
  /// The type of a value.
  private enum Form: String {
    case count = "a u32"
    case real = "an f32"
    case text = "a string"
    case flag = "a bool"
    case integers = "an array of i32"
    case strings = "an array of strings"
    case reals = "an array of f32"

    func fits(_ value: MetadataValue) -> Bool {
      switch (self, value) {
      case (.count, .uint32), (.real, .float32), (.text, .string), (.flag, .bool),
        (.integers, .array(.int32)),
        (.strings, .array(.string)), (.strings, .array(.rawString)), (.reals, .array(.float32)):
        true
      // Converters write these as u32 or i32; readers take both.
      case (.integers, .array(.uint32)): true
      default: false
      }
    }
  }

  let metadata: [MetadataEntry]
  private let values: [String: MetadataValue]
  private(set) var findings: [Finding] = []

  init(metadata: [MetadataEntry]) {
    self.metadata = metadata
    values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// Checks everything; `family` is `nil` for architectures that are not known here.
  mutating func run(family: ModelFamily?, hasQuantizedTensors: Bool) {
    expect("general.architecture", .text, required: true)
    expect("general.file_type", .count, required: false)
    if values["general.file_type"] == nil {
      findings.append(
        Finding(
          .note, .missingKey, "general.file_type", expected: "a u32 that names the mix", found: "no such key",
          remedy: "readers guess it from the tensors"))
    }
    expect("general.quantization_version", .count, required: false)
    if hasQuantizedTensors, values["general.quantization_version"] == nil {
      findings.append(
        Finding(
          .warning, .missingKey, "general.quantization_version",
          expected: "a u32, since tensors are quantized",
          found: "no such key"))
    }
    if let version = values["general.quantization_version"]?.integer, version != 2 {
      findings.append(
        Finding(
          .warning, .wrongValue, "general.quantization_version", expected: "2", found: "\(version)"))
    }
    guard let family else { return }
    architecture(family)
    ranges(family)
  }

  private mutating func expect(_ key: String, _ form: Form, required: Bool) {
    guard let value = values[key] else {
      if required {
        findings.append(
          Finding(
            .error, .missingKey, key, expected: form.rawValue, found: "no such key",
            remedy: "readers refuse the file or guess; convert the model again"))
      }
      return
    }
    guard !form.fits(value) else { return }
    // Per-layer values are arrays in some models.
    if case (.count, .array) = (form, value) { return }
    findings.append(
      Finding(
        .error, .wrongKeyType, key, expected: form.rawValue, found: typeName(value),
        remedy: "llama.cpp refuses a value of another type; convert the model again"))
  }

  private mutating func architecture(_ family: ModelFamily) {
    let name = family.ggufArchitecture
    func key(_ suffix: String) -> String { name + "." + suffix }
    for suffix in ["block_count", "context_length", "embedding_length", "attention.head_count"] {
      expect(key(suffix), .count, required: true)
    }
    expect(key("attention.layer_norm_rms_epsilon"), .real, required: true)
    expect(key("attention.head_count_kv"), .count, required: false)
    expect(key("rope.freq_base"), .real, required: false)
    expect(key("rope.scaling.type"), .text, required: false)
    expect(key("rope.scaling.factor"), .real, required: false)
    expect(key("rope.dimension_count"), .count, required: false)
    expect(key("feed_forward_length"), .count, required: !family.isMixture)
    if values[key("rope.freq_base")] == nil {
      findings.append(
        Finding(
          .warning, .missingKey, key("rope.freq_base"), expected: "an f32", found: "no such key",
          remedy: "readers take 10000, which is right for few models"))
    }
    if family.isMixture {
      expect(key("expert_count"), .count, required: true)
      expect(key("expert_used_count"), .count, required: true)
      expect(key("expert_feed_forward_length"), .count, required: name == "qwen35moe" || name == "qwen3moe")
    }
    if family.isHybrid {
      for suffix in [
        "ssm.conv_kernel", "ssm.state_size", "ssm.group_count", "ssm.time_step_rank", "ssm.inner_size",
      ] {
        expect(key(suffix), .count, required: true)
      }
      expect(key("full_attention_interval"), .count, required: false)
      if name != "qwen3next" { expect(key("rope.dimension_sections"), .integers, required: true) }
    }
  }

  /// Values that no model can have.
  private mutating func ranges(_ family: ModelFamily) {
    let prefix = family.ggufArchitecture + "."
    func real(_ suffix: String) -> Float? {
      if case .float32(let value)? = values[prefix + suffix] { value } else { nil }
    }
    func count(_ suffix: String) -> Int? { values[prefix + suffix]?.integer }
    func wrong(_ suffix: String, _ expected: String, _ found: some CustomStringConvertible) {
      findings.append(
        Finding(
          .error, .wrongValue, prefix + suffix, expected: expected, found: "\(found)",
          remedy: "convert the model again"))
    }
    if let base = real("rope.freq_base"), !(base >= 1 && base.isFinite) {
      wrong("rope.freq_base", "a finite number of at least 1", base)
    }
    if let epsilon = real("attention.layer_norm_rms_epsilon"), !(epsilon > 0 && epsilon < 0.1) {
      wrong("attention.layer_norm_rms_epsilon", "a number between 0 and 0.1", epsilon)
    }
    if let factor = real("rope.scaling.factor"), !(factor > 0 && factor.isFinite) {
      wrong("rope.scaling.factor", "a finite number above 0", factor)
    }
    if let type = values[prefix + "rope.scaling.type"]?.text,
      !["none", "linear", "yarn", "longrope"].contains(type)
    {
      wrong("rope.scaling.type", "none, linear, yarn or longrope", type)
    }
    for suffix in ["context_length", "embedding_length", "block_count", "attention.head_count"] {
      if let value = count(suffix), value < 1 { wrong(suffix, "a number of at least 1", value) }
    }
    if let experts = count("expert_count"), let used = count("expert_used_count"), experts > 0,
      used < 1 || used > experts
    {
      wrong("expert_used_count", "1 to \(experts)", used)
    }
    guard let heads = count("attention.head_count"), heads > 0, let width = count("embedding_length") else {
      return
    }
    if let groups = count("attention.head_count_kv"), groups < 1 || heads % groups != 0 {
      wrong("attention.head_count_kv", "a divisor of \(heads)", groups)
    }
    let headDim = count("attention.key_length") ?? width / heads
    let rotated = count("rope.dimension_count")
    if let rotated, rotated < 2 || rotated % 2 != 0 || rotated > headDim {
      wrong("rope.dimension_count", "an even number up to the head dimension \(headDim)", rotated)
    }
    if case .array(.int32(let sections))? = values[prefix + "rope.dimension_sections"] {
      let sum = sections.reduce(0) { $0 + Int($1) }
      let pairs = (rotated ?? headDim) / 2
      if sections.count != 4 || sections.contains(where: { $0 < 0 }) {
        wrong("rope.dimension_sections", "four numbers of at least 0", sections)
      } else if sum != pairs,
        sum != 32 || family.ggufArchitecture != "qwen35" && family.ggufArchitecture != "qwen35moe"
      {
        // 11, 11, 10 is what converters write when a configuration is silent.
        wrong(
          "rope.dimension_sections", "\(pairs) pairs of dimensions in all", "\(sections), which are \(sum)")
      }
    }
  }

  /// The type of a value as messages name it.
  private func typeName(_ value: MetadataValue) -> String {
    switch value {
    case .uint8: "a u8"
    case .int8: "an i8"
    case .uint16: "a u16"
    case .int16: "an i16"
    case .uint32: "a u32"
    case .int32: "an i32"
    case .uint64: "a u64"
    case .int64: "an i64"
    case .float32: "an f32"
    case .float64: "an f64"
    case .bool: "a bool"
    case .string: "a string"
    case .rawString: "a string that is not UTF-8"
    case .array: "an array of another type"
    }
  }
}
