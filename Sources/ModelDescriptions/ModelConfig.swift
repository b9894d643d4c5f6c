package import FileBytes

/// The configuration of a checkpoint, `config.json`, with typed access.
///
/// For models with several parts the values of `text_config` take precedence over those at the root. A key whose
/// value is `null` counts as absent.
package struct ModelConfig: Sendable {
  /// The name that errors give.
  package let file: String
  /// The document as it is.
  package let document: JSONValue
  /// The values that count, including a family's defaults once ``filled(with:)`` was applied.
  package private(set) var values: [String: JSONValue]
  /// A family's own names of keys, by the names that they have in other families.
  private var ownNames: [String: String] = [:]
  /// The keys that may hold a list of one number for each layer, all equal.
  private var listedKeys: Set<String> = []

  /// Takes a parsed document.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig` when it is not an object.
  package init(document: JSONValue, file: String) throws {
    guard let root = document.members else {
      throw DescriptionError(
        .invalidConfig, Fault(file: file, expected: "a JSON object", found: document.summary))
    }
    self.file = file
    self.document = document
    values = root.filter { $0.value != .null }
    for (key, value) in document["text_config"]?.members ?? [:] where value != .null { values[key] = value }
  }

  /// Parses the bytes of a file.
  ///
  /// - Throws: `TokenizerError` when it is not JSON, ``DescriptionError`` when it is not an object.
  package init(parsing bytes: [UInt8], file: String = "config.json") throws {
    try self.init(document: try JSONValue(parsing: bytes, file: file), file: file)
  }

  /// Reads a file, and `hf_quant_config.json` beside it where the file itself says nothing of quantization.
  ///
  /// - Throws: `FileError`, `TokenizerError` or ``DescriptionError``.
  package init(contentsOf path: String) throws {
    let document = try JSONValue(contentsOf: path)
    try self.init(document: try Self.withQuantization(document, beside: path), file: path)
  }

  /// Adds what NVIDIA's Model Optimizer says of quantization in a file of its own.
  private static func withQuantization(_ document: JSONValue, beside path: String) throws -> JSONValue {
    let other = FileSystem.folder(of: path) + "/hf_quant_config.json"
    guard var members = document.members, document["quantization_config"] == nil,
      FileSystem.kind(of: other) == .file,
      var entry = try JSONValue(contentsOf: other)["quantization"]?.members
    else { return document }
    entry["quant_method"] = entry["quant_method"] ?? .string("modelopt")
    members["quantization_config"] = .object(entry)
    return .object(members)
  }

  /// Reads `config.json` of a checkpoint folder.
  ///
  /// - Parameters:
  ///   - folder: The folder.
  ///   - wanted: What the command takes, for the message about a folder that is none of it.
  /// - Throws: `FileError` for a folder without one, which says what the folder is; else as ``init(contentsOf:)``.
  package init(folder: String, wanted: SourceRecognition.Wanted = .model) throws {
    try SourceRecognition.requireConfig(in: folder, wanted: wanted)
    try self.init(contentsOf: folder + (folder.hasSuffix("/") ? "config.json" : "/config.json"))
  }

  /// A copy as the family's configuration class sees it: absent keys have the values that it gives them, and those
  /// that have names of their own are found under the common ones, too.
  func seen(by family: ModelFamily) -> ModelConfig {
    var copy = self
    copy.values.merge(family.defaults) { own, _ in own }
    copy.ownNames = family.keyNames
    copy.listedKeys = family.listedKeys
    return copy
  }

  /// The name under which a value stands: the family's own, or the common one.
  private func name(_ key: String) -> String {
    if let own = ownNames[key], values[own] != nil || values[key] == nil { own } else { key }
  }

  /// The first of `architectures`, that of the text part if it has its own.
  package var architecture: String? {
    let own = document["text_config"]?["architectures"]?.elements?.first?.text
    return own ?? document["architectures"]?.elements?.first?.text
  }

  /// The `model_type` at the root.
  package var modelType: String? { document["model_type"]?.text }

  /// The value of `key`, `nil` when absent or `null`.
  package subscript(key: String) -> JSONValue? { values[name(key)] }

  /// Whether `key` is there with the value `null`, which switches some things off that are on when it is absent.
  package func isNull(_ key: String) -> Bool {
    let key = name(key)
    if let text = document["text_config"], text.hasKey(key) { return text[key] == nil }
    return document.hasKey(key) && document[key] == nil
  }

  private func fault(_ key: String, expected: String, found: JSONValue?) -> DescriptionError {
    DescriptionError(
      .invalidConfig,
      Fault(file: file, subject: name(key), expected: expected, found: found?.summary ?? "no such key"))
  }

  /// An error about the value of `key`.
  package func invalid(_ key: String, expected: String) -> DescriptionError {
    fault(key, expected: expected, found: self[key])
  }

  /// The number that all elements of a list are, one for each layer as some families have it.
  private func common(_ key: String, _ value: JSONValue) -> Int? {
    guard listedKeys.contains(name(key)), let elements = value.elements, let first = elements.first,
      elements.allSatisfy({ $0 == first })
    else { return nil }
    return first.integer
  }

  /// A whole number in `range`, or `nil` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  package func optionalInteger(_ key: String, in range: ClosedRange<Int> = 0...(1 << 31)) throws -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.integer ?? common(key, value), range.contains(number) else {
      throw fault(
        key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)", found: value)
    }
    return number
  }

  /// A whole number in `range`.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`, also when the key is absent.
  package func integer(_ key: String, in range: ClosedRange<Int> = 1...(1 << 24)) throws -> Int {
    guard let number = try optionalInteger(key, in: range) else {
      throw fault(key, expected: "a whole number", found: nil)
    }
    return number
  }

  /// A number, or `nil` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  package func optionalNumber(_ key: String) throws -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.double, number.isFinite else {
      throw fault(key, expected: "a number (not NaN or infinite)", found: value)
    }
    return number
  }

  /// A factor above 0 in 32 bits, as files have it, or `nil` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`; also for 0, which readers of files take for no factor.
  package func optionalFactor(_ key: String) throws -> Double? {
    guard let number = try optionalNumber(key) else { return nil }
    guard Float(number) > 0, Float(number).isFinite else { throw invalid(key, expected: "a number above 0") }
    return number
  }

  /// A Boolean; `false` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  package func flag(_ key: String) throws -> Bool {
    guard let value = self[key] else { return false }
    guard let flag = value.flag else { throw fault(key, expected: "true or false", found: value) }
    return flag
  }

  /// A list of strings, or `nil` when the key is absent.
  ///
  /// - Throws: ``DescriptionError`` with `invalidConfig`.
  package func optionalStrings(_ key: String) throws -> [String]? {
    guard let value = self[key] else { return nil }
    guard let elements = value.elements, case let texts = elements.compactMap(\.text),
      texts.count == elements.count
    else { throw fault(key, expected: "a list of strings", found: value) }
    return texts
  }
}
