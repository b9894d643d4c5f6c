import FileBytes
import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

@Suite struct SplitPlanTests {
  private func plan(
    _ sizes: [Int], _ style: GGUFSplitPlan.Style, tensors: Int? = nil, bytes: Int? = nil,
    emptyFirst: Bool = false
  ) throws -> [Range<Int>] {
    let limits = GGUFSplitPlan.Limits(tensorCount: tensors, byteCount: bytes, firstShardIsEmpty: emptyFirst)
    return try GGUFSplitPlan(tensorByteCounts: sizes, style: style, limits: limits).shards
  }

  @Test func splitsByTensorCount() throws {
    for style in [GGUFSplitPlan.Style.splitTool, .converter] {
      #expect(try plan([1, 1, 1, 1, 1], style, tensors: 2) == [0..<2, 2..<4, 4..<5])
      #expect(try plan([1, 1, 1, 1], style, tensors: 2) == [0..<2, 2..<4])
      #expect(try plan([1, 1, 1], style, tensors: 2, emptyFirst: true) == [0..<0, 0..<2, 2..<3])
      #expect(try plan([], style, tensors: 2) == [0..<0])
    }
    #expect(try plan([Int](repeating: 1, count: 129), .splitTool) == [0..<128, 128..<129])
    #expect(try plan([Int](repeating: 1, count: 129), .converter) == [0..<129])
  }

  /// The tool counts padded sizes, the converter plain ones.
  @Test func splitsBySize() throws {
    #expect(try plan([40, 40, 40], .splitTool, bytes: 128) == [0..<2, 2..<3])
    #expect(try plan([40, 40, 40], .splitTool, bytes: 127) == [0..<1, 1..<2, 2..<3])
    #expect(try plan([40, 40, 40], .converter, bytes: 120) == [0..<3])
    #expect(try plan([40, 40, 40], .converter, bytes: 119) == [0..<2, 2..<3])
    #expect(try plan([10, 500, 10], .splitTool, bytes: 64) == [0..<1, 1..<2, 2..<3])
    #expect(try plan([10, 500, 10], .converter, bytes: 64) == [0..<1, 1..<2, 2..<3])
    #expect(try plan([500, 10, 10], .converter, bytes: 64) == [0..<1, 1..<3])
  }

  @Test func usesBothLimitsOfTheConverter() throws {
    #expect(try plan([9, 9, 9, 30, 9], .converter, tensors: 2, bytes: 35) == [0..<2, 2..<3, 3..<4, 4..<5])
  }

