internal import CheckpointConversion
internal import QuantRecipes
package import TensorTypes

/// What a file says of where it comes from, read from its `pouch.` keys; see ``Provenance``.
public struct ProvenanceRecord: Codable, Hashable, Sendable {
  /// A source file.
  public struct SourceFile: Codable, Hashable, Sendable {
    /// Its name without a folder.
    public var name: String
    /// Its size.
    public var bytes: UInt64
    /// The hash of its header.
    public var headerHash: String
    /// The hash of samples of it.
    public var sampleHash: String
  }

  /// What is known here of the recipe that is named.
  public enum RecipeStatus: String, Codable, Hashable, Sendable {
    /// A built-in recipe with this very text.
    case builtIn = "built in"
    /// The recipe that the user gave.
    case given
    /// No recipe of this name is built in.
    case unknown
    /// A built-in recipe, or what it stands on, has this name and another text.
    case otherHash = "other hash"
  }

  /// A recipe.
  public struct RecipeName: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// The hash of its file.
    public var hash: String
    /// Name and hash of what it stands on.
    public var bases: [String]
    /// Whether it is known here.
    public var status: RecipeStatus
  }

  /// The version of the writer.
  public var version: String?
  /// The stock mix at the bottom.
  public var mix: String?
  /// The recipe; `nil` without one.
  public var recipe: RecipeName?
  /// Flags that had an influence.
  public var flags: [String]
  /// The source files.
  public var sources: [SourceFile]
  /// The hash of the checkpoint's `config.json`; `nil` for other sources.
  public var configHash: String?
  /// The name of the importance matrix.
  public var importanceFile: String?
  /// The hash of the importance matrix.
  public var importanceHash: String?
  /// Whether this is about this very file; otherwise another tool quantized it later and kept the keys.
  public var describesFile: Bool

  /// Whether the sources are GGUF files.
  var isFromGGUF: Bool { sources.contains { $0.name.lowercased().hasSuffix(".gguf") } }
}

extension ProvenanceRecord {
  /// Reads the keys of a file.
  ///
  /// - Returns: The record, `nil` for a file without such keys, and findings about keys that make no sense.
  package static func read(_ metadata: [MetadataEntry]) -> (record: ProvenanceRecord?, findings: [Finding]) {
    let entries = metadata.filter { $0.key.hasPrefix(Provenance.prefix) }
    guard !entries.isEmpty else { return (nil, []) }
    var reader = KeyReader(entries: entries)
    let names = reader.texts("source.files")
    let sizes = reader.numbers("source.bytes")
    let headers = reader.texts("source.header_hashes")
    let samples = reader.texts("source.sample_hashes")
    var sources: [SourceFile] = []
    if names.count == sizes.count, names.count == headers.count, names.count == samples.count {
      sources = names.indices.map {
        SourceFile(name: names[$0], bytes: sizes[$0], headerHash: headers[$0], sampleHash: samples[$0])
      }
    } else {
      reader.findings.append(
        Finding(
          .warning, .wrongValue, Provenance.prefix + "source.files",
          expected: "as many sizes and hashes as files (\(names.count))",
          found: "\(sizes.count) sizes, \(headers.count) and \(samples.count) hashes",
          remedy: "the source files are not compared"))
    }
    let flags = reader.texts("flags")
    let mix = reader.text("mix")
    let fileType = metadata.first { $0.key == "general.file_type" }?.value.integer
    let stated = mix.flatMap { StockMix(rawValue: $0) }?.fileType.map(Int.init)
    let isOverridden = flags.contains("--override-kv general.file_type")
    var record = ProvenanceRecord(
      version: reader.text("version"), mix: mix, recipe: nil, flags: flags, sources: sources,
      configHash: reader.text("config.hash"), importanceFile: reader.text("imatrix.file"),
      importanceHash: reader.text("imatrix.hash"),
      describesFile: stated != nil && (stated == fileType || isOverridden))
    if let name = reader.text("recipe.name") {
      record.recipe = RecipeName(
        name: name, hash: reader.text("recipe.hash") ?? "", bases: reader.texts("recipe.bases"),
        status: .unknown)
    }
    return (record, reader.findings)
  }

  /// Looks for the recipe that is named, and notes what is known of it.
  ///
  /// - Parameter given: The recipe that the user gave.
  /// - Returns: The recipe with the very text that made the file; `nil` when it is not at hand.
  mutating func recognise(given: Recipe?) -> Recipe? {
    guard let stated = recipe else { return nil }
    func isSame(_ other: Recipe) -> Bool {
      other.name == stated.name && Provenance.text(other.hash) == stated.hash
        && other.origins.dropFirst().map { "\($0.name) \(Provenance.text($0.hash))" } == stated.bases
    }
    // The name comes from the file and must not be taken for a path.
    let builtIn = RecipeLibrary.names.contains(stated.name) ? try? RecipeLibrary.recipe(stated.name) : nil
    if let builtIn, isSame(builtIn) {
      recipe?.status = .builtIn
      return builtIn
    }
    if let given, isSame(given) {
      recipe?.status = .given
      return given
    }
    let hasName = builtIn != nil || given?.name == stated.name
    recipe?.status = hasName ? .otherHash : .unknown
    return nil
  }

  /// The values of a flag that may be repeated.
  func values(of flag: String) -> [String] {
    flags.filter { $0.hasPrefix(flag + " ") }.map { String($0.dropFirst(flag.count + 1)) }
  }

  /// The options that the flags stand for.
  ///
  /// - Returns: `nil` when a flag cannot be understood.
  var mixOptions: MixOptions? {
    var options = MixOptions()
    do {
      options.tensorTypeRules = try values(of: "--tensor-type").map { try TensorTypeRule(parsing: $0) }
      options.outputTensorType = try values(of: "--output-tensor-type").first.map {
        try TensorTypeRule.tensorType(named: $0)
      }
      options.tokenEmbeddingType = try values(of: "--token-embedding-type").first.map {
        try TensorTypeRule.tensorType(named: $0)
      }
    } catch {
      return nil
    }
    options.leaveOutputTensor = flags.contains("--leave-output-tensor")
    options.pure = flags.contains("--pure")
    options.allowRequantize = flags.contains("--allow-requantize")
    return options
  }

  /// Whether flags chose types.
  var hasTypeFlags: Bool {
    flags.contains { flag in
      ["--tensor-type ", "--output-tensor-type ", "--token-embedding-type "].contains { flag.hasPrefix($0) }
        || ["--leave-output-tensor", "--pure"].contains(flag)
    }
  }
}

/// Reads keys and notes those of another type.
private struct KeyReader {
  let entries: [MetadataEntry]
  var findings: [Finding] = []

  init(entries: [MetadataEntry]) { self.entries = entries }

  private mutating func value<Value>(
    _ key: String, _ wanted: String, _ read: (MetadataValue) -> Value?
  ) -> Value? {
    guard let entry = entries.first(where: { $0.key == Provenance.prefix + key }) else { return nil }
    if let value = read(entry.value) { return value }
    findings.append(
      Finding(
        .warning, .wrongKeyType, entry.key, expected: wanted, found: "another type",
        remedy: "this part of the provenance is left out"))
    return nil
  }

  mutating func text(_ key: String) -> String? { value(key, "a text", \.text) }

  mutating func texts(_ key: String) -> [String] {
    value(key, "an array of texts") {
      if case .array(.string(let texts)) = $0 { texts } else { nil }
    } ?? []
  }

  mutating func numbers(_ key: String) -> [UInt64] {
    value(key, "an array of u64") {
      if case .array(.uint64(let numbers)) = $0 { numbers } else { nil }
    } ?? []
  }
}
