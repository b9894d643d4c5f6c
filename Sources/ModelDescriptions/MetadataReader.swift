internal import FileBytes
internal import TensorTypes

/// Typed access to the entries under an architecture's name.
struct MetadataReader {
  let file: String
  let architecture: String
  let family: ModelFamily
  private let values: [String: MetadataValue]

  init(_ metadata: [MetadataEntry], file: String) throws {
    self.file = file
    values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    guard let architecture = values["general.architecture"]?.text else {
      throw DescriptionError(
        .invalidMetadata,
        Fault(
          file: file, subject: "general.architecture", expected: "a name",
          found: values["general.architecture"]?.summary ?? "no such key"))
    }
    self.architecture = architecture
    let isMixture = (values[architecture + ".expert_count"]?.integer ?? 0) > 0
    guard let family = ModelFamily.family(ggufArchitecture: architecture, isMixture: isMixture) else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: file, subject: "general.architecture",
          expected: "one of " + Set(ModelFamily.all.map(\.ggufArchitecture)).sorted().joined(separator: ", "),
          found: architecture, remedy: "this architecture is not supported yet"))
    }
    self.family = family
  }

  /// The value of a key; `nil` when it is absent.
  func value(_ key: String) -> MetadataValue? { values[architecture + "." + key] }

  func fault(_ key: String, expected: String, found: String? = nil) -> DescriptionError {
    DescriptionError(
      .invalidMetadata,
      Fault(
        file: file, subject: architecture + "." + key, expected: expected,
        found: found ?? value(key)?.summary ?? "no such key"))
  }

  /// Keys that may hold a list of one number for each layer.
  static let layerwiseKeys = [
    "feed_forward_length", "attention.head_count", "attention.head_count_kv", "expert_used_count",
    "expert_feed_forward_length",
  ]

  /// A whole number; for keys that may have one for each layer, a list will do in which all are equal.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let value = value(key) else { return nil }
    let list = Self.layerwiseKeys.contains(key) ? value.integers : nil
    guard let number = value.integer ?? (list == nil ? nil : value.commonInteger), range.contains(number)
    else {
      let isList = list.map { Set($0).count > 1 && $0.allSatisfy(range.contains) } ?? false
      guard isList else {
        throw fault(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      var error = fault(key, expected: "one number for all layers")
      error.code = .notSupported
      error.fault.remedy = "layers of different sizes are not supported yet"
      throw error
    }
    return number
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int {
    guard let number = try optionalInteger(key, in: range) else {
      throw fault(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func optionalFloat(_ key: String) throws -> Float? {
    switch value(key) {
    case nil: return nil
    case .float32(let number) where number.isFinite: return number
    case .float64(let number) where number.isFinite: return Float(number)
    default: throw fault(key, expected: "a finite number")
    }
  }

  func text(_ key: String) -> String? { value(key)?.text }

  func flag(_ key: String) -> Bool? { if case .bool(let flag)? = value(key) { flag } else { nil } }
}
