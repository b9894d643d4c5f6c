import CheckpointConversion
import FileBytes
import Foundation
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

/// Every checkpoint that can be converted can be run, and gives the logits of the F32 file converted from it.
@Suite struct StoredFormsTests {
  /// How far the logits of 8-bit weights may be from those of the 16-bit ones.
  ///
  /// Three bits of fraction leave an error of 3 % in each weight; wrong scales or orders give errors of 1 and more.
  private static let eightBitTolerance = 0.3

  @Test(arguments: GoldenModel.families, [(128, 128), (16, 20)])
  func eightBitBlocks(_ family: String, block: (Int, Int)) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8(blockRows: block.0, blockColumns: block.1)
    #expect(stored.tensors.values.contains { $0.type == "F8_E4M3" })
    let logits = try logitsOfBoth(stored.write(in: parent, name: "fp8"), golden.tokens, parent)
    #expect(firstDifference(logits.checkpoint, logits.converted) == nil)
    let error = relativeError(logits.checkpoint, golden.logits)
    print("fp8 \(family) \(block): relative error \(error)")
    #expect(error > 0 && error < Self.eightBitTolerance)
  }

  @Test(arguments: GoldenModel.families)
  func sixtyFourBits(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsF64()
    let logits = try logitsOfBoth(stored.write(in: parent, name: "f64"), golden.tokens, parent)
    #expect(firstDifference(logits.checkpoint, logits.converted) == nil)
    #expect(relativeError(logits.checkpoint, golden.logits) <= GoldenLogitsTests.tolerance)
  }

  @Test(arguments: ["llama", "qwen3_next", "qwen3_5_moe"])
  func compressedShards(_ family: String) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    let plain = try StoredCheckpoint(folder: golden.folder).write(in: parent, name: "plain")
    let expected = try logits(of: plain, golden.tokens)
    let folder = try StoredCheckpoint(folder: golden.folder).write(in: parent, name: "zstd")
    try Self.compress(folder)
    let logits = try logitsOfBoth(folder, golden.tokens, parent)
    #expect(firstDifference(logits.checkpoint, logits.converted) == nil)
    #expect(firstDifference(logits.checkpoint, expected) == nil)
    let store = try LoadedModel.open(path: folder).store
    #expect(store.mappedByteCount == 0 && store.materializedByteCount > 0)
  }

  @Test func compressedEightBitBlocks() throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8()
    let folder = try stored.write(in: parent, name: "fp8")
    let expected = try logits(of: folder, golden.tokens)
    try Self.compress(folder)
    #expect(firstDifference(try logits(of: folder, golden.tokens), expected) == nil)
  }

  /// Codes with scales are the numbers that they stand for, to the last bit of the logits.
  @Test(arguments: GoldenModel.families, StoredForm.allCases)
  func codesAreTheirValues(_ family: String, _ form: StoredForm) throws {
    let golden = try GoldenModel(family)
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    let before = stored.tensors.count
    let plain = stored.store(as: form)
    #expect(stored.tensors.count > before)
    let logits = try logitsOfBoth(stored.write(in: parent, name: "codes"), golden.tokens, parent)
    let expected = try self.logits(of: plain.write(in: parent, name: "plain"), golden.tokens)
    #expect(firstDifference(logits.checkpoint, expected) == nil)
    #expect(firstDifference(logits.converted, expected) == nil)
    #expect(relativeError(expected, golden.logits) > 0)
  }

  @Test func expertsInBlocks() throws {
    let golden = try GoldenModel("mistral4")
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    let plain = stored.storeExpertsAsBlocks()
    #expect(stored.tensors.keys.contains { $0.hasSuffix("_blocks") })
    let folder = try stored.write(in: parent, name: "blocks")
    let logits = try logitsOfBoth(folder, golden.tokens, parent)
    let expected = try self.logits(of: plain.write(in: parent, name: "plain"), golden.tokens)
    #expect(firstDifference(logits.checkpoint, expected) == nil)
    #expect(firstDifference(logits.converted, expected) == nil)
    // Blocks stay blocks: 17 bytes for 32 weights.
    let model = try LoadedModel.open(path: folder)
    let experts = try model.store.experts("blk.0.ffn_gate_up_exps.weight").experts
    #expect(!experts.isEmpty && experts.allSatisfy { $0.type == .mxfp4 })
  }

  @Test(arguments: [StoredForm.int4Groups, .nvfp4, .fp8Rows])
  func compressedCodes(_ form: StoredForm) throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    var stored = try StoredCheckpoint(folder: golden.folder)
    _ = stored.store(as: form)
    let folder = try stored.write(in: parent, name: "codes")
    let expected = try logits(of: folder, golden.tokens)
    try Self.compress(folder)
    let logits = try logitsOfBoth(folder, golden.tokens, parent)
    #expect(firstDifference(logits.checkpoint, expected) == nil)
    #expect(firstDifference(logits.converted, expected) == nil)
  }

  @Test func scalesThatAreNoNumbersAreNamed() throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    let weight = "model.layers.1.self_attn.k_proj.weight"
    var stored = try StoredCheckpoint(folder: golden.folder)
    _ = stored.store(as: .nvfp4)
    // 0x7F is the NaN of E4M3; the third group of the first row.
    stored.tensors[weight + "_scale"]?.bytes[2] = 0x7F
    let damaged = try stored.write(in: parent, name: "group")
    var error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: damaged) }
    #expect(error?.code == .nonFinite)
    #expect(error?.fault.subject == "blk.1.attn_k.weight, row 0")
    #expect(error?.fault.found == "nan in column 32")
    let checkpoint = try ConvertibleCheckpoint(copying: damaged, to: parent.path("source"))
    let conversion = #expect(throws: ConversionError.self) {
      try checkpoint.plan(.bf16, to: parent.path("a.gguf")).executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(conversion?.code == .nonFiniteWeight)
    #expect(conversion?.fault.subject.description == weight + "_packed -> blk.1.attn_k.weight, row 0")

    stored = try StoredCheckpoint(folder: golden.folder)
    _ = stored.store(as: .nvfp4)
    stored.tensors[weight + "_global_scale"]?.bytes = [0, 0, 0x80, 0x7F]
    let scaled = try stored.write(in: parent, name: "whole")
    error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: scaled) }
    #expect(error?.code == .nonFinite && error?.fault.subject.description == weight + "_global_scale")
  }

  @Test func damageIsNamed() throws {
    let golden = try GoldenModel("qwen3_moe")
    let parent = try TemporaryFolder()
    let weight = "model.layers.1.self_attn.k_proj.weight"
    var stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8()
    let columns = try #require(stored.tensors[weight]?.shape.last)
    // 0x7F is the NaN of E4M3.
    stored.tensors[weight]?.bytes[5 * columns + 7] = 0x7F
    let damaged = try stored.write(in: parent, name: "weight")
    var error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: damaged) }
    #expect(error?.code == .nonFinite)
    #expect(error?.fault.subject == "blk.1.attn_k.weight, row 5")
    #expect(error?.fault.found == "nan in column 7")

    stored = try StoredCheckpoint(folder: golden.folder)
    stored.storeAsFP8()
    stored.tensors[weight + "_scale_inv"]?.bytes = [0, 0, 0x80, 0x7F]
    let scaled = try stored.write(in: parent, name: "scale")
    error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: scaled) }
    #expect(error?.code == .nonFinite)
    #expect(error?.fault.subject.description == weight + "_scale_inv")
  }

  @Test func aShortStreamIsNamed() throws {
    let golden = try GoldenModel("llama")
    let parent = try TemporaryFolder()
    let folder = try StoredCheckpoint(folder: golden.folder).write(in: parent, name: "zstd")
    try Self.compress(folder)
    let path = folder + "/model.safetensors.zst"
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    try whole.prefix(whole.count - 100).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: (any Error).self) { try LoadedModel.open(path: folder) }
    #expect((error as? any FaultError)?.fault.file == path)
  }

  static func compress(_ folder: String) throws {
    let shard = folder + "/model.safetensors"
    try ZstdWriter.compressFile(shard, to: shard + ".zst")
    try FileManager.default.removeItem(atPath: shard)
  }

  private func logits(of path: String, _ tokens: [Int32]) throws -> [Float] {
    let session = try Session(
      model: try LoadedModel.open(path: path), contextLength: tokens.count, mode: .exact, threads: 2)
    return try session.evaluate(tokens: tokens, logits: .all).values
  }

  /// The logits of a folder, and those of its conversion to F32.
  private func logitsOfBoth(_ folder: String, _ tokens: [Int32], _ parent: TemporaryFolder) throws
    -> (checkpoint: [Float], converted: [Float])
  {
    let checkpoint = try ConvertibleCheckpoint(copying: folder, to: parent.path("source"))
    let path = parent.path("f32.gguf")
    _ = try checkpoint.plan(.f32, to: path).executor.run(ExecutionOptions(threadCount: 2))
    return (try logits(of: folder, tokens), try logits(of: path, tokens))
  }
}
