internal import FileBytes
internal import ImportanceData
internal import QuantRecipes
internal import TensorTypes

/// Where an output comes from, as metadata entries whose keys start with `pouch.`; llama.cpp ignores them.
///
/// Everything in them follows from the inputs: no time, no path beyond file names, no machine. The hashes are
/// XXH64 and written `xxh64:` with 16 hex digits; they tell inputs apart and prove nothing against forgery.
///
/// | key | value |
/// |---|---|
/// | `pouch.version` | the version that wrote the file |
/// | `pouch.mix` | the stock mix at the bottom |
/// | `pouch.recipe.name`, `.hash`, `.bases` | the recipe, the hash of its file, name and hash of what it stands on |
/// | `pouch.flags` | flags that had an influence on tensors or metadata |
/// | `pouch.source.files`, `.bytes` | names and sizes of the source files |
/// | `pouch.source.header_hashes` | hash of each source file's header: all names, shapes, types and offsets |
/// | `pouch.source.sample_hashes` | hash of 64 samples of each source file, see ``sampleHash(of:)`` |
/// | `pouch.config.hash` | hash of the checkpoint's `config.json` |
/// | `pouch.imatrix.file`, `.hash` | the importance matrix; XXH64 of each mebibyte, seeded with that of the one before |
package enum Provenance {
  /// The start of all keys.
  package static let prefix = "pouch."

  private static let sampleCount = 64
  private static let sampleByteCount = 4096

  /// The entries for a plan.
  ///
  /// - Throws: `FileError` when a file cannot be read.
  static func entries(
    _ draft: PlanDraft, request: ConversionRequest, mix: StockMix, importanceHash: UInt64?
  ) throws -> [MetadataEntry] {
    var entries: [MetadataEntry] = []
    func add(_ key: String, _ value: MetadataValue) { entries.append(MetadataEntry(prefix + key, value)) }
    func add(_ key: String, _ values: [String]) { if !values.isEmpty { add(key, .array(.string(values))) } }
    add("version", .string(ConversionPlan.writerVersion))
    add("mix", .string(mix.rawValue))
    if let recipe = request.mixOptions.recipe {
      add("recipe.name", .string(recipe.name))
      add("recipe.hash", .string(text(recipe.hash)))
      add("recipe.bases", recipe.origins.dropFirst().map { "\($0.name) \(text($0.hash))" })
    }
    add("flags", flags(request))
    let files = draft.sourceFiles
    add("source.files", files.map { FileSystem.name(of: $0.path) })
    add("source.bytes", .array(.uint64(files.map { UInt64($0.byteCount) })))
    add("source.header_hashes", files.map { text($0.headerHash) })
    // Shards that end after their headers have nothing to sample, and outlines have no files at all: such plans are
    // not executed, and entries of the right length give them the right size.
    let isSampled = request.samplesSources && !request.headersOnly
    add("source.sample_hashes", try files.map { try text(isSampled ? sampleHash(of: $0.path) : 0) })
    if let path = draft.configPath {
      add("config.hash", .string(try text(request.headersOnly ? 0 : wholeHash(of: path))))
    }
    if let path = request.importancePath, let importanceHash {
      add("imatrix.file", .string(FileSystem.name(of: path)))
      add("imatrix.hash", .string(text(importanceHash)))
    }
    return entries
  }

  /// XXH64 of 64 samples of 4,096 bytes, sample *i* starting at byte ⌊(size - 4096) · *i* / 63⌋; of the whole file
  /// when it is no larger than all samples.
  ///
  /// Reading a checkpoint whole would cost a second pass: the hashes stand in the header, and a header is written
  /// before the weights are read. Samples cost 256 KiB per file. They tell apart any two trainings, since these
  /// differ everywhere, but not files that differ in a few bytes.
  ///
  /// - Throws: `FileError` when the file cannot be read.
  package static func sampleHash(of path: String) throws -> UInt64 {
    let file = try ReadableFile(path: path)
    guard file.byteCount > sampleCount * sampleByteCount else { return try wholeHash(of: path) }
    let ranges = (0..<sampleCount).map { index in
      let offset =
        (file.byteCount - sampleByteCount) / (sampleCount - 1) * index
        + (file.byteCount - sampleByteCount) % (sampleCount - 1) * index / (sampleCount - 1)
      return offset..<(offset + sampleByteCount)
    }
    let samples = try file.bytes(of: ranges)
    return samples.withUnsafeBytes { XXHash64.hash($0) }
  }

  static func wholeHash(of path: String) throws -> UInt64 {
    let file = try ReadableFile(path: path)
    return try file.bytes(at: 0, count: file.byteCount).withUnsafeBytes { XXHash64.hash($0) }
  }

  /// A hash as it is written in metadata.
  package static func text(_ hash: UInt64) -> String { "xxh64:" + XXHash64.text(hash) }

  /// The flags that chose types or metadata, as they would be typed.
  private static func flags(_ request: ConversionRequest) -> [String] {
    let options = request.mixOptions
    var flags = options.tensorTypeRules.map { "--tensor-type \($0.pattern)=\($0.type.name)" }
    if let type = options.outputTensorType { flags.append("--output-tensor-type \(type.name)") }
    if let type = options.tokenEmbeddingType { flags.append("--token-embedding-type \(type.name)") }
    if options.leaveOutputTensor { flags.append("--leave-output-tensor") }
    if options.pure { flags.append("--pure") }
    if options.allowRequantize { flags.append("--allow-requantize") }
    flags += request.includeWeights.map { "--include-weights \($0)" }
    flags += request.excludeWeights.map { "--exclude-weights \($0)" }
    if request.blindExperts != .ones { flags.append("--blind-experts \(request.blindExperts.rawValue)") }
    flags += request.overrides.map { "--override-kv \($0.key)" }
    if let pruned = request.prunedLayers {
      flags.append("--prune-layers " + pruned.layers.map(String.init).joined(separator: ","))
    }
    return flags
  }
}
