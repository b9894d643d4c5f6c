internal import FileBytes
internal import TensorTypes

/// Typed access to the entries under an architecture's name.
struct MetadataReader {
  let file: String
  let architecture: String
  let family: ModelFamily
  private let values: [String: MetadataValue]
  /// The architecture's keys by name: types, ranges and forms are told there alone.
  private let keys: [String: MetadataKey]

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
    keys = Dictionary(MetadataKey.keys(of: family).map { ($0.name, $0) }) { first, _ in first }
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
  static func layerwiseKeys(of family: ModelFamily) -> [String] {
    MetadataKey.keys(of: family).filter { $0.form == .singleOrPerBlock }.map(\.name)
  }

  /// The values of a whole number that the table of keys allows.
  private func range(of key: String) -> ClosedRange<Int> {
    if case .integers(let range)? = keys[key]?.range { range } else { 0...Int(UInt32.max) }
  }

  /// A whole number; for keys that may have one for each layer, a list will do in which all are equal.
  ///
  /// With a `range`, what a forward pass takes, where that is less than loaders take.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>? = nil) throws -> Int? {
    guard let value = value(key) else { return nil }
    let range = range ?? self.range(of: key)
    let list = keys[key]?.form == .singleOrPerBlock ? value.integers : nil
    guard let number = value.integer ?? (list == nil ? nil : value.commonInteger), range.contains(number)
    else {
      let isList = list.map { Set($0).count > 1 && $0.allSatisfy(range.contains) } ?? false
      guard isList else { throw fault(key, expected: Self.phrase(range)) }
      var error = fault(key, expected: "one number for all layers")
      error.code = .notSupported
      error.fault.remedy = "layers of different sizes are not supported yet"
      throw error
    }
    return number
  }

  func integer(_ key: String, in range: ClosedRange<Int>? = nil) throws -> Int {
    guard let number = try optionalInteger(key, in: range) else {
      throw fault(key, expected: Self.phrase(range ?? self.range(of: key)))
    }
    return number
  }

  private static func phrase(_ range: ClosedRange<Int>) -> String {
    "a whole number from \(range.lowerBound) to \(range.upperBound)"
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
