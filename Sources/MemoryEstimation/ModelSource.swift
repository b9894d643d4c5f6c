internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import SafetensorsFormat
internal import TensorTypes
internal import TextTokenizers
internal import ZstdStreams

/// Something that tells the sizes of a model: a GGUF, the headers or the index of a checkpoint, a configuration, a name.
package struct ModelSource: Sendable {
  enum Kind: Sendable {
    case gguf(GGUFSplitSet)
    /// A folder with all headers and a tokenizer: planned as the conversion plans it.
    case checkpoint(folder: String)
    case outline(CheckpointOutline, basis: String)
  }

  /// The text given.
  package let name: String
  let kind: Kind
  /// What was missing and how it was made up for.
  let notices: [Wording]

  /// Finds out what `text` is.
  ///
  /// - Parameters:
  ///   - text: A path or the name of a built-in model.
  ///   - tokenizerFolder: Where tokenizer and model card are taken from instead of the source.
  /// - Throws: ``EstimationError`` and the errors of the readers.
  package init(_ text: String, tokenizerFolder: String? = nil) throws {
    name = text
    var notices: [Wording] = []
    switch FileSystem.kind(of: text) {
    case .folder: kind = try Self.folder(text, tokenizerFolder, &notices)
    case .file: kind = try Self.file(text, tokenizerFolder, &notices)
    case .missing where Self.looksLikePath(text):
      throw EstimationError(
        .unknownSource,
        Fault(
          file: text, expected: "a GGUF, a checkpoint folder, an index, a config.json or a model's name",
          found: "no such file"))
    case .missing:
      let (name, config) = try BuiltInModels.config(named: text)
      let files = try TokenizerFolder(tokenizerFolder ?? name)
      kind = try Self.outline(config, index: nil, files, basis: "built-in config")
    case .other:
      throw EstimationError(
        .unknownSource, Fault(file: text, expected: "a file or a folder", found: "a device or a socket"))
    }
    self.notices = notices
  }

  private static func looksLikePath(_ text: String) -> Bool {
    [".gguf", ".json", ".safetensors"].contains(where: text.hasSuffix) || text.hasPrefix("/")
      || text.hasPrefix(".")
  }

  private static func file(_ path: String, _ tokenizerFolder: String?, _ notices: inout [Wording]) throws
    -> Kind
  {
    let file = try ReadableFile(path: path)
    if file.byteCount >= 4, try file.bytes(at: 0, count: 4) == Array("GGUF".utf8) {
      return .gguf(try GGUFSplitSet(path: path, allowsForeignTypes: true))
    }
    let folder = FileSystem.folder(of: path)
    if path.hasSuffix(".index.json") {
      return try index(path, folder: folder, tokenizerFolder)
    }
    guard path.hasSuffix(".json") else {
      let seen = SourceRecognition.file(path, wanted: .model)
      throw EstimationError(
        .unknownSource,
        Fault(
          file: path, expected: "a GGUF, a config.json or a model.safetensors.index.json",
          found: seen.found, remedy: seen.remedy))
    }
    let config = try ModelConfig(contentsOf: path)
    return try outline(
      config, index: nil, try TokenizerFolder(tokenizerFolder ?? folder), basis: "config.json")
  }

  private static func folder(_ path: String, _ tokenizerFolder: String?, _ notices: inout [Wording]) throws
    -> Kind
  {
    let config: ModelConfig
    do {
      config = try ModelConfig(folder: path)
    } catch let error as FileError where error.code == .notAModel {
      throw EstimationError(.incompleteSource, error.fault)
    }
    try SizeLimits.check(
      try HyperParameters(config: config, family: try ModelFamily.family(of: config)), file: config.file)
    let files = try TokenizerFolder(tokenizerFolder ?? path)
    do {
      let checkpoint = try SafetensorsCheckpoint(
        folder: path, requireData: false, decompressor: { try ZstdReader(path: $0) })
      if tokenizerFolder == nil, hasTokenizer(files) { return .checkpoint(folder: path) }
      return try outline(
        config, tensors: checkpoint.tensors.map(\.tensor),
        shardNames: checkpoint.shards.map { FileSystem.name(of: $0.path) }, files,
        basis: "checkpoint headers",
        choices: checkpoint.choices)
    } catch let error as FileError where error.code == .lfsPointer {
      notices.append("\(error.fault.file): \(error.fault.found); sizes are from the small files alone")
      let indexPath = path + "/" + SafetensorsIndex.fileName
      if FileSystem.kind(of: indexPath) == .file {
        return try index(indexPath, folder: path, tokenizerFolder)
      }
      return try outline(config, index: nil, files, basis: "config.json")
    } catch let error as SafetensorsError where error.code == .missingShards || error.code == .noCheckpoint {
      let indexPath = path + "/" + SafetensorsIndex.fileName
      if FileSystem.kind(of: indexPath) == .file {
        notices.append("shards are missing; names are from the index, shapes from config.json")
        return try index(indexPath, folder: path, tokenizerFolder)
      }
      guard error.code == .noCheckpoint else { throw error }
      notices.append(
        "the folder has no weights to read (\(error.fault.found)); sizes are from config.json alone")
      return try outline(config, index: nil, files, basis: "config.json")
    }
  }

  private static func index(_ path: String, folder: String, _ tokenizerFolder: String?) throws -> Kind {
    let file = try ReadableFile(path: path)
    guard file.byteCount <= SafetensorsIndex.maximumByteCount else {
      throw EstimationError(
        .incompleteSource,
        Fault(
          file: path, expected: "an index of at most \(SafetensorsIndex.maximumByteCount) bytes",
          found: "\(file.byteCount)"))
    }
    let index = try SafetensorsIndex(parsing: try file.bytes(at: 0, count: file.byteCount), file: path)
    guard FileSystem.kind(of: folder + "/config.json") == .file else {
      throw EstimationError(
        .incompleteSource,
        Fault(
          file: path, expected: "a config.json beside the index, which has no shapes", found: "none",
          remedy: "fetch the model's config.json"))
    }
    let config = try ModelConfig(contentsOf: folder + "/config.json")
    return try outline(
      config, index: index, try TokenizerFolder(tokenizerFolder ?? folder), basis: "checkpoint index")
  }

  /// An outline from a configuration, with the tensors that an index names if there is one.
  private static func outline(
    _ config: ModelConfig, index: SafetensorsIndex?, _ files: TokenizerFolder, basis: String
  ) throws -> Kind {
    try SizeLimits.check(
      try HyperParameters(config: config, family: try ModelFamily.family(of: config)), file: config.file)
    let tensors =
      try index.map { try ModelDescription.tensors(named: $0.weightMap.keys.sorted(), config: config) }
      ?? ModelDescription.expectedTensors(config: config)
    return try outline(
      config, tensors: tensors, shardNames: index?.shardNames ?? [], files, basis: basis,
      tensorsAreExpected: index == nil)
  }

  private static func outline(
    _ config: ModelConfig, tensors: [SourceTensor], shardNames: [String], _ files: TokenizerFolder,
    basis: String, choices: [String] = [], tensorsAreExpected: Bool = false
  ) throws -> Kind {
    try SizeLimits.check(
      try HyperParameters(config: config, family: try ModelFamily.family(of: config)), file: config.file)
    try SizeLimits.check(tensors, file: config.file)
    return .outline(
      CheckpointOutline(
        config: config, tensors: tensors, files: files, hasVocabulary: hasTokenizer(files),
        shardNames: shardNames, choices: choices, tensorsAreExpected: tensorsAreExpected),
      basis: basis)
  }

  private static func hasTokenizer(_ files: TokenizerFolder) -> Bool {
    files.tokenizer != nil || FileSystem.kind(of: files.path("tokenizer.model")) == .file
  }
}
