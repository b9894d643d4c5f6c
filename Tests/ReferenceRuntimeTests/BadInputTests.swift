import FileBytes
import Foundation
import ModelDescriptions
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

@Suite struct BadInputTests {
  private func code(_ body: () throws -> Void) -> RuntimeError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? RuntimeError)?.code
    }
  }

  /// A tiny model's GGUF with changes to its metadata.
  private func open(
    _ family: String = "qwen3_moe", change: (inout [MetadataEntry]) -> Void
  ) throws -> LoadedModel {
    let checkpoint = try LoadedModel.open(path: try GoldenModel(family).folder)
    let folder = try TemporaryFolder()
    var metadata = minimalMetadata(checkpoint.architecture)
    change(&metadata)
    try writeGGUF(checkpoint, to: folder.path("model.gguf"), architecture: metadata) { _, _ in .f32 }
    return try LoadedModel.open(path: folder.path("model.gguf"))
  }

  @Test func tokensOutOfRangeAreRefused() throws {
    let golden = try GoldenModel("qwen3")
    let session = try Session(model: try LoadedModel.open(path: golden.folder), contextLength: 8, threads: 1)
    for bad: Int32 in [-1, 256, .max, .min] {
      #expect(code { try session.evaluate(tokens: [1, bad]) } == .tokenOutOfRange)
    }
    #expect(code { try session.evaluate(tokens: []) } == .emptyInput)
    // A refusal changes nothing.
    #expect(session.position == 0)
    #expect(try session.evaluate(tokens: [1]).rowCount == 1)
  }

  @Test func contextOverflowIsRefused() throws {
    let golden = try GoldenModel("qwen3")
    let session = try Session(model: try LoadedModel.open(path: golden.folder), contextLength: 8, threads: 1)
    #expect(code { try session.evaluate(tokens: Array(golden.tokens.prefix(9))) } == .contextOverflow)
    try session.evaluate(tokens: Array(golden.tokens.prefix(8)), logits: .none)
    #expect(code { try session.evaluate(tokens: [1]) } == .contextOverflow)
    session.reset()
    #expect(try session.evaluate(tokens: [1]).rowCount == 1)
  }

  @Test func missingFilesAreRefused() {
    #expect(throws: FileError.self) { try LoadedModel.open(path: "/nonexistent/model.gguf") }
  }

  @Test func unknownArchitectureIsRefused() {
    #expect(
      code { _ = try open { $0[0] = MetadataEntry("general.architecture", .string("gpt9")) } }
        == .unsupportedArchitecture)
  }

  @Test(arguments: [
    ("block_count", 0), ("block_count", 4), ("attention.head_count", 0), ("attention.head_count", 8),
    ("attention.head_count_kv", 3), ("rope.dimension_count", 34), ("rope.dimension_count", 3),
    ("expert_used_count", 9), ("expert_used_count", 0), ("embedding_length", 64),
    ("expert_feed_forward_length", 33), ("expert_count", 7), ("attention.key_length", 16),
  ])
  func wrongMetadataIsRefused(_ key: String, _ value: Int) {
    let found = code {
      _ = try open { metadata in
        for index in metadata.indices where metadata[index].key == "qwen3moe." + key {
          metadata[index].value = .uint32(UInt32(value))
        }
      }
    }
    #expect([.badMetadata, .missingTensor, .wrongShape].contains(found))
  }

  @Test func missingMetadataIsRefused() {
    for key in ["block_count", "embedding_length", "attention.head_count", "expert_count"] {
      #expect(code { _ = try open { $0.removeAll { $0.key == "qwen3moe." + key } } } == .badMetadata)
    }
  }

  @Test func missingTensorIsNamed() throws {
    let checkpoint = try LoadedModel.open(path: try GoldenModel("qwen3").folder)
    let folder = try TemporaryFolder()
    // One more layer than there are tensors for.
    var architecture = checkpoint.architecture
    architecture.layers.append(architecture.layers[0])
    try writeGGUF(checkpoint, to: folder.path("model.gguf"), architecture: minimalMetadata(architecture)) {
      _, _ in
      .f32
    }
    let error = #expect(throws: RuntimeError.self) { try LoadedModel.open(path: folder.path("model.gguf")) }
    #expect(error?.code == .missingTensor)
    #expect(error?.fault.subject == "blk.3.attn_q.weight")
  }

  @Test func nonFiniteResultsAreAnError() throws {
    let golden = try GoldenModel("qwen2")
    let folder = try TemporaryFolder()
    // A NaN in one embedding row: other tokens work, this one stops the run.
    let source = try Data(contentsOf: URL(fileURLWithPath: golden.folder + "/model.safetensors"))
    for name in ["config.json"] {
      try FileManager.default.copyItem(atPath: golden.folder + "/" + name, toPath: folder.path(name))
    }
    _ = try folder.write("model.safetensors", Array(source))
    let model = try LoadedModel.open(path: folder.path(""))
    let whole = try Session(model: model, contextLength: 8, threads: 1).evaluate(
      tokens: [5, 6], logits: .last)
    #expect(whole.rowCount == 1)
    let headerLength = source.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
    let header = String(decoding: source[8..<(8 + headerLength)], as: UTF8.self)
    let entry = try #require(header.range(of: "\"model.embed_tokens.weight\""))
    let offsets = try #require(header[entry.upperBound...].range(of: "\"data_offsets\":["))
    let start = try #require(Int(header[offsets.upperBound...].prefix { $0.isNumber }))
    var damaged = Array(source)
    let place = 8 + headerLength + start + 2 * 48 * 7
    (damaged[place], damaged[place + 1]) = (0xC0, 0x7F)
    _ = try folder.write("model.safetensors", damaged)
    let broken = try LoadedModel.open(path: folder.path(""))
    let session = try Session(model: broken, contextLength: 8, threads: 1)
    #expect(code { try session.evaluate(tokens: [5, 6, 7]) } == .nonFinite)
    session.reset()
    #expect(try session.evaluate(tokens: [5, 6]).values == whole.values)

    // Threads look through pieces of a long batch; the error names the first position all the same.
    var tokens = [Int32](repeating: 5, count: 1100)
    (tokens[700], tokens[1000]) = (7, 7)
    let long = try Session(model: broken, contextLength: 1100, threads: 3, batchLength: 1100)
    let error = #expect(throws: RuntimeError.self) { try long.evaluate(tokens: tokens) }
    #expect(error?.fault.subject == "position 700")
    #expect(error?.fault.found == "nan at 0")
  }
}