  @Test func refusesWhatTheToolRefuses() throws {
    for emptyFirst in [false, true] {
      let error = try #require(throws: GGUFError.self) {
        try plan([500, 1], .splitTool, bytes: 64, emptyFirst: emptyFirst)
      }
      #expect(error.code == .emptyShard)
    }
    for limit in [0, -1] {
      #expect(throws: GGUFError.self) { try plan([1], .converter, tensors: limit) }
      #expect(throws: GGUFError.self) { try plan([1], .splitTool, bytes: limit) }
    }
    #expect(throws: GGUFError.self) { try plan([Int](repeating: 1, count: 70_000), .converter, tensors: 1) }
  }

  @Test func survivesHugeSizes() throws {
    #expect(try plan([.max, .max], .converter, bytes: .max) == [0..<1, 1..<2])
    #expect(try plan([.max, .max], .splitTool, bytes: .max) == [0..<1, 1..<2])
  }

  @Test func ordersTheKeysAsEachToolDoes() throws {
    let model = [MetadataEntry("split.count", .uint16(0)), MetadataEntry("a", .bool(true))]
    let limits = GGUFSplitPlan.Limits(tensorCount: 1)
    let tool = try GGUFSplitPlan(tensorByteCounts: [1, 1], style: .splitTool, limits: limits)
    let no = MetadataEntry("split.no", .uint16(0))
    let count = MetadataEntry("split.count", .uint16(2))
    let tensors = MetadataEntry("split.tensors.count", .int32(2))
    #expect(tool.metadata(shard: 0, of: model) == [model[1], no, tensors, count])
    #expect(tool.metadata(shard: 1, of: model) == [MetadataEntry("split.no", .uint16(1)), tensors, count])
    let converter = try GGUFSplitPlan(tensorByteCounts: [1, 1], style: .converter, limits: limits)
    #expect(converter.metadata(shard: 0, of: model) == [model[1], no, count, tensors])
    #expect(converter.fileNames(prefix: "m") == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"])
  }

  @Test func oneShardIsAFileForTheConverterOnly() throws {
    let model = [MetadataEntry("a", .bool(true))]
    let converter = try GGUFSplitPlan(tensorByteCounts: [1], style: .converter, limits: .init(tensorCount: 9))
    #expect(converter.isSingleFile && converter.fileNames(prefix: "m") == ["m.gguf"])
    #expect(converter.metadata(shard: 0, of: model) == model)
    let tool = try GGUFSplitPlan(tensorByteCounts: [1], style: .splitTool, limits: .init(tensorCount: 9))
    #expect(!tool.isSingleFile && tool.fileNames(prefix: "m") == ["m-00001-of-00001.gguf"])
    #expect(tool.metadata(shard: 0, of: model).count == 4)
  }

  @Test func parsesSizes() throws {
    #expect(try GGUFSplitKeys.byteCount(parsing: "2G", style: .splitTool) == 2_000_000_000)
    #expect(try GGUFSplitKeys.byteCount(parsing: "300M", style: .converter) == 300_000_000)
    #expect(try GGUFSplitKeys.byteCount(parsing: "5K", style: .converter) == 5000)
    #expect(try GGUFSplitKeys.byteCount(parsing: "77", style: .converter) == 77)
    for (text, style) in [
      ("5K", GGUFSplitPlan.Style.splitTool), ("77", .splitTool), ("", .splitTool), ("", .converter),
      ("G", .converter),
      ("0M", .converter), ("-1M", .converter), ("1.5G", .converter), ("9999999999999G", .converter),
      ("1T", .converter),
      ("+1M", .splitTool),
    ] {
      let error = try #require(throws: GGUFError.self) {
        try GGUFSplitKeys.byteCount(parsing: text, style: style)
      }
      #expect(error.code == .badLimit && error.faultClass == .usage)
    }
  }
}

@Suite struct SplitSetTests {
  /// Writes a set of shards with one f32 tensor of `shard + 1` values each; `edit` may spoil the metadata.
  private func write(
    _ count: Int, in folder: TemporaryFolder, names: (Int) -> String = { "t\($0)" },
    edit: (Int, inout [MetadataEntry]) -> Void = { _, _ in }
  ) throws -> [String] {
    let plan = try GGUFSplitPlan(
      tensorByteCounts: [Int](repeating: 4, count: count), style: .splitTool, limits: .init(tensorCount: 1))
    return try plan.fileNames(prefix: "m").enumerated().map { shard, name in
      var metadata = plan.metadata(shard: shard, of: [MetadataEntry("general.name", .string("n"))])
      edit(shard, &metadata)
      let encoded = try GGUFHeaderEncoder(
        metadata: metadata,
        tensors: [GGUFTensorDescription(name: names(shard), type: .f32, ggmlShape: [shard + 1])])
      let data = [UInt8](repeating: UInt8(shard), count: encoded.fileByteCount - encoded.dataStart)
      return try folder.write(name, encoded.bytes + data)
    }
  }

  private func set(_ entry: MetadataEntry, in metadata: inout [MetadataEntry]) {
    metadata.removeAll { $0.key == entry.key }
    metadata.append(entry)
  }

  private func code(_ path: String) throws -> GGUFError.Code {
    try #require(throws: GGUFError.self) { try GGUFSplitSet(path: path) }.code
  }

