import FileBytes
import Foundation
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

/// A u8 vector with bytes that say which tensor it is.
private func item(_ name: String, _ count: Int) -> SafetensorsWriter.Item {
  (SourceTensor(name: name, elementType: .u8, shape: [count]), [UInt8](repeating: UInt8(count), count: count))
}

private func decompress(_ path: String) throws -> any ByteStream { try ZstdReader(path: path) }

/// Replaces a file by its compressed form.
private func compress(_ name: String, in folder: TemporaryFolder) throws {
  try ZstdWriter.compressFile(folder.path(name), to: folder.path(name + ".zst"))
  try FileManager.default.removeItem(atPath: folder.path(name))
}

private func code(of folder: TemporaryFolder, requireData: Bool = true) throws -> SafetensorsError.Code {
  try #require(throws: SafetensorsError.self) {
    try SafetensorsCheckpoint(folder: folder.url.path, requireData: requireData, decompressor: decompress)
  }.code
}

@Suite struct CheckpointTests {
  @Test func opensOneFile() throws {
    let folder = try TemporaryFolder()
    try SafetensorsWriter.writeCheckpoint([[item("b", 3), item("a", 2)]], to: folder.url.path)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path)
    #expect(checkpoint.tensors.map(\.tensor.name) == ["b", "a"])
    #expect(checkpoint.shards.count == 1)
    #expect(checkpoint.metadata == ["format": "pt"])
    #expect(checkpoint.tensorByteCount == 5)
    let a = try #require(checkpoint.tensor("a"))
    let file = try ReadableFile(path: checkpoint.shards[a.shard].path)
    #expect(try file.bytes(at: a.byteOffset, count: a.byteCount) == [2, 2])
    #expect(checkpoint.position(of: "a") == 1)
    #expect(checkpoint.tensor("c") == nil)
  }

  @Test(arguments: [false, true])
  func opensShards(compressed: Bool) throws {
    let folder = try TemporaryFolder()
    let names = try SafetensorsWriter.writeCheckpoint(
      [[item("z", 4)], [item("y", 5), item("x", 6)]], to: folder.url.path)
    if compressed { for name in names { try compress(name, in: folder) } }
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path, decompressor: decompress)
    #expect(checkpoint.tensors.map(\.tensor.name) == ["z", "y", "x"])
    #expect(checkpoint.tensors.map(\.shard) == [0, 1, 1])
    #expect(checkpoint.shards.map(\.name) == names)
    #expect(checkpoint.shards.allSatisfy { $0.isCompressed == compressed })
    #expect(checkpoint.warnings.isEmpty)
    let shard = checkpoint.shards[1]
    #expect(shard.byteCount == checkpoint.tensors[2].byteOffset + 6)
    #expect((shard.storedByteCount == shard.byteCount) == !compressed)
  }

  @Test func hashesHeadersAlikeWhetherCompressedOrNot() throws {
    let folder = try TemporaryFolder()
    try SafetensorsWriter.writeCheckpoint([[item("a", 9)]], to: folder.url.path)
    let plain = try SafetensorsCheckpoint(folder: folder.url.path).shards[0]
    try compress("model.safetensors", in: folder)
    let packed = try SafetensorsCheckpoint(folder: folder.url.path, decompressor: decompress).shards[0]
    #expect(plain.headerHash == packed.headerHash)
    #expect(plain.byteCount == packed.byteCount)
    #expect(packed.name == "model.safetensors")
    #expect(packed.path.hasSuffix("model.safetensors.zst"))
  }

  @Test func opensACompleteSetWithoutAnIndex() throws {
    let folder = try TemporaryFolder()
    try SafetensorsWriter.writeCheckpoint([[item("a", 1)], [item("b", 2)]], to: folder.url.path)
    try FileManager.default.removeItem(atPath: folder.path(SafetensorsIndex.fileName))
    #expect(try SafetensorsCheckpoint(folder: folder.url.path + "/").tensors.count == 2)
    try FileManager.default.removeItem(atPath: folder.path("model-00001-of-00002.safetensors"))
    #expect(try code(of: folder) == .missingShards)
  }

  @Test func plansFromHeadersAlone() throws {
    let folder = try TemporaryFolder()
    let items = [item("a", 100)]
    _ = try folder.write("model.safetensors", try SafetensorsWriter.header(items.map(\.tensor)))
    #expect(try code(of: folder) == .truncated)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path, requireData: false)
    #expect(checkpoint.tensors.map(\.byteCount) == [100])
    #expect(checkpoint.shards[0].byteCount - checkpoint.shards[0].storedByteCount == 100)
  }

  @Test func listsEveryMissingShard() throws {
    let folder = try TemporaryFolder()
    let names = try SafetensorsWriter.writeCheckpoint(
      (1...4).map { [item("t\($0)", $0)] }, to: folder.url.path)
    for name in [names[1], names[3]] { try FileManager.default.removeItem(atPath: folder.path(name)) }
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsCheckpoint(folder: folder.url.path)
    }
    #expect(error.code == .missingShards)
    #expect(error.fault.found.contains(names[1]) && error.fault.found.contains(names[3]))
    #expect(!error.fault.found.contains(names[0]))
  }

  @Test func listsEveryShortShard() throws {
    let folder = try TemporaryFolder()
    let names = try SafetensorsWriter.writeCheckpoint(
      (1...3).map { [item("t\($0)", 50)] }, to: folder.url.path)
    for name in names.dropFirst() {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path(name)))
      try bytes.dropLast(7).write(to: URL(fileURLWithPath: folder.path(name)))
    }
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsCheckpoint(folder: folder.url.path)
    }
    #expect(error.code == .truncated)
    #expect(error.fault.problems.count == 2)
    #expect(error.fault.problems[0].contains(names[1]) && error.fault.problems[1].contains(names[2]))
    #expect(error.fault.problems.allSatisfy { $0.contains("7 too few") })
  }

  @Test func warnsAboutTotalSizeOnly() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("model-00001-of-00001.safetensors", try SafetensorsWriter.file([item("a", 4)]))
    let index = #"{"metadata":{"total_size":5},"weight_map":{"a":"model-00001-of-00001.safetensors"}}"#
    _ = try folder.write(SafetensorsIndex.fileName, Array(index.utf8))
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path)
    #expect(checkpoint.warnings.map(\.subject) == ["total_size"])
    #expect(checkpoint.warnings[0].found == "5")
  }

  @Test func warnsAboutACompressedShardWhoseFirstFrameIsShort() throws {
    let folder = try TemporaryFolder()
    let bytes = try SafetensorsWriter.file([item("a", 100)])
    let frames =
      try ZstdWriter.compress(Array(bytes.dropLast(60))) + ZstdWriter.compress(Array(bytes.suffix(60)))
    _ = try folder.write("model.safetensors.zst", frames)
    let checkpoint = try SafetensorsCheckpoint(folder: folder.url.path, decompressor: decompress)
    #expect(checkpoint.warnings.count == 1)
    #expect(checkpoint.warnings[0].found.contains("60 too few"))
  }

  @Test func opensTheSampleCheckpoint() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("samples/Pelican-10M-A5M")
    let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
    #expect(checkpoint.shards.count == 2)
    #expect(checkpoint.tensorByteCount == 20_487_728)
    #expect(checkpoint.warnings.isEmpty)
    let norm = try #require(checkpoint.tensor("model.layers.0.linear_attn.A_log"))
    #expect(norm.tensor.shape == [4])
    #expect(norm.byteOffset == 8 + 4048)
  }
}

