internal import FileBytes

/// Chooses among the sets of weights in a checkpoint folder.
///
/// A merge saved over a download, a repository with both a maker's layout and transformers', an index whose shards were
/// replaced: folders hold more than one candidate, and reading the wrong one goes unnoticed. The choice is that of
/// transformers' `from_pretrained` (`model.safetensors` before an index), so that both load the same numbers, and it
/// is said. What transformers cannot read, a `.zst` file, stands for its plain form and yields to a complete plain set.
struct WeightFiles {
  /// The files to read.
  let shards: [FoundShard]
  /// The index that they must agree with; `nil` when none counts.
  let index: SafetensorsIndex?
  /// What was chosen against what; empty for a folder with one set.
  let choices: [String]

  /// Finds the files.
  ///
  /// - Throws: ``SafetensorsError``, and `FileError` for an index that cannot be read.
  init(folder: String) throws {
    let discovery = ShardDiscovery(folder: folder)
    let single = discovery.find("model.safetensors")
    let indexPath = discovery.path(SafetensorsIndex.fileName)
    guard discovery.isFile(indexPath) else {
      index = nil
      shards = try single.map { [$0] } ?? discovery.findNumberedSet()
      choices = Self.choices(discovery, shards, taken: Self.title(shards), others: [])
      return
    }
    guard let single else {
      let parsed = try Self.readIndex(indexPath)
      shards = try discovery.find(all: parsed.shardNames)
      index = parsed
      choices = Self.choices(discovery, shards, taken: Self.title(parsed), others: [])
      return
    }
    // An index that is not used need not be sound.
    let parsed = Result { try Self.readIndex(indexPath) }
    if case .success(let parsed) = parsed {
      let listed = parsed.shardNames.compactMap(discovery.find)
      let isWhole = !listed.isEmpty && listed.count == parsed.shardNames.count
      let listsSingle = parsed.shardNames.contains(single.name)
      if listsSingle || single.isCompressed && isWhole && !listed.contains(where: \.isCompressed) {
        shards = try discovery.find(all: parsed.shardNames)
        index = parsed
        choices = Self.choices(
          discovery, shards, taken: Self.title(parsed),
          others: listsSingle ? [] : ["\(single.name).zst"])
        return
      }
      let gone = parsed.shardNames.count - listed.count
      shards = [single]
      index = nil
      choices = Self.choices(
        discovery, shards, taken: Self.title(shards),
        others: [
          Self.title(parsed)
            + (gone == 0
              ? ""
              : gone == parsed.shardNames.count ? ", which are not there" : ", \(gone) of which are missing")
        ], passedOver: Set(listed.map(\.name)))
      return
    }
    shards = [single]
    index = nil
    choices = Self.choices(
      discovery, shards, taken: Self.title(shards),
      others: ["\(SafetensorsIndex.fileName), which cannot be understood"])
  }

  private static func title(_ index: SafetensorsIndex) -> String {
    let count = index.shardNames.count
    return "\(SafetensorsIndex.fileName) with its \(count) shard\(count == 1 ? "" : "s")"
  }

  private static func title(_ shards: [FoundShard]) -> String {
    let first = shards.first.map { FileSystem.name(of: $0.path) } ?? ""
    return shards.count == 1 ? first : "the set of \(shards.count) shards from \(first)"
  }

  /// The sentence about everything in the folder that looks like weights of a model and is not read.
  ///
  /// `others` are sets that are not read, `passedOver` the names of the shards that belong to them.
  private static func choices(
    _ discovery: ShardDiscovery, _ shards: [FoundShard], taken: String, others: [String],
    passedOver: Set<String> = []
  ) -> [String] {
    let read = Set(shards.map { FileSystem.name(of: $0.path) })
    let mentioned = passedOver.union(passedOver.map { $0 + ".zst" }).union(others)
    let names = FileSystem.contents(of: discovery.folder).filter {
      !read.contains($0) && !mentioned.contains($0) && isWeights($0)
    }.sorted()
    let adapters = names.filter { $0.hasPrefix("adapter_model.") }
    let files = names.filter { !$0.hasPrefix("adapter_model.") }
    var result: [String] = []
    let unread = others + files.prefix(6) + (files.count > 6 ? ["\(files.count - 6) other files"] : [])
    if !unread.isEmpty {
      let reason = others.isEmpty ? "" : ", as transformers does"
      result.append(
        "of the weights in the folder, \(taken) is read\(reason); not read: "
          + unread.joined(separator: "; "))
    }
    if let adapter = adapters.first {
      result.append("\(adapter) is an adapter for the weights; it is not applied to them")
    }
    return result
  }

  /// Whether a file is one that programs load as a model's weights; optimizer states and the like are none.
  private static func isWeights(_ name: String) -> Bool {
    if name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.zst") { return true }
    return name.hasPrefix("pytorch_model") && name.hasSuffix(".bin")
      || name.hasPrefix("consolidated.") && name.hasSuffix(".pth")
  }

  private static func readIndex(_ path: String) throws -> SafetensorsIndex {
    let file = try ReadableFile(path: path)
    guard file.byteCount <= SafetensorsIndex.maximumByteCount else {
      throw SafetensorsError(
        .badIndex,
        Fault(
          file: path, expected: "an index of at most \(SafetensorsIndex.maximumByteCount) bytes",
          found: "\(file.byteCount)"))
    }
    return try SafetensorsIndex(parsing: try file.bytes(at: 0, count: file.byteCount), file: path)
  }
}
