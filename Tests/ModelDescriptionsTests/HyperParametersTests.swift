import FileBytes
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
    expected.attention.rope = read.attention.rope
    // llama.cpp's loader of these architectures reads no windows.
    expected.windows = read.windows
    expected.attention.hasInputBias = read.attention.hasInputBias
    expected.attention.hasQueryKeyNorm = read.attention.hasQueryKeyNorm
    if let router = read.experts?.router, map.losses.contains(where: { $0.key == "norm_topk_prob" }) {
      expected.experts?.router.normalizesTopK = router.normalizesTopK
    }
    #expect(read == expected)
    #expect(Float(map.model.attention.rope.theta) == Float(read.attention.rope.theta))
    #expect(Float(map.model.normEpsilon) == Float(read.normEpsilon))
    if map.family.ggufArchitecture.hasPrefix("qwen35") {
      #expect(read.attention.rope.sections?.prefix(3) == map.model.attention.rope.sections?.prefix(3))
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

  private func entries(_ name: String) throws -> [MetadataEntry] {
    let temporary = try TemporaryFolder()
    let golden = GoldenCase(name: name)
    return try CheckpointMetadata(
      folder: try golden.checkpointFolder(in: temporary), config: try golden.config(), map: try golden.map(),
      options: .init(fileType: 1)
    ).entries
  }

  @Test(
    "What the table of keys calls out of range, reading refuses",
    arguments: [
      "llama", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe",
    ])
  func rangesAreThoseOfTheTable(_ name: String) throws {
    let entries = try entries(name)
    let family = try #require(ModelFamily.family(metadata: entries))
    var tried = 0
    for key in MetadataKey.keys(of: family) {
      guard case .integers(let range) = key.range, range.upperBound < Int(UInt32.max) else { continue }
      // Loaders pass over counts of experts in dense models, and over the interval beside a list of layers.
      if !family.isMixture, key.name.hasPrefix("expert_") { continue }
      if key.name == "full_attention_interval" { continue }
      let fullName = key.fullName(family.ggufArchitecture)
      let others = entries.filter { $0.key != fullName }
      func isRefused(_ number: Int) -> Bool {
        let entry = MetadataEntry(fullName, .uint32(UInt32(number)))
        return (try? HyperParameters(metadata: others + [entry], file: "x.gguf")) == nil
      }
      #expect(isRefused(range.upperBound + 1), "\(fullName) above \(range.upperBound)")
      // A mixtral without experts is a llama.
      let namesDense =
        key.name == "expert_count"
        && ModelFamily.family(ggufArchitecture: family.ggufArchitecture, isMixture: false)?.isMixture == false
      if range.lowerBound > 0, !namesDense {
        #expect(isRefused(range.lowerBound - 1), "\(fullName) below \(range.lowerBound)")
      }
      tried += 1
    }
    #expect(tried >= 8)
  }

  @Test("Numbers for each layer, and other forms of the same metadata")
  func otherForms() throws {
    let entries = try entries("qwen3_5_moe")
    let family = try #require(ModelFamily.family(metadata: entries))
    let plain = try HyperParameters(metadata: entries, file: "x.gguf")
    let heads = plain.attention.keyValueHeadCount
    let blocks = plain.blockCount
    #expect(plain.changesForLlamaCpp(entries, family: family).isEmpty)
    func changed(_ changes: [(String, MetadataValue?)]) throws -> (HyperParameters, [String: MetadataValue]) {
      var edited = entries
      for (key, value) in changes {
        edited.removeAll { $0.key == "qwen35moe." + key }
        if let value { edited.append(MetadataEntry("qwen35moe." + key, value)) }
      }
      let model = try HyperParameters(metadata: edited, file: "x.gguf")
      let changes = model.changesForLlamaCpp(edited, family: family)
      return (model, Dictionary(uniqueKeysWithValues: changes.map { ($0.key, $0.value) }))
    }
    func list(_ numbers: [Int]) -> MetadataValue { .array(.uint32(numbers.map { UInt32($0) })) }
    let zeroed = plain.layerKinds.map { $0 == .attention ? heads : 0 }
    let trunk = [Int](repeating: heads, count: plain.layerCount)
    let nextToken = [Int](repeating: heads, count: plain.nextTokenLayerCount)

    // llama.cpp reads lists of equal numbers, one for each block.
    var (model, changes) = try changed([("attention.head_count_kv", list(trunk + nextToken))])
    #expect(model == plain && changes.isEmpty, "\(changes)")
    // Zeros in recurrent layers: read here, and rewritten for llama.cpp.
    (model, changes) = try changed([("attention.head_count_kv", list(zeroed + nextToken))])
    #expect(model == plain)
    #expect(changes == ["qwen35moe.attention.head_count_kv": .uint32(UInt32(heads))])
    (model, changes) = try changed([("attention.head_count_kv", .array(.uint64(trunk.map { UInt64($0) })))])
    #expect(model == plain)
    #expect(changes == ["qwen35moe.attention.head_count_kv": .uint32(UInt32(heads))])
    // Without any other sign the zeros tell the kinds of layers.
    (model, changes) = try changed([
      ("attention.head_count_kv", list(zeroed + nextToken)), ("attention.recurrent_layers", nil),
      ("full_attention_interval", nil),
    ])
    #expect(model.layerKinds == plain.layerKinds)
    // Three sections become four.
    (model, changes) = try changed([("rope.dimension_sections", .array(.int32([11, 11, 10])))])
    #expect(changes == ["qwen35moe.rope.dimension_sections": .array(.int32([11, 11, 10, 0]))])
    // Beside the list, the interval says nothing.
    (model, changes) = try changed([("full_attention_interval", .uint32(0))])
    #expect(model.layerKinds == plain.layerKinds && changes.isEmpty)
    // A list of recurrent layers of another length, or of integers.
    let flags = plain.layerKinds.map { $0 == .linearAttention }
    (model, changes) = try changed([("attention.recurrent_layers", .array(.bool(flags + flags)))])
    #expect(model.layerKinds == plain.layerKinds)
    let right = MetadataValue.array(.bool(flags + nextToken.map { _ in false }))
    #expect(
      changes == ["qwen35moe.attention.recurrent_layers": right] && right != .array(.bool(flags + flags)))
    let numbers = (flags + nextToken.map { _ in false }).map { $0 ? 1 : 0 }
    (model, changes) = try changed([("attention.recurrent_layers", list(numbers))])
    #expect(model.layerKinds == plain.layerKinds && changes.isEmpty)
    // The order of value heads that Ollama's converter names.
    (model, changes) = try changed([("ssm.v_head_reordered", .bool(true))])
    #expect(model == plain && model.hasStandardHeadOrder(family: family))
    (model, changes) = try changed([("ssm.v_head_reordered", .bool(false))])
    #expect(model.linearAttention?.valueHeadOrder == .grouped)
    #expect(!model.hasStandardHeadOrder(family: family))
    #expect(blocks == plain.layerCount + nextToken.count)
  }

  @Test("Numbers for each layer that no forward pass can take")
  func badForms() throws {
    let entries = try entries("qwen3_5_moe")
    let plain = try HyperParameters(metadata: entries, file: "x.gguf")
    let heads = UInt32(plain.attention.keyValueHeadCount)
    func error(_ key: String, _ value: MetadataValue, without others: [String] = []) -> DescriptionError? {
      let kept = entries.filter { entry in
        entry.key != "qwen35moe." + key && !others.contains { entry.key == "qwen35moe." + $0 }
      }
      do {
        _ = try HyperParameters(metadata: kept + [MetadataEntry("qwen35moe." + key, value)], file: "x.gguf")
        return nil
      } catch { return error as? DescriptionError }
    }
    let count = plain.layerCount
    func list(_ number: (Int) -> UInt32) -> MetadataValue { .array(.uint32((0..<count).map(number))) }
    let key = "attention.head_count_kv"
    #expect(error(key, list { _ in 0 })?.code == .invalidMetadata)
    #expect(error(key, .array(.uint32([heads])))?.code == .invalidMetadata)
    #expect(error(key, .array(.uint32([])))?.code == .invalidMetadata)
    #expect(error(key, .string("2"))?.code == .invalidMetadata)
    #expect(error(key, .array(.float32([2, 2])))?.code == .invalidMetadata)
    // Zeros elsewhere than the interval says.
    #expect(
      error(key, list { $0 == 0 ? heads : 0 }, without: ["attention.recurrent_layers"])?.code
        == .invalidMetadata)
    let counts = error("attention.head_count", list { $0 == 0 ? 4 : 8 })
    #expect(counts?.code == .notSupported)
    // Keys that are one number for the model.
    #expect(error("block_count", .array(.uint32([4, 4])))?.code == .invalidMetadata)
    #expect(error("embedding_length", list { _ in 64 })?.code == .invalidMetadata)
    // No text of the language shows.
    for found in [
      error(key, list { _ in 0 }), counts, error(key, .string("2")), error("block_count", list { _ in 4 }),
    ] {
      let text = found?.description ?? "array("
      #expect(
        !text.contains("array(") && !text.contains("uint32(") && !text.contains("TensorTypes"), "\(text)")
    }
  }

  @Test("An expert's width follows from that of the layer where early files say no more")
  func expertWidth() throws {
    let entries = try entries("qwen2_moe").filter { $0.key != "qwen2moe.expert_feed_forward_length" }
    let whole = try #require(entries.first { $0.key == "qwen2moe.feed_forward_length" }?.value.integer)
    let used = try #require(entries.first { $0.key == "qwen2moe.expert_used_count" }?.value.integer)
    #expect(try HyperParameters(metadata: entries, file: "x.gguf").experts?.width == whole / used)
  }

  @Test("Rotary factors equal those that the reference stores")
  func rotaryFactors() throws {
    // Computed by llama.cpp's converter with torch: 64 dimensions, theta 1e6, factor 8, 1 and 4, context 256.
    let golden = GoldenCase(name: "llama-llama3-f32")
    let factors = try #require(try golden.map().model.attention.rope.llama3Factors(dimensions: 64))
    #expect(factors.map(\.bitPattern) == Self.reference)
  }

  static let reference: [UInt32] = [
    0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3F800000, 0x3FB0ADFC, 0x401B549F,
    0x409904C8, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
    0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
    0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000, 0x41000000,
  ]
}