@Suite struct HostileCheckpointTests {
  /// A folder with one complete shard called s.safetensors and the given index.
  private func folder(index: String, shard: String = "s.safetensors") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.write(shard, try SafetensorsWriter.file([item("a", 1), item("b", 2)]))
    _ = try folder.write(SafetensorsIndex.fileName, Array(index.utf8))
    return folder
  }

  @Test(
    arguments: [
      ("[]", .badIndex), ("", .badIndex), ("{}", .badIndex), (#"{"weight_map":[]}"#, .badIndex),
      (#"{"weight_map":{"a":1}}"#, .badIndex), (#"{"weight_map":{"a":{}}}"#, .badIndex),
      (#"{"weight_map":{"a":"s.safetensors"},"weight_map":{}}"#, .duplicateKey),
      (#"{"weight_map":{"a":"s.safetensors","a":"s.safetensors"}}"#, .duplicateKey),
      (#"{"weight_map":{"a":"s.safetensors"}"#, .malformedJSON),
      (#"{"weight_map":{"a":"s.safetensors"}} x"#, .malformedJSON),
      (#"{"metadata":{"total_size":--1},"weight_map":{}}"#, .malformedJSON),
      (#"{"x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]"#, .nestingTooDeep),
      (#"{"weight_map":{"a":"../s.safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":"/etc/s.safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":"x\\s.safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":"..safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":".safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":"s.safetensors\u0000"}}"#, .badShardName),
      (#"{"weight_map":{"a":"s\u0000.safetensors"}}"#, .badShardName),
      (#"{"weight_map":{"a":""}}"#, .badShardName),
      (#"{"weight_map":{"a":"config.json"}}"#, .badShardName),
      (#"{"weight_map":{"a":"t.safetensors","b":"s.safetensors"}}"#, .missingShards),
      (#"{"weight_map":{"a":"s.safetensors"}}"#, .tensorUnlisted),
      (#"{"weight_map":{"a":"s.safetensors","b":"s.safetensors","c":"s.safetensors"}}"#, .tensorAbsent),
    ] as [(String, SafetensorsError.Code)])
  func refusesIndex(index: String, expected: SafetensorsError.Code) throws {
    #expect(try code(of: folder(index: index)) == expected)
  }

  @Test func refusesATensorListedForAnotherShard() throws {
    let folder = try folder(
      index: #"{"weight_map":{"a":"s.safetensors","b":"t.safetensors","c":"t.safetensors"}}"#)
    _ = try folder.write("t.safetensors", try SafetensorsWriter.file([item("c", 1)]))
    #expect(try code(of: folder) == .tensorUnlisted)
  }

  @Test func refusesATensorInTwoShards() throws {
    let folder = try folder(
      index: #"{"weight_map":{"a":"s.safetensors","b":"s.safetensors","c":"t.safetensors"}}"#)
    _ = try folder.write("t.safetensors", try SafetensorsWriter.file([item("c", 1), item("a", 1)]))
    #expect(try code(of: folder) == .tensorTwice)
  }

  @Test func refusesFoldersWithoutACheckpoint() throws {
    let folder = try TemporaryFolder()
    #expect(try code(of: folder) == .noCheckpoint)
    _ = try folder.write("other.safetensors", try SafetensorsWriter.file([item("a", 1)]))
    #expect(try code(of: folder) == .noCheckpoint)
    #expect(throws: SafetensorsError.self) { try SafetensorsCheckpoint(folder: folder.path("absent")) }
  }

  @Test(arguments: [
    "model-00001-of-99999999999999.safetensors", "model-1-of-2.safetensors",
    "model-00003-of-00002.safetensors",
    "model-00000-of-00002.safetensors", "model--0001-of-00002.safetensors",
  ])
  func refusesShardNamesThatCountWrongly(name: String) throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(name, try SafetensorsWriter.file([item("a", 1)]))
    #expect(try code(of: folder) == .noCheckpoint)
  }

  @Test func refusesTwoSetsInOneFolder() throws {
    let folder = try TemporaryFolder()
    for name in ["model-00001-of-00001.safetensors", "model-00001-of-00002.safetensors"] {
      _ = try folder.write(name, try SafetensorsWriter.file([item("a", 1)]))
    }
    #expect(try code(of: folder) == .noCheckpoint)
  }

  @Test func refusesCompressedShardsWithoutADecompressor() throws {
    let folder = try TemporaryFolder()
    try SafetensorsWriter.writeCheckpoint([[item("a", 1)]], to: folder.url.path)
    try compress("model.safetensors", in: folder)
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsCheckpoint(folder: folder.url.path)
    }
    #expect(error.code == .compressedNotSupported)
  }

  @Test(
    arguments: [
      ([], .fileTooShort), ([1, 2, 3], .fileTooShort),
      (SafetensorsBytes.file("{}", claimedLength: 99), .headerPastEnd),
      (SafetensorsBytes.file("{}", claimedLength: 100_000_000), .headerPastEnd),
      (SafetensorsBytes.file("{}", claimedLength: .max), .headerTooLarge),
      (SafetensorsBytes.file("{}", dataByteCount: 3), .trailingBytes),
    ] as [([UInt8], SafetensorsError.Code)])
  func refusesCompressedShards(content: [UInt8], expected: SafetensorsError.Code) throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("model.safetensors.zst", try ZstdWriter.compress(content))
    #expect(try code(of: folder) == expected)
  }

  @Test func refusesACompressedShardThatIsNotZstd() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("model.safetensors.zst", SafetensorsBytes.file("{}"))
    let error = try #require(throws: ZstdError.self) {
      try SafetensorsCheckpoint(folder: folder.url.path, decompressor: decompress)
    }
    #expect(error.code == .corrupt)
  }
}

@Suite struct WriterTests {
  @Test func refusesWhatWouldNotBeValid() throws {
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsWriter.file([item("a", 1), item("a", 1)])
    }
    #expect(error.code == .duplicateKey)
    let short = try #require(throws: SafetensorsError.self) {
      try SafetensorsWriter.file([(SourceTensor(name: "a", elementType: .f32, shape: [2]), [0])])
    }
    #expect(short.code == .sizeMismatch)
  }

  @Test func reportsAFolderThatCannotBeWritten() throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: SafetensorsError.self) {
      try SafetensorsWriter.writeCheckpoint([[item("a", 1)]], to: folder.path("absent"))
    }
    #expect(error.code == .cannotWrite)
    #expect(error.faultClass == .failed)
  }
}
