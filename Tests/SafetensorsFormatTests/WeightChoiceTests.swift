import FileBytes
import Foundation
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

private func item(_ name: String, _ count: Int) -> SafetensorsWriter.Item {
  (SourceTensor(name: name, elementType: .u8, shape: [count]), [UInt8](repeating: UInt8(count), count: count))
}

/// Folders with more than one set of weights: the choice is that of transformers, and it is said.
@Suite struct WeightChoiceTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try SafetensorsWriter.writeCheckpoint([[item("a", 1)], [item("b", 2)]], to: folder.url.path)
  }

  private func open() throws -> SafetensorsCheckpoint {
    try SafetensorsCheckpoint(folder: folder.url.path, decompressor: { try ZstdReader(path: $0) })
  }

  private func write(_ name: String, _ items: [SafetensorsWriter.Item] = [item("x", 9)]) throws {
    _ = try folder.write(name, try SafetensorsWriter.file(items))
  }

  private func compress(_ name: String, keepsPlain: Bool = false) throws {
    try ZstdWriter.compressFile(folder.path(name), to: folder.path(name + ".zst"))
    if !keepsPlain { try remove(name) }
  }

  private func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: folder.path(name)) }

  /// What is read, and the sentences about it.
  private func expect(_ names: [String], _ parts: String..., choices: Int = 1) throws {
    let checkpoint = try open()
    #expect(checkpoint.shards.map { FileSystem.name(of: $0.path) } == names)
    #expect(checkpoint.choices.count == choices, "\(checkpoint.choices)")
    for part in parts { #expect(checkpoint.choices.joined().contains(part), "\(checkpoint.choices)") }
  }

  private static let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]

  @Test func oneSetNeedsNoWord() throws {
    for file in ["optimizer.bin", "training_args.bin", "scheduler.pt", "model-Q8_0.gguf", "README.md"] {
      _ = try folder.write(file, [1])
    }
    try expect(Self.shards, choices: 0)
  }

  @Test func theWholeFileComesBeforeTheIndex() throws {
    try write("model.safetensors")
    try expect(["model.safetensors"], "model.safetensors is read, as transformers does", "with its 2 shards")
    #expect(try open().tensors.map(\.tensor.name) == ["x"])
  }

  @Test func anIndexWhoseShardsAreGoneIsPassedOver() throws {
    try write("model.safetensors")
    try remove(Self.shards[0])
    try expect(["model.safetensors"], "model.safetensors.index.json", "1 of which are missing")
    try remove(Self.shards[1])
    try expect(["model.safetensors"], "which are not there")
    _ = try folder.write(SafetensorsIndex.fileName, Array("{".utf8))
    try expect(["model.safetensors"], "cannot be understood")
  }

  @Test func anIndexThatListsTheWholeFileIsTheSet() throws {
    try write("model.safetensors", [item("a", 1)])
    try write("extra.safetensors", [item("b", 2)])
    let map = #"{"weight_map":{"a":"model.safetensors","b":"extra.safetensors"}}"#
    _ = try folder.write(SafetensorsIndex.fileName, Array(map.utf8))
    for name in Self.shards { try remove(name) }
    try expect(["extra.safetensors", "model.safetensors"], choices: 0)
  }

  @Test func compressedFilesYieldToPlainOnes() throws {
    try compress(Self.shards[0], keepsPlain: true)
    try expect(Self.shards, Self.shards[0] + ".zst")
    try write("model.safetensors")
    try compress("model.safetensors")
    try expect(Self.shards, "index.json with its 2 shards is read", "model.safetensors.zst")
    // With nothing plain to read, a compressed file stands for its plain form.
    for name in Self.shards { try compress(name) }
    try expect(["model.safetensors.zst"], "not read: model.safetensors.index.json with its 2 shards")
  }

  @Test func otherWeightsAreNamed() throws {
    for name in ["consolidated.safetensors", "pytorch_model.bin", "consolidated.00.pth"] {
      _ = try folder.write(name, [1])
    }
    try expect(Self.shards, "consolidated.00.pth; consolidated.safetensors; pytorch_model.bin")
    _ = try folder.write("adapter_model.safetensors", [1])
    try expect(Self.shards, "adapter_model.safetensors is an adapter", choices: 2)
  }

  @Test func anOldSetBesideTheIndexIsNamed() throws {
    try write("model-00001-of-00003.safetensors")
    try expect(Self.shards, "not read: model-00001-of-00003.safetensors")
  }

  @Test func pointersInPlaceOfShardsAreOneError() throws {
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    for name in Self.shards { _ = try folder.write(name, Array(text.utf8)) }
    let error = #expect(throws: FileError.self) { try open() }
    #expect(error?.code == .lfsPointer && error?.fault.found.contains("2 of 2 shards") == true)
  }

  @Test func filesThatAreNoWeightsSayWhatTheyAre() throws {
    for name in Self.shards { try remove(name) }
    try remove(SafetensorsIndex.fileName)
    _ = try folder.write("model.safetensors", Array("<!DOCTYPE html><html><body>Sign in</body></html>".utf8))
    let page = #expect(throws: SafetensorsError.self) { try open() }
    #expect(page?.code == .headerTooLarge && page?.fault.found.contains("a web page") == true)
    try remove("model.safetensors")
    _ = try folder.write("pytorch_model.bin", [0x50, 0x4B, 3, 4])
    let pickle = #expect(throws: SafetensorsError.self) { try open() }
    #expect(pickle?.code == .noCheckpoint && pickle?.fault.found.contains("PyTorch weights alone") == true)
  }
}
