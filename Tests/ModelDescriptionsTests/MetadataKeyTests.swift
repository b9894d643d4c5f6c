import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite("The table of metadata keys")
struct MetadataKeyTests {
  private func key(_ name: String, _ family: String = "qwen3_5_moe") throws -> MetadataKey {
    let family = try #require(ModelFamily.all.first { $0.name == family })
    let all = MetadataKey.general + MetadataKey.tokenizer + MetadataKey.keys(of: family)
    return try #require(all.first { $0.name == name })
  }

  @Test("A name occurs once in a family's keys", arguments: ModelFamily.all.map(\.name))
  func unique(_ name: String) throws {
    let family = try #require(ModelFamily.all.first { $0.name == name })
    let names = (MetadataKey.general + MetadataKey.tokenizer + MetadataKey.keys(of: family)).map {
      $0.fullName(family.ggufArchitecture)
    }
    #expect(Set(names).count == names.count)
  }

  @Test("What the converter writes is what the table says", arguments: GoldenCase.all)
  func written(_ golden: GoldenCase) throws {
    let temporary = try TemporaryFolder()
    let map = try golden.map()
    let entries = try CheckpointMetadata(
      folder: try golden.checkpointFolder(in: temporary), config: try golden.config(), map: map,
      options: .init(fileType: 1)
    ).entries
    let architecture = map.family.ggufArchitecture
    let keys = MetadataKey.general + MetadataKey.tokenizer + MetadataKey.keys(of: map.family)
    let table = Dictionary(uniqueKeysWithValues: keys.map { ($0.fullName(architecture), $0) })
    for entry in entries {
      guard let key = table[entry.key] else { continue }
      let complaint = key.complaint(about: entry.value, blockCount: map.model.blockCount)
      #expect(complaint == nil, "\(entry.key)")
    }
    let present = Set(entries.map(\.key))
    for key in keys where key.absence == .required {
      #expect(present.contains(key.fullName(architecture)), "\(key.name)")
    }
  }

  /// One value of each type.
  private static let values: [(MetadataKey.Element, MetadataValue, MetadataArray)] = [
    (.u8, .uint8(2), .uint8([2, 2])), (.i8, .int8(2), .int8([2, 2])), (.u16, .uint16(2), .uint16([2, 2])),
    (.i16, .int16(2), .int16([2, 2])), (.u32, .uint32(2), .uint32([2, 2])),
    (.i32, .int32(2), .int32([2, 2])),
    (.u64, .uint64(2), .uint64([2, 2])), (.i64, .int64(2), .int64([2, 2])),
    (.f32, .float32(2), .float32([2, 2])),
    (.f64, .float64(2), .float64([2, 2])), (.bool, .bool(true), .bool([true, true])),
    (.string, .string("2"), .string(["2", "2"])),
  ]

  @Test(
    "One type of number alone is taken", arguments: ["block_count", "rope.freq_base", "attention.causal"])
  func single(_ name: String) throws {
    let key = try key(name)
    for (element, value, array) in Self.values {
      let aspect = key.complaint(about: value, blockCount: 2)?.aspect
      #expect((aspect == .type) == (element != key.element), "\(element)")
      #expect(key.complaint(about: .array(array), blockCount: 2)?.aspect == .type, "an array of \(element)")
    }
  }

  @Test("A list for all blocks has one element for each, of either kind of integer")
  func perBlock() throws {
    let key = try key("expert_used_count")
    for (element, value, array) in Self.values {
      #expect((key.complaint(about: value, blockCount: 2) == nil) == (element == .u32), "\(element)")
      let complaint = key.complaint(about: .array(array), blockCount: 2)
      #expect((complaint == nil) == [.u32, .i32].contains(element), "an array of \(element)")
    }
    let three = MetadataValue.array(.uint32([1, 1, 1]))
    #expect(key.complaint(about: three, blockCount: 3) == nil)
    let complaint = try #require(key.complaint(about: three, blockCount: 4))
    #expect(complaint.aspect == .length)
    #expect(complaint.expected == "a u32, or an array with one for each of the 4 blocks")
    #expect(complaint.found == "an array of 3 u32")
  }