  @Test func opensASet() throws {
    let folder = try TemporaryFolder()
    let set = try GGUFSplitSet(path: try write(3, in: folder)[0])
    #expect(set.isSplit && set.files.count == 3)
    #expect(set.tensors.map(\.info.name) == ["t0", "t1", "t2"])
    #expect(set.tensors.map(\.shard) == [0, 1, 2])
    #expect(set.value("general.name") == .string("n"))
    let last = try #require(set.tensor("t2"))
    #expect(
      try set.files[last.shard].file.bytes(at: last.position, count: last.info.byteCount)
        == [UInt8](repeating: 2, count: 12))
  }

  @Test(arguments: [nil, 0, 1] as [UInt16?])
  func opensAFileThatIsNotSplit(count: UInt16?) throws {
    let folder = try TemporaryFolder()
    let metadata = count.map { [MetadataEntry("split.count", .uint16($0))] } ?? []
    let encoded = try GGUFHeaderEncoder(metadata: metadata, tensors: [])
    let set = try GGUFSplitSet(path: folder.write("any.gguf", encoded.bytes))
    #expect(!set.isSplit && set.tensors.isEmpty)
  }

  @Test func listsMissingShards() throws {
    let folder = try TemporaryFolder()
    let paths = try write(4, in: folder)
    for path in [paths[1], paths[3]] { try FileManager.default.removeItem(atPath: path) }
    let error = try #require(throws: GGUFError.self) { try GGUFSplitSet(path: paths[0]) }
    #expect(error.code == .missingShards)
    #expect(error.fault.found.contains(paths[1]) && error.fault.found.contains(paths[3]))
    #expect(!error.fault.found.contains(paths[2]))
  }

  @Test func keepsTheListOfMissingShardsShort() throws {
    let folder = try TemporaryFolder()
    let metadata = [MetadataEntry("split.no", .uint16(0)), MetadataEntry("split.count", .uint16(.max))]
    let encoded = try GGUFHeaderEncoder(metadata: metadata, tensors: [])
    let path = try folder.write("m-00001-of-65535.gguf", encoded.bytes)
    let error = try #require(throws: GGUFError.self) { try GGUFSplitSet(path: path) }
    #expect(error.code == .missingShards)
    #expect(error.fault.found.hasSuffix("and 64534 more"))
  }

  @Test func namesTheFirstShardWhenAnotherIsOpened() throws {
    let folder = try TemporaryFolder()
    let paths = try write(2, in: folder)
    let error = try #require(throws: GGUFError.self) { try GGUFSplitSet(path: paths[1]) }
    #expect(error.code == .notFirstShard)
    #expect(error.fault.remedy.contains(paths[0]))
  }

  @Test func refusesRenamedAndExchangedShards() throws {
    let folder = try TemporaryFolder()
    let paths = try write(3, in: folder)
    let renamed = folder.path("renamed.gguf")
    try FileManager.default.copyItem(atPath: paths[0], toPath: renamed)
    #expect(try code(renamed) == .badSplitName)
    let bare = folder.path("-00001-of-00003.gguf")
    try FileManager.default.copyItem(atPath: paths[0], toPath: bare)
    #expect(try code(bare) == .badSplitName)
    try FileManager.default.removeItem(atPath: paths[2])
    try FileManager.default.copyItem(atPath: paths[1], toPath: paths[2])
    #expect(try code(paths[0]) == .wrongShardNumber)
  }

  @Test func refusesWrongKeys() throws {
    let cases: [(GGUFError.Code, (Int, inout [MetadataEntry]) -> Void)] = [
      (.badSplitKey, { if $0 == 0 { set(MetadataEntry("split.count", .uint32(2)), in: &$1) } }),
      (.badSplitKey, { if $0 == 0 { set(MetadataEntry("split.no", .int32(0)), in: &$1) } }),
      (.badSplitKey, { if $0 == 0 { $1.removeAll { $0.key == "split.no" } } }),
      (.badSplitKey, { if $0 == 1 { $1.removeAll { $0.key == "split.no" } } }),
      (.badSplitKey, { if $0 == 0 { set(MetadataEntry("split.tensors.count", .uint32(2)), in: &$1) } }),
      (.wrongShardNumber, { if $0 == 1 { set(MetadataEntry("split.count", .uint16(3)), in: &$1) } }),
      (.wrongTensorCount, { if $0 == 0 { set(MetadataEntry("split.tensors.count", .int32(3)), in: &$1) } }),
      (.wrongTensorCount, { if $0 == 0 { set(MetadataEntry("split.tensors.count", .int32(-2)), in: &$1) } }),
    ]
    for (index, (expected, edit)) in cases.enumerated() {
      let folder = try TemporaryFolder()
      #expect(try code(write(2, in: folder, edit: edit)[0]) == expected, "case \(index)")
    }
  }

  @Test func refusesATensorInTwoShards() throws {
    let folder = try TemporaryFolder()
    #expect(try code(write(2, in: folder, names: { _ in "same" })[0]) == .duplicateTensor)
  }
}
