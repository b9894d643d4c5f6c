internal import CheckpointConversion
internal import Crypto
internal import FileBytes
internal import GGUFFormat
internal import MemoryEstimation
internal import ModelDescriptions
internal import ModelEvaluation
internal import OutputValidation
internal import QuantRecipes
internal import TensorTypes

/// Reads the files of a card.
struct FileReader {
  /// The contexts for which memory is told; longer ones than the model's own become that.
  let contexts: [Int]
  let onProgress: (_ done: Int, _ total: Int) -> Void
  let isCancelled: () -> Bool

  private static let pieceByteCount = 4 << 20

  /// Reads the headers of all files, and makes sure that they are of one model.
  func read(_ paths: [String]) throws -> [ReadFile] {
    for (index, path) in paths.enumerated() { try Self.checkName(path, before: paths[..<index]) }
    let files = try paths.map { path in
      try FileSystem.kind(of: path) == .folder ? folder(path) : gguf(path)
    }
    for (index, file) in files.enumerated() {
      guard let twin = files[..<index].first(where: { $0.card.contentXXH64 == file.card.contentXXH64 }) else {
        continue
      }
      throw CardError(
        .givenTwice,
        Fault(file: file.path, expected: "each file once", found: "the same content as \(twin.path)"))
    }
    let models = files.filter { $0.facts != nil }
    guard let first = models.first else {
      throw CardError(
        .visionTower,
        Fault(
          file: files.first?.path ?? "", expected: "a file of the language model",
          found: "a vision tower (mmproj)", remedy: "give the language model's files, too"))
    }
    for file in models.dropFirst() { try Self.check(file, against: first) }
    return files
  }

  /// Hashes all bytes, which takes a while, when nothing else is wrong.
  func hash(_ files: inout [ReadFile]) throws {
    let total = files.reduce(0) { $0 + $1.card.bytes }
    var done = 0
    for index in files.indices {
      for part in files[index].card.parts.indices {
        let path = FileSystem.folder(of: files[index].path, joined: files[index].card.parts[part].name)
        files[index].card.parts[part].sha256 = try sha256(of: path) { count in
          done += count
          onProgress(done, total)
        }
      }
    }
  }

  private static func check(_ file: ReadFile, against first: ReadFile) throws {
    func refusal(_ expected: String, _ found: String) -> CardError {
      CardError(
        .otherModel,
        Fault(
          file: file.path, expected: "\(expected), as \(first.path) has", found: found,
          remedy: "make a card for each model"))
    }
    guard file.facts == first.facts else {
      throw refusal(first.facts?.text ?? "none", file.facts?.text ?? "none")
    }
    let (own, other) = (file.card.provenance?.configHash, first.card.provenance?.configHash)
    if let own, let other, own != other {
      throw refusal("a checkpoint whose config.json is \(other)", own)
    }
    if own != nil, other != nil, !file.sourceHashes.isEmpty, !first.sourceHashes.isEmpty,
      Set(file.sourceHashes) != Set(first.sourceHashes)
    {
      throw refusal(
        "source weights \(first.sourceHashes.joined(separator: ", "))",
        file.sourceHashes.joined(separator: ", "))
    }
  }

  /// Refuses names that cannot stand in a list of checksums or would be two rows that nobody tells apart.
  private static func checkName(_ path: String, before others: ArraySlice<String>) throws {
    let name = ModelFolder(path).name
    let inside =
      FileSystem.kind(of: path) == .folder
      ? FileSystem.contents(of: path).filter { $0.hasSuffix(".safetensors") } : []
    if let odd = ([name] + inside).first(where: PlainNames.hasControls) {
      throw CardError(
        .badName,
        Fault(
          file: PlainNames.shown(path), expected: "a name without control characters and ends of lines",
          found: PlainNames.shown(odd), remedy: "rename it"))
    }
    guard let twin = others.first(where: { ModelFolder($0).name == name }) else { return }
    let isSame = FileSystem.resolved(twin) == FileSystem.resolved(path)
    throw CardError(
      isSame ? .givenTwice : .sameName,
      Fault(
        file: path, expected: isSame ? "each file once" : "files with names of their own",
        found: isSame ? "the same file as \(twin)" : "the name of \(twin)",
        remedy: isSame ? "" : "rename one of them, as they will be called beside the card"))
  }

  // MARK: - GGUF