  @Test("Fixed lists and ranges")
  func lists() throws {
    let sections = try key("rope.dimension_sections")
    #expect(sections.complaint(about: .array(.int32([11, 11, 10, 0])), blockCount: 4) == nil)
    #expect(sections.complaint(about: .array(.int32([11, 11, 10])), blockCount: 4)?.aspect == .length)
    #expect(sections.complaint(about: .int32(8), blockCount: 4)?.aspect == .type)
    let layers = try key("attention.recurrent_layers")
    #expect(layers.complaint(about: .array(.bool([true, false])), blockCount: 2) == nil)
    #expect(layers.complaint(about: .bool(true), blockCount: 1)?.aspect == .type)
    #expect(layers.complaint(about: .array(.bool([true, false])), blockCount: 3)?.aspect == .length)
    let epsilon = try key("attention.layer_norm_rms_epsilon")
    for (value, isGood) in [(Float(1e-6), true), (0, false), (1, false), (.nan, false), (-1e-6, false)] {
      #expect((epsilon.complaint(about: .float32(value), blockCount: nil) == nil) == isGood, "\(value)")
    }
    let scaling = try key("rope.scaling.type")
    #expect(scaling.complaint(about: .string("yarn"), blockCount: nil) == nil)
    #expect(scaling.complaint(about: .string("dynamic"), blockCount: nil)?.found == "\"dynamic\"")
    #expect(scaling.complaint(about: .rawString([0xFF]), blockCount: nil)?.aspect == .value)
    let blocks = try key("block_count")
    #expect(blocks.complaint(about: .uint32(512), blockCount: nil) == nil)
    #expect(blocks.complaint(about: .uint32(513), blockCount: nil)?.expected == "1 to 512")
  }

  @Test("Uses of tensors: matrices are multiplied, everything else is f32")
  func uses() {
    for name in [
      "token_embd.weight", "output.weight", "blk.3.attn_q.weight", "blk.0.ffn_gate_inp.weight",
      "blk.0.ffn_gate_inp_shexp.weight", "blk.7.ffn_down_exps.weight", "blk.2.nextn.eh_proj.weight",
      "blk.1.ssm_ba.weight",
    ] {
      #expect(TensorPurposes(names: [name])[name].use == .product, "\(name)")
    }
    for name in [
      "output_norm.weight", "blk.3.attn_q.bias", "blk.3.attn_q_norm.weight", "blk.0.ssm_a",
      "blk.0.ssm_dt.bias",
      "blk.0.ssm_conv1d.weight", "rope_freqs.weight", "blk.2.nextn.shared_head_norm.weight",
      "blk.0.attn_q.scale",
    ] {
      #expect(TensorPurposes(names: [name])[name].use == .elementwise, "\(name)")
    }
    let refused: Set<TensorType> = [.i8, .i16, .i32, .i64, .f64, .q8_1, .q8_K]
    for type in TensorType.allCases {
      #expect(TensorUse.product.accepts(type) != refused.contains(type), "\(type)")
      #expect(TensorUse.elementwise.accepts(type) == (type == .f32), "\(type)")
    }
    #expect(!TensorUse.product.accepts(.other(144)))
  }

  @Test("Biases that llama.cpp refuses are told at conversion")
  func biases() throws {
    let golden = GoldenCase(name: "qwen3_moe")
    let members = try #require(try golden.config().document.members)
    let config = try ModelConfig(
      document: .object(members.merging(["attention_bias": .bool(true)]) { $1 }), file: "config.json")
    var sources = try golden.sources()
    func count(_ projection: String) throws -> Int {
      try #require(sources.first { $0.name.hasSuffix("0.self_attn.\(projection)_proj.weight") }?.shape.first)
    }
    let counts = try ["q", "k", "v", "o"].map { ($0, try count($0)) }
    for layer in 0..<(try golden.map().model.layerCount) {
      for (projection, rows) in counts {
        sources.append(
          SourceTensor(
            name: "model.layers.\(layer).self_attn.\(projection)_proj.bias", elementType: .bf16, shape: [rows]
          ))
      }
    }
    let map = try ModelDescription.describe(config: config, tensors: sources)
    let told = (map.warnings + map.losses.map(\.text)).filter { $0.contains("refuses") }
    let first = try #require(told.first)
    #expect(told.count == 1 && first.contains("attn_output.bias"), "\(told)")
    #expect(!first.contains("attn_q.bias"))
    #expect(try golden.map().warnings.allSatisfy { !$0.contains("refuses") })
  }
}
