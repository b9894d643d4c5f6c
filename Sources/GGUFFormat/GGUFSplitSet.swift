internal import FileBytes
internal import Foundation
public import TensorTypes

/// A GGUF model as one list of tensors, whether it is one file or a set of shards.
public struct GGUFSplitSet: Sendable {
  /// A tensor and the file that holds it.
  public struct Tensor: Hashable, Sendable {
    /// The tensor as its file's header describes it.
    public var info: GGUFTensorInfo
    /// The index of the file in ``GGUFSplitSet/files``.
    public var shard: Int
    /// The first byte in that file.
    public var position: Int
  }

  /// The files; one for a model that is not split.
  public let files: [GGUFFile]
  /// The tensors by shard, then by position in the shard.
  public let tensors: [Tensor]
  /// Where each tensor is in ``tensors``.
  private let positions: [String: Int]

  /// The metadata of the first file, split keys included.
  public var metadata: [MetadataEntry] { files[0].metadata }
  /// True for a set of shards.
  public var isSplit: Bool { files.count > 1 }

  /// Opens a model by its only file or by its first shard.
  ///
  /// - Parameters:
  ///   - path: `MODEL.gguf`, or `MODEL-00001-of-0000N.gguf` of a complete set.
  ///   - requireData: False for files that may end right after their headers.
  ///   - allowsForeignTypes: Whether tensors may have types whose layout is not known here.
  /// - Throws: ``GGUFError`` (all missing shards in one error), or `FileError` when a file cannot be read.
  public init(path: String, requireData: Bool = true, allowsForeignTypes: Bool = false) throws {
    func file(_ path: String) throws -> GGUFFile {
      try GGUFFile(path: path, requireData: requireData, allowsForeignTypes: allowsForeignTypes)
    }
    let first = try file(path)
    var files = [first]
    let count = try Self.splitValue(first, GGUFSplitKeys.count) ?? 0
    if count > 1 {
      for (shard, path) in try Self.shardPaths(first, count: count).enumerated().dropFirst() {
        files.append(try Self.check(file(path), shard: shard, count: count))
      }
    }
    self.files = files
    (tensors, positions) = try Self.merge(files)
    if count > 1, let stated = try Self.splitValue(first, GGUFSplitKeys.tensorCount), stated != tensors.count
    {
      throw GGUFError(
        .wrongTensorCount,
        Fault(
          file: path, subject: GGUFSplitKeys.tensorCount, expected: "\(stated) tensors in all shards",
          found: "\(tensors.count)", remedy: "the shards belong to different models; fetch them again"))
    }
  }

  /// The value stored under `key` in the first file.
  public func value(_ key: String) -> MetadataValue? { files[0].value(key) }

  /// The tensor called `name`.
  public func tensor(_ name: String) -> Tensor? { positions[name].map { tensors[$0] } }

  /// Reads a split key, which must have the type that llama.cpp writes.
  private static func splitValue(_ file: GGUFFile, _ key: String) throws(GGUFError) -> Int? {
    switch (key, file.value(key)) {
    case (_, nil): return nil
    case (GGUFSplitKeys.tensorCount, .int32(let value)): return Int(value)
    case (GGUFSplitKeys.number, .uint16(let value)), (GGUFSplitKeys.count, .uint16(let value)):
      return Int(value)
    case (_, .some(let value)):
      throw GGUFError(
        .badSplitKey,
        Fault(
          file: file.file.path, subject: key,
          expected: key == GGUFSplitKeys.tensorCount ? "an i32" : "a u16", found: value.typedSummary))
    }
  }

  /// The paths of a set that `first` must be the first file of.
  private static func shardPaths(_ first: GGUFFile, count: Int) throws(GGUFError) -> [String] {
    let path = first.file.path
    guard let number = try splitValue(first, GGUFSplitKeys.number) else {
      throw GGUFError(
        .badSplitKey,
        Fault(
          file: path, subject: GGUFSplitKeys.number, expected: "a u16, since split.count is \(count)",
          found: "none"))
    }
    let suffix = GGUFSplitKeys.suffix(shard: number, count: count)
    guard path.hasSuffix(suffix), !path.hasSuffix("/" + suffix), path != suffix else {
      throw GGUFError(
        .badSplitName,
        Fault(
          file: path, expected: "a name that ends in \(suffix), as its split keys say", found: "another name",
          remedy: "give the shards their names back"))
    }
    let prefix = String(path.dropLast(suffix.count))
    guard number == 0 else {
      throw GGUFError(
        .notFirstShard,
        Fault(
          file: path, subject: GGUFSplitKeys.number, expected: "the first shard of the set",
          found: "shard \(number + 1)",
          remedy: "open \(GGUFSplitKeys.fileName(prefix: prefix, shard: 0, count: count))"))
    }
    let paths = (0..<count).map { GGUFSplitKeys.fileName(prefix: prefix, shard: $0, count: count) }
    let missing = paths.filter { !FileManager.default.fileExists(atPath: $0) }
    guard missing.isEmpty else {
      throw GGUFError(
        .missingShards,
        Fault(
          file: path, expected: "\(count) shards",
          found: "\(count - missing.count); missing: " + missing.prefix(1000).joined(separator: ", ")
            + (missing.count > 1000 ? " and \(missing.count - 1000) more" : ""),
          remedy: "fetch the missing files"))
    }
    return paths
  }

  /// Checks the place of a further shard.
  private static func check(_ file: GGUFFile, shard: Int, count: Int) throws -> GGUFFile {
    let path = file.file.path
    guard let number = try splitValue(file, GGUFSplitKeys.number) else {
      throw GGUFError(
        .badSplitKey,
        Fault(file: path, subject: GGUFSplitKeys.number, expected: "the u16 \(shard)", found: "none"))
    }
    let statedCount = try splitValue(file, GGUFSplitKeys.count) ?? count
    guard number == shard, statedCount == count else {
      throw GGUFError(
        .wrongShardNumber,
        Fault(
          file: path, subject: GGUFSplitKeys.number, expected: "shard \(shard + 1) of \(count)",
          found: "shard \(number + 1) of \(statedCount)",
          remedy: "the shards were renamed or belong to different models; fetch them again"))
    }
    return file
  }

  /// One list of all tensors.
  private static func merge(_ files: [GGUFFile]) throws(GGUFError) -> ([Tensor], [String: Int]) {
    var tensors: [Tensor] = []
    var positions: [String: Int] = [:]
    for (shard, file) in files.enumerated() {
      for info in file.tensors {
        if let earlier = positions.updateValue(tensors.count, forKey: info.name) {
          throw GGUFError(
            .duplicateTensor,
            Fault(
              file: file.file.path, subject: info.name, expected: "each tensor in one shard",
              found: "it is also in \(files[tensors[earlier].shard].file.path)",
              remedy: "the shards belong to different models; fetch them again"))
        }
        tensors.append(Tensor(info: info, shard: shard, position: file.position(of: info)))
      }
    }
    return (tensors, positions)
  }
}