  private func gguf(_ path: String) throws -> ReadFile {
    let set = try GGUFSplitSet(path: path)
    if Self.isVisionTower(set) { return try visionTower(path, set) }
    let priced = try ModelSource(path).price(EstimateRequest(mix: nil))
    let record = ProvenanceRecord.read(set.metadata).record
    let provenance = record.map(CardFile.Provenance.init)
    let recipe = record?.describesFile == true ? record?.recipe?.name : nil
    let parts = Self.parts(set)
    let card = CardFile(
      name: FileSystem.name(of: path), format: "GGUF", type: recipe ?? priced.mix,
      bytes: parts.reduce(0) { $0 + $1.bytes }, bitsPerWeight: priced.bitsPerWeight, parts: parts,
      contentXXH64: try ModelFingerprint.ofContent(path), memory: try memory(priced), provenance: provenance)
    return ReadFile(
      path: path, card: card, facts: ModelFacts(priced.model), contextLength: priced.model.contextLength,
      parameters: priced.parameterCount, activeParameters: priced.activeParameterCount,
      origin: CardOrigin(gguf: set.metadata),
      sourceHashes: record?.configHash == nil ? [] : record?.sources.map(\.sampleHash) ?? [])
  }

  private static func parts(_ set: GGUFSplitSet) -> [CardFile.Part] {
    set.files.map {
      CardFile.Part(name: FileSystem.name(of: $0.file.path), bytes: $0.file.byteCount, sha256: "")
    }
  }

  private static func isVisionTower(_ set: GGUFSplitSet) -> Bool {
    set.value("general.architecture")?.text == VisionTower.architecture
      || set.value("general.type")?.text == "mmproj"
  }

  /// A row for a tower: what the header says, without losses and memory, which are the language model's.
  private func visionTower(_ path: String, _ set: GGUFSplitSet) throws -> ReadFile {
    let parts = Self.parts(set)
    let mix = (set.value("general.file_type")?.integer).flatMap { try? StockMix(name: "\($0)") }
    let card = CardFile(
      name: FileSystem.name(of: path), format: "GGUF", type: mix?.rawValue ?? "as stored",
      role: "vision tower", bytes: parts.reduce(0) { $0 + $1.bytes }, parts: parts,
      contentXXH64: try ModelFingerprint.ofContent(path), memory: [])
    return ReadFile(
      path: path, card: card, parameters: 0, activeParameters: 0, origin: CardOrigin(), sourceHashes: [])
  }

  private func memory(_ priced: PricedModel) throws -> [CardFile.Memory] {
    let own = priced.model.contextLength ?? .max
    var lengths: [Int] = []
    for length in contexts.map({ min($0, own) }) where !lengths.contains(length) { lengths.append(length) }
    return try lengths.map { length in
      var run = RunOptions(contextLength: length)
      try run.check()
      let bytes = try priced.memory(of: .llamaCpp, run).totalBytes
      run.repacks = true
      let repacked = try priced.memory(of: .llamaCpp, run).totalBytes
      var machines: [String] = []
      for kind in ["macbook-", "linux-"] {
        let fitting = try Machine.presetNames.filter { $0.hasPrefix(kind) }.first { name in
          let machine = try Machine.preset(name)
          return (machine.usesRepackedWeights ? repacked : bytes) <= machine.availableBytes
        }
        if let fitting { machines.append(fitting) }
      }
      return CardFile.Memory(context: length, bytes: bytes, machines: machines)
    }
  }

  // MARK: - MLX

  private func folder(_ path: String) throws -> ReadFile {
    try Self.checkComplete(path)
    let config = try ModelConfig(folder: path)
    let priced = try ModelSource(path).price(EstimateRequest(mix: .bf16, wishes: Self.headersOnly))
    let name = ModelFolder(path).name
    let shards = FileSystem.contents(of: path).sorted().filter { $0.hasSuffix(".safetensors") }
    let parts = try shards.map {
      CardFile.Part(
        name: "\(name)/\($0)", bytes: try ReadableFile(path: "\(path)/\($0)").byteCount, sha256: "")
    }
    guard let codes = config["quantization"], let bits = codes["bits"]?.integer else {
      throw CardError(
        .notQuantized,
        Fault(
          file: path, subject: "config.json", expected: "quantization with bits, as MLX writes it",
          found: "none",
          remedy: "give GGUF files and folders that pouch-convert --format mlx or mlx_lm made"))
    }
    let mode = codes["mode"]?.text ?? "affine"
    let groups = codes["group_size"]?.integer.map { ", groups of \($0)" } ?? ""
    let index = try? JSONValue(contentsOf: path + "/model.safetensors.index.json")
    let weights = index?["metadata"]?["total_parameters"]?.integer
    let size = index?["metadata"]?["total_size"]?.integer
    let bitsPerWeight = weights.flatMap { weights in
      size.flatMap { weights > 0 && $0 > 0 ? Double($0) * 8 / Double(weights) : nil }
    }
    let card = CardFile(
      name: name, format: "MLX", type: (mode == "affine" ? "\(bits) bits" : mode) + groups,
      bytes: parts.reduce(0) { $0 + $1.bytes }, bitsPerWeight: bitsPerWeight, parts: parts,
      contentXXH64: try ModelFingerprint.ofContent(path), memory: [])
    return ReadFile(
      path: path, card: card, facts: ModelFacts(priced.model), contextLength: priced.model.contextLength,
      parameters: priced.parameterCount, activeParameters: priced.activeParameterCount, origin: CardOrigin(),
      sourceHashes: [])
  }

