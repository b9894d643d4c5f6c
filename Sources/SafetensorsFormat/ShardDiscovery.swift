internal import FileBytes

/// A shard that was found in a folder, before its header is read.
struct FoundShard {
  /// The name without a `.zst` ending, as the index has it.
  var name: String
  /// Where the file is.
  var path: String
  /// True for `NAME.zst`.
  var isCompressed: Bool
}

/// Finds the shards of a checkpoint folder.
struct ShardDiscovery {
  /// The folder as the user named it.
  let folder: String

  /// The path of `name` in the folder.
  func path(_ name: String) -> String { folder.hasSuffix("/") ? folder + name : folder + "/" + name }

  /// Looks for `name` and `name.zst`; the plain file is preferred.
  func find(_ name: String) -> FoundShard? {
    if isFile(path(name)) { return FoundShard(name: name, path: path(name), isCompressed: false) }
    let compressed = path(name + ".zst")
    return isFile(compressed) ? FoundShard(name: name, path: compressed, isCompressed: true) : nil
  }

  /// True when something that is not a folder exists at `path`.
  func isFile(_ path: String) -> Bool { [.file, .other].contains(FileSystem.kind(of: path)) }

  /// Finds all of `names`, or reports every missing one.
  func find(all names: [String]) throws(SafetensorsError) -> [FoundShard] {
    var found: [FoundShard] = []
    var missing: [String] = []
    for name in names {
      if let shard = find(name) { found.append(shard) } else { missing.append(name) }
    }
    guard missing.isEmpty else {
      throw SafetensorsError(
        .missingShards,
        Fault(
          file: folder, expected: "\(names.count) shards",
          found: "\(found.count); missing: " + missing.prefix(1000).joined(separator: ", ")
            + (missing.count > 1000 ? " and \(missing.count - 1000) more" : ""),
          remedy: "fetch the missing files"))
    }
    return found
  }

  /// Finds the shards of a folder without index and `model.safetensors`: a complete set of
  /// `model-0000X-of-0000Y.safetensors`.
  func findNumberedSet() throws(SafetensorsError) -> [FoundShard] {
    let names = Set(
      FileSystem.contents(of: folder).compactMap { name -> String? in
        if name.hasSuffix(".safetensors") { return name }
        return name.hasSuffix(".safetensors.zst") ? String(name.dropLast(4)) : nil
      })
    let counts = Set(names.compactMap { Self.shardCount($0) })
    guard let count = counts.first, counts.count == 1 else {
      let seen = SourceRecognition.folder(folder, wanted: .checkpoint)
      let isMixed = counts.count > 1
      throw SafetensorsError(
        .noCheckpoint,
        Fault(
          file: folder,
          expected:
            "\(SafetensorsIndex.fileName), model.safetensors or a set of model-00001-of-0000N.safetensors",
          found: isMixed
            ? "shards of \(counts.count) sets: of \(counts.sorted().map(String.init).joined(separator: " and of "))"
            : seen.found,
          remedy: isMixed ? "remove all sets but one, or fetch the index" : seen.remedy))
    }
    return try find(all: (1...count).map { Self.shardName($0, of: count) })
  }

  /// `model-%05d-of-%05d.safetensors`.
  static func shardName(_ number: Int, of count: Int) -> String {
    "model-\(fiveDigits(number))-of-\(fiveDigits(count)).safetensors"
  }

  /// The count in a name of that form with a number in range.
  static func shardCount(_ name: String) -> Int? {
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "model", parts[2] == "of", parts[3].hasSuffix(".safetensors"),
      let number = Int(parts[1]), let count = Int(parts[3].dropLast(12)), number >= 1, number <= count,
      count <= 99_999,
      name == shardName(number, of: count)
    else { return nil }
    return count
  }

  private static func fiveDigits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }
}
