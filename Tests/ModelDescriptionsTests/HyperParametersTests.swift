import ModelDescriptions
import TensorTypes
import TestSupport
import Testing

@Suite("Hyper-parameters")
struct HyperParametersTests {
  @Test("A converted file says the same as the configuration", arguments: GoldenCase.all)
  func roundTrip(_ golden: GoldenCase) throws {
    let temporary = try TemporaryFolder()
    let map = try golden.map()
    let metadata = try CheckpointMetadata(
      folder: try golden.checkpointFolder(in: temporary), config: try golden.config(), map: map,
      options: .init(fileType: 1))
    let read = try HyperParameters(metadata: metadata.entries, file: "x.gguf")
    var expected = map.model
    // What a file stores differently: complete norms, four sections, f32 numbers, factors as a tensor, biases by key.
    expected.normIsOffset = false
    expected.tiedEmbeddings = false
    expected.normEpsilon = read.normEpsilon
    expected.rope = read.rope
    expected.attention.hasInputBias = read.attention.hasInputBias
    if read.experts == nil || map.family.ggufArchitecture != "qwen2moe" {
      expected.experts?.normalizesTopK = true
    }
    #expect(read == expected)
    #expect(Float(map.model.rope.theta) == Float(read.rope.theta))
    #expect(Float(map.model.normEpsilon) == Float(read.normEpsilon))
    if map.family.ggufArchitecture.hasPrefix("qwen35") {
      #expect(read.rope.sections?.prefix(3) == map.model.rope.sections?.prefix(3))
    }
  }

  @Test("Metadata that lies")
  func lies() throws {
    let temporary = try TemporaryFolder()
    let golden = GoldenCase(name: "qwen3_5_moe")
    let entries = try CheckpointMetadata(
      folder: try golden.checkpointFolder(in: temporary), config: try golden.config(), map: try golden.map(),
      options: .init(fileType: 1)
    ).entries
    func code(_ key: String, _ value: MetadataValue?) -> DescriptionError.Code? {
      let changed = entries.compactMap { entry -> MetadataEntry? in
        entry.key != key ? entry : value.map { MetadataEntry(key, $0) }
      }
      do {
        _ = try HyperParameters(metadata: changed, file: "x.gguf")
        return nil
      } catch { return (error as? DescriptionError)?.code }
    }
    #expect(code("none", nil) == nil)
    #expect(code("general.architecture", nil) == .invalidMetadata)
    #expect(code("general.architecture", .string("gptj")) == .notSupported)
    #expect(code("qwen35moe.block_count", .uint32(0)) == .invalidMetadata)
    #expect(code("qwen35moe.block_count", .uint32(4_000_000_000)) == .invalidMetadata)
    #expect(code("qwen35moe.attention.head_count_kv", .uint32(3)) == .invalidMetadata)
    #expect(code("qwen35moe.ssm.time_step_rank", .uint32(5)) == .invalidMetadata)
    #expect(code("qwen35moe.expert_used_count", .uint32(9)) == .invalidMetadata)
    #expect(code("qwen35moe.attention.recurrent_layers", .array(.bool([true]))) == .invalidMetadata)
    #expect(code("qwen35moe.rope.freq_base", .string("x")) == .invalidMetadata)
    #expect(code("qwen35moe.embedding_length", nil) == .invalidMetadata)
    // Older files have no list of layers; the interval decides then.
    #expect(code("qwen35moe.attention.recurrent_layers", nil) == nil)
  }

  @Test("Rotary factors equal those that the reference stores")
  func rotaryFactors() throws {
    // Computed by llama.cpp's converter with torch: 64 dimensions, theta 1e6, factor 8, 1 and 4, context 256.
    let golden = GoldenCase(name: "llama-llama3-f32")
    let factors = try #require(try golden.map().model.rope.llama3Factors(dimensions: 64))
    #expect(factors.map(\.bitPattern) == Self.reference)
  }

  static let reference: [UInt32] = [
    0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3FB0ADFC, 0x401B549F,
    0x409904C8, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
    0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
    0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
  ]
}