  /// Refuses a folder that nothing loads.
  private static func checkComplete(_ path: String) throws {
    let names = Set(FileSystem.contents(of: path))
    func require(_ isThere: Bool, _ expected: String, _ found: String) throws {
      guard !isThere else { return }
      throw CardError(
        .incompleteFolder,
        Fault(
          file: path, expected: expected, found: found,
          remedy: "give the whole folder, as pouch-convert --format mlx or mlx_lm made it"))
    }
    try require(names.contains("config.json"), "config.json", "no such file")
    let tokenizers: Set = ["tokenizer.json", "tokenizer.model", "vocab.json", "tiktoken.model"]
    try require(!tokenizers.isDisjoint(with: names), "a tokenizer, such as tokenizer.json", "none")
    let index = "model.safetensors.index.json"
    if names.contains(index),
      case .object(let map)? = try JSONValue(contentsOf: "\(path)/\(index)")["weight_map"]
    {
      let missing = Set(map.values.compactMap(\.text)).subtracting(names).sorted()
      try require(
        missing.isEmpty, "the files that \(index) names", "no \(missing.prefix(3).joined(separator: ", "))")
    }
    try require(
      names.contains { $0.hasPrefix("model") && $0.hasSuffix(".safetensors") }, "weights, model*.safetensors",
      "none")
  }

  /// What a checkpoint is, from its headers.
  static func facts(ofCheckpoint path: String) throws -> ModelFacts {
    ModelFacts(try ModelSource(path).price(EstimateRequest(mix: .bf16, wishes: headersOnly)).model)
  }

  private static var headersOnly: ConversionRequest {
    var wishes = ConversionRequest(source: "", outputType: .auto)
    wishes.samplesSources = false
    return wishes
  }

  // MARK: - Hashes

  private func sha256(of path: String, _ progress: (Int) -> Void) throws -> String {
    let file = try ReadableFile(path: path)
    var hash = SHA256()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceByteCount, alignment: 64)
    defer { piece.deallocate() }
    var offset = 0
    while offset < file.byteCount {
      if isCancelled() {
        throw CardError(.interrupted, Fault(file: path, expected: "to finish", found: "an interruption"))
      }
      let part = UnsafeMutableRawBufferPointer(
        rebasing: piece[..<min(piece.count, file.byteCount - offset)])
      try file.read(at: offset, into: part)
      hash.update(bufferPointer: UnsafeRawBufferPointer(part))
      offset += part.count
      progress(part.count)
    }
    return hash.finalize().hexadecimal()
  }
}

extension CardFile.Provenance {
  init(_ record: ProvenanceRecord) {
    let builtIn = record.recipe.flatMap { stated in
      // The name comes from the file and must not be taken for a path.
      RecipeLibrary.names.contains(stated.name) ? try? RecipeLibrary.recipe(stated.name) : nil
    }
    self.init(
      version: record.version, mix: record.mix, recipe: record.recipe?.name,
      isBuiltInRecipe: builtIn.map { Provenance.text($0.hash) == record.recipe?.hash } ?? false,
      flags: record.flags, sourceFiles: record.sources.map(\.name), configHash: record.configHash,
      importanceFile: record.importanceFile, importanceHash: record.importanceHash,
      describesFile: record.describesFile)
  }
}

extension FileSystem {
  /// The path of a part of a model: beside the file, or below the folder that it is named with.
  fileprivate static func folder(of path: String, joined name: String) -> String {
    let inside = name.split(separator: "/").last.map(String.init) ?? name
    return (kind(of: path) == .folder ? path : folder(of: path)) + "/" + inside
  }
}
