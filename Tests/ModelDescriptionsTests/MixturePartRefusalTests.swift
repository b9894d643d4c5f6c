import FileBytes
import Foundation
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Numbers that the parts of newer mixtures cannot have.
///
/// Windows, sinks, short convolutions, factors, groups, lists of one number for each layer, sparse mixers: each is
/// refused by its key, in configurations and in files.
@Suite("Impossible numbers of newer mixtures")
struct MixturePartRefusalTests {
  /// A recorded configuration with changes, given as JSON.
  private func config(_ golden: String, _ changes: [String: JSONValue?]) throws -> ModelConfig {
    var members = try #require(try GoldenCase(name: golden).config().document.members)
    for (key, value) in changes { members[key] = value }
    return try ModelConfig(document: .object(members), file: "config.json")
  }

  /// The description of the tensors that a configuration tells.
  private func described(_ config: ModelConfig) throws -> CheckpointMap {
    try ModelDescription.describe(
      config: config, tensors: try ModelDescription.expectedTensors(config: config),
      options: DescriptionOptions(tensorsAreExpected: true))
  }

  /// The keys of the file that a description becomes.
  private func entries(_ map: CheckpointMap, _ config: ModelConfig) throws -> [MetadataEntry] {
    let temporary = try TemporaryFolder()
    return try CheckpointMetadata.entriesWithoutVocabulary(
      files: try TokenizerFolder(temporary.url.path), config: config, map: map, options: .init(fileType: 1))
  }

  // MARK: Configurations

  private static let badConfigurations: [(golden: String, changes: String, key: String)] = [
    ("minimax_m2", #""rotary_dim": 0"#, "rotary_dim"),
    ("minimax_m2", #""rotary_dim": 31"#, "rotary_dim"),
    ("minimax_m2", #""rotary_dim": 66"#, "rotary_dim"),
    ("minimax_m2", #""rotary_dim": "half""#, "rotary_dim"),
    ("minimax_m2", #""num_local_experts": 0"#, "num_local_experts"),
    ("minimax_m2", #""num_experts_per_tok": 13"#, "num_experts_per_tok"),
    ("ernie4_5_moe", #""moe_layer_interval": 2"#, "moe_layer_interval"),
    ("ernie4_5_moe", #""moe_layer_end_index": 1"#, "moe_layer_end_index"),
    ("ernie4_5_moe", #""moe_layer_start_index": 4"#, "moe_layer_start_index"),
    ("ernie4_5_moe", #""moe_layer_start_index": -1"#, "moe_layer_start_index"),
    ("ernie4_5_moe", #""moe_k": 0"#, "moe_k"),
    ("ernie4_5_moe", #""moe_num_experts": [12, 12]"#, "moe_num_experts"),
    ("ernie4_5_moe", #""moe_num_shared_experts": -1"#, "moe_num_shared_experts"),
    ("hunyuan_v1_moe", #""moe_topk": [3, 2]"#, "moe_topk"),
    ("hunyuan_v1_moe", #""moe_topk": []"#, "moe_topk"),
    ("hunyuan_v1_moe", #""moe_topk": [3.5, 3.5]"#, "moe_topk"),
    ("hunyuan_v1_moe", #""moe_topk": "3""#, "moe_topk"),
    ("hunyuan_v1_moe", #""moe_topk": [3]"#, "moe_topk"),
    ("hunyuan_v1_moe", #""moe_intermediate_size": [256, 128]"#, "moe_intermediate_size"),
    ("hunyuan_v1_moe", #""moe_intermediate_size": [128, 128]"#, "moe_intermediate_size"),
    ("hunyuan_v1_moe", #""num_shared_expert": [2, 2]"#, "num_shared_expert"),
    ("hunyuan_v1_moe", #""num_experts": 0"#, "num_experts"),
    ("hunyuan_v1_moe", #""rope_scaling": {"type": "dynamic", "factor": 1.0}"#, "rope_scaling"),
    (
      "hunyuan_v1_moe", #""rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": -1000}"#, "rope_scaling"
    ),
    (
      "hunyuan_v1_moe", #""rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": "x"}"#, "rope_scaling"
    ),
    ("hunyuan_v1_moe", #""head_dim": 2"#, "head_dim"),
    ("bailing_moe", #""n_group": 3"#, "n_group"),
    ("bailing_moe", #""n_group": 16, "topk_group": 8"#, "n_group"),
    ("bailing_moe", #""topk_group": 0"#, "topk_group"),
    ("bailing_moe", #""topk_group": 5"#, "topk_group"),
    ("bailing_moe", #""topk_group": 1, "num_experts_per_tok": 5"#, "topk_group"),
    ("bailing_moe", #""first_k_dense_replace": 9"#, "first_k_dense_replace"),
    ("bailing_moe", #""partial_rotary_factor": 0.3"#, "partial_rotary_factor"),
    ("bailing_moe", #""partial_rotary_factor": 0.01"#, "partial_rotary_factor"),
    ("granitemoe", #""logits_scaling": 0"#, "logits_scaling"),
    ("granitemoe", #""logits_scaling": "6""#, "logits_scaling"),
    ("granitemoe", #""embedding_multiplier": 0"#, "embedding_multiplier"),
    ("granitemoe", #""residual_multiplier": -0.22"#, "residual_multiplier"),
    ("granitemoe", #""attention_multiplier": -1"#, "attention_multiplier"),
    ("granitemoe", #""attention_multiplier": 0"#, "attention_multiplier"),
    ("granitemoe", #""embedding_multiplier": 1e300"#, "embedding_multiplier"),
    ("granitemoe-shared", #""shared_intermediate_size": -1"#, "shared_intermediate_size"),
    ("exaone_moe", #""sliding_window": 0"#, "sliding_window"),
    ("exaone_moe", #""sliding_window": [16]"#, "sliding_window"),
    ("exaone_moe", #""layer_types": ["sliding_attention"]"#, "layer_types"),
    ("exaone_moe", #""layer_types": null, "sliding_window_pattern": 0"#, "sliding_window_pattern"),
    ("exaone_moe", #""layer_types": null, "sliding_window_pattern": """#, "sliding_window_pattern"),
    ("exaone_moe", #""layer_types": null, "sliding_window_pattern": "LXG""#, "sliding_window_pattern"),
    ("exaone_moe", #""layer_types": null, "sliding_window_pattern": [4]"#, "sliding_window_pattern"),
    ("exaone_moe", #""num_shared_experts": -1"#, "num_shared_experts"),
    ("lfm2_moe", #""conv_L_cache": 1"#, "conv_L_cache"),
    ("lfm2_moe", #""conv_L_cache": 2000"#, "conv_L_cache"),
    ("lfm2_moe", #""conv_L_cache": "3""#, "conv_L_cache"),
    ("lfm2_moe", #""conv_bias": true"#, "conv_bias"),
    ("lfm2_moe", #""use_expert_bias": 1"#, "use_expert_bias"),
    ("lfm2_moe", #""layer_types": null"#, "layer_types"),
    ("lfm2_moe", #""layer_types": ["conv"]"#, "layer_types"),
    ("lfm2_moe", #""layer_types": ["conv", "conv", "conv", "linear_attention"]"#, "layer_types"),
    ("lfm2_moe", #""layer_types": null, "full_attn_idxs": [1, 4]"#, "full_attn_idxs"),
    ("lfm2_moe", #""layer_types": null, "full_attn_idxs": ["1"]"#, "full_attn_idxs"),
    ("lfm2_moe", #""num_dense_layers": 9"#, "num_dense_layers"),
    ("lfm2_moe", #""routed_scaling_factor": "1""#, "routed_scaling_factor"),
    ("phimoe", #""num_experts_per_tok": 1"#, "num_experts_per_tok"),
    ("phimoe", #""num_experts_per_tok": 3"#, "num_experts_per_tok"),
    ("phimoe", #""router_jitter_noise": 0.02"#, "router_jitter_noise"),
    ("phimoe", #""router_jitter_noise": "x""#, "router_jitter_noise"),
    ("phimoe", #""lm_head_bias": 1"#, "lm_head_bias"),
    ("phimoe", #""attention_bias": "yes""#, "attention_bias"),
    (
      "phimoe", #""rope_scaling": {"type": "yarn", "factor": 4.0}"#, "rope_scaling.type"
    ),
    ("phimoe", longRope(), "rope_scaling.short_mscale"),
    ("phimoe", longRope(#""short_mscale": 0, "long_mscale": 1"#), "rope_scaling.short_mscale"),
    ("phimoe", longRope(#""short_mscale": "1", "long_mscale": 1"#), "rope_scaling.short_mscale"),
    ("phimoe", longRope(#""short_mscale": 1e300, "long_mscale": 1"#), "rope_scaling.short_mscale"),
    ("phimoe", longRope(#""short_mscale": 1.25"#), "rope_scaling.long_mscale"),
    ("phimoe", longRope(#""short_mscale": 1.25, "long_mscale": 1.5"#), "rope_scaling.long_mscale"),
    ("phimoe", longRope(#""short_mscale": 1, "long_mscale": 1"#, short: 31), "rope_scaling.short_factor"),
    ("phimoe", longRope(#""short_mscale": 1, "long_mscale": 1"#, long: 33), "rope_scaling.long_factor"),
  ]

  /// A table of longrope with lists of so many ones.
  private static func longRope(_ more: String = "", short: Int = 32, long: Int = 32) -> String {
    func list(_ count: Int) -> String {
      "[" + [String](repeating: "1.0", count: count).joined(separator: ", ") + "]"
    }
    return #""rope_scaling": {"type": "longrope", "original_max_position_embeddings": 4096, "#
      + #""short_factor": \#(list(short)), "long_factor": \#(list(long))\#(more.isEmpty ? "" : ", " + more)}"#
  }

  @Test("A configuration is refused by the key", arguments: badConfigurations.indices)
  func refusedConfiguration(_ index: Int) throws {
    let (golden, changes, key) = Self.badConfigurations[index]
    let changed = try #require(
      try JSONValue(parsing: Array("{\(changes)}".utf8), file: "changes").members)
    let error = #expect(throws: DescriptionError.self, "\(golden) \(changes)") {
      try described(try config(golden, changed.mapValues { $0 == .null ? nil : $0 }))
    }
    #expect(error?.fault.subject.description == key, "\(golden) \(changes): \(String(describing: error))")
    #expect(error?.fault.file == "config.json" && error?.fault.expected.isEmpty == false)
    #expect([.invalidConfig, .notSupported].contains(error?.code))
  }

  // MARK: Files

  private static let badFiles: [(golden: String, key: String, value: MetadataValue?)] = [
    ("minimax_m2", "expert_gating_func", .uint32(3)),
    ("minimax_m2", "expert_gating_func", .string("sigmoid")),
    ("minimax_m2", "attention.head_count_kv", .uint32(3)),
    ("ernie4_5_moe", "interleave_moe_layer_step", nil),
    ("ernie4_5_moe", "interleave_moe_layer_step", .uint32(0)),
    ("ernie4_5_moe", "interleave_moe_layer_step", .uint32(2)),
    ("ernie4_5_moe", "leading_dense_block_count", .uint32(4)),
    ("hunyuan_v1_moe", "expert_used_count", .array(.uint32([3, 2]))),
    ("hunyuan_v1_moe", "expert_used_count", .uint32(0)), ("hunyuan_v1_moe", "expert_used_count", nil),
    ("hunyuan_v1_moe", "rope.scaling.type", .string("ntk")),
    ("bailing_moe", "expert_group_count", .uint32(3)), ("bailing_moe", "expert_group_count", .uint32(2000)),
    ("bailing_moe", "expert_group_used_count", .uint32(5)),
    ("bailing_moe", "expert_weights_scale", .float32(.nan)),
    ("bailing_moe", "expert_weights_scale", .float32(-1)),
    ("granitemoe", "logit_scale", nil), ("granitemoe", "logit_scale", .float32(0)),
    ("granitemoe", "logit_scale", .float32(.infinity)), ("granitemoe", "attention.scale", .float32(-1)),
    ("granitemoe", "residual_scale", .float32(.nan)), ("granitemoe", "embedding_scale", .string("12")),
    ("exaone_moe", "attention.sliding_window", nil), ("exaone_moe", "attention.sliding_window", .uint32(0)),
    ("exaone_moe", "attention.sliding_window", .float32(16)),
    ("exaone_moe", "attention.sliding_window_pattern", .array(.bool([true, false]))),
    ("exaone_moe", "attention.sliding_window_pattern", .string("LLLG")),
    ("exaone_moe", "nextn_predict_layers", .uint32(9)),
    ("lfm2_moe", "shortconv.l_cache", nil), ("lfm2_moe", "shortconv.l_cache", .uint32(0)),
    ("lfm2_moe", "shortconv.l_cache", .uint32(1)), ("lfm2_moe", "shortconv.l_cache", .string("3")),
    ("lfm2_moe", "attention.head_count_kv", .array(.int32([0, 2]))),
    ("lfm2_moe", "attention.head_count_kv", .array(.int32([0, 3, 0, 3]))),
    ("lfm2_moe", "attention.head_count_kv", .array(.int32([0, -2, 0, 2]))),
    ("phimoe", "rope.scaling.attn_factor", .float32(.nan)),
    ("phimoe", "rope.scaling.original_context_length", .string("4096")),
    ("phimoe", "rope.freq_base", .float32(0)), ("phimoe", "expert_used_count", .uint32(13)),
    ("phimoe", "expert_count", .uint32(0)),
  ]

  @Test("A file is refused by the key", arguments: badFiles.indices)
  func refusedFile(_ index: Int) throws {
    let (golden, key, value) = Self.badFiles[index]
    let config = try config(golden, [:])
    let map = try described(config)
    let name = map.family.ggufArchitecture + "." + key
    let kept = try entries(map, config).filter { $0.key != name }
    func read(_ entries: [MetadataEntry]) throws {
      _ = try HyperParameters(
        metadata: entries, embeddingRows: map.model.vocabularySize, file: "x.gguf")
    }
    try read(try entries(map, config))
    let error = #expect(throws: DescriptionError.self, "\(name)") {
      try read(kept + (value.map { [MetadataEntry(name, $0)] } ?? []))
    }
    #expect(error?.fault.subject.description == name, "\(String(describing: error))")
    #expect(error?.fault.file == "x.gguf" && error?.fault.expected.isEmpty == false)
  }

  // MARK: Tensors

  @Test("A tensor that is missing or of another shape is named", arguments: goldens + ["gpt_oss"])
  func everyTensor(_ name: String) throws {
    let golden = GoldenCase(name: name)
    let (config, sources) = (try golden.config(), try golden.sources())
    func failure(_ tensors: [SourceTensor]) -> DescriptionError? {
      do {
        _ = try ModelDescription.describe(config: config, tensors: tensors, options: golden.options)
        return nil
      } catch { return error as? DescriptionError }
    }
    #expect(failure(sources) == nil)
    for index in sources.indices {
      let tensor = sources[index]
      // Without a head of its own the embedding serves as one.
      if tensor.name != "lm_head.weight" {
        var missing = sources
        missing.remove(at: index)
        let error = failure(missing)
        let expert = tensor.name.split(separator: ".").last { Int($0) != nil }.map(String.init) ?? ""
        #expect(error?.code == .tensorMismatch, "\(tensor.name) removed: \(String(describing: error))")
        let text = error?.fault.description ?? ""
        // A name may be said as it is spelt in other checkpoints of the family.
        let last = tensor.name.split(separator: ".").last { $0 != "weight" } ?? ""
        #expect(text.contains(last) || text.contains("experts") && text.contains(expert), "\(text)")
      }
      for change in [{ $0 + 1 }, { $0 * 2 }, { _ in 0 }] as [(Int) -> Int] {
        var other = sources
        other[index].shape[tensor.shape.count - 1] = change(tensor.shape[tensor.shape.count - 1])
        let error = failure(other)
        #expect(error?.code == .tensorMismatch, "\(tensor.name) \(other[index].shape)")
        #expect(error?.fault.description.contains(tensor.name) == true, "\(String(describing: error))")
      }
    }
  }

  @Test("Blocks of MXFP4 without their scales, or of other shapes and types, are named")
  func blocks() throws {
    let config = try config("gpt_oss", ["quantization_config": .object(["quant_method": .string("mxfp4")])])
    // Columns of 16-bit experts are rows of blocks.
    let stored = try GoldenCase(name: "gpt_oss").sources().flatMap { tensor -> [SourceTensor] in
      guard tensor.name.contains(".experts."), !tensor.name.hasSuffix("_bias") else { return [tensor] }
      let groups = [tensor.shape[0], tensor.shape[2], tensor.shape[1] / 32]
      return [
        SourceTensor(name: tensor.name + "_blocks", elementType: .u8, shape: groups + [16]),
        SourceTensor(name: tensor.name + "_scales", elementType: .u8, shape: groups),
      ]
    }
    let blocks = "model.layers.1.mlp.experts.down_proj_blocks"
    let scales = blocks.replacing("_blocks", with: "_scales")
    func problems(_ name: String, _ change: (inout SourceTensor) -> Void) -> [TensorProblem] {
      var tensors = stored
      guard let index = tensors.firstIndex(where: { $0.name == name }) else { return [] }
      change(&tensors[index])
      if tensors[index].name.isEmpty { tensors.remove(at: index) }
      let error = #expect(throws: DescriptionError.self, "\(name)") {
        try ModelDescription.describe(config: config, tensors: tensors)
      }
      #expect(error?.code == .tensorMismatch)
      return error?.problems ?? []
    }
    _ = try ModelDescription.describe(config: config, tensors: stored)
    #expect(
      problems(scales) { $0.name = "" } == [
        .scaleMissing(name: blocks, scale: scales, elementType: "U8")
      ])
    for (name, shapes) in [
      (
        blocks,
        [[12, 256, 10, 8], [12, 256, 9, 16], [12, 320, 8, 16], [12, 256, 160], [11, 256, 10, 16], []]
      ),
      (scales, [[12, 256, 9], [12, 256, 10, 1], [12, 2560], [11, 256, 10], [0], []]),
    ] as [(String, [[Int]])] {
      for shape in shapes {
        let found = problems(name) { $0.shape = shape }
        // What has not the shape of blocks may be called by its type, and what has that of other columns by those.
        #expect(found.contains { "\($0)".contains(name) }, "\(name) \(shape): \(found)")
      }
      for type in [ElementType.bf16, .i8, .f8E4M3] {
        #expect(
          problems(name) { $0.elementType = type }.contains(
            .elementType(name: name, found: type.rawValue)), "\(name) \(type)")
      }
    }
  }

  // MARK: Every key

  private static let goldens = [
    "minimax_m2", "ernie4_5_moe", "hunyuan_v1_moe", "bailing_moe", "granitemoe-shared", "exaone_moe",
    "lfm2_moe",
    "phimoe",
  ]

  private static let values: [JSONValue?] = [
    nil, .integer(0), .integer(-1), .integer(1), .integer(3), .integer(1 << 31), .integer(.max),
    .number(0.5),
    .number(-1), .number(1e300), .number(-0.0), .string("x"), .string(""), .bool(true), .array([]),
    .array([.integer(1)]), .array([.integer(3), .string("y")]), .object([:]), .object(["type": .integer(3)]),
  ]

  @Test(
    "Any value under any key is refused, or gives a file that is read as it was meant", arguments: goldens)
  func everyKey(_ golden: String) throws {
    let members = try #require(try config(golden, [:]).document.members)
    var refused = 0
    for key in members.keys.sorted() where !["architectures", "model_type"].contains(key) {
      for value in Self.values {
        let changed = try config(golden, [key: value])
        do {
          let map = try described(changed)
          // A million tokens or a context of any length are as good as others.
          let written = try entries(map, changed)
          let read = try HyperParameters(
            metadata: written, embeddingRows: map.model.vocabularySize, file: "x.gguf")
          #expect(read.experts?.count == map.model.experts?.count && read.layerKinds == map.model.layerKinds)
          #expect(map.family.expectedTensors(read).count > 10)
        } catch let error as DescriptionError {
          #expect(!error.fault.subject.isEmpty && !error.fault.expected.isEmpty, "\(error)")
          // What is written can be read.
          #expect(error.code != .invalidMetadata, "\(key) \(value?.summary ?? "absent"): \(error)")
          refused += 1
        }
      }
    }
    #expect(refused > 100)
  }

  @Test("Any value under any key of a file is refused or read", arguments: goldens)
  func everyKeyOfFiles(_ golden: String) throws {
    let config = try config(golden, [:])
    let map = try described(config)
    let written = try entries(map, config)
    let values: [MetadataValue?] = [
      nil, .uint32(0), .uint32(1), .uint32(3), .uint32(.max), .int32(-1), .uint64(.max), .float32(0),
      .float32(-1),
      .float32(.nan), .float32(.infinity), .string(""), .bool(true), .array(.uint32([])),
      .array(.int32([-1, 1, 1, 1])),
      .array(.uint32([1, 1, 1, 1])), .array(.float32([.nan])), .array(.bool([true, true, true, true, true])),
    ]
    var refused = 0
    for entry in written where entry.key.hasPrefix(map.family.ggufArchitecture + ".") {
      for value in values {
        let kept = written.filter { $0.key != entry.key }
        do {
          let read = try HyperParameters(
            metadata: kept + (value.map { [MetadataEntry(entry.key, $0)] } ?? []),
            embeddingRows: map.model.vocabularySize, file: "x.gguf")
          // What 32 bits can say of widths is not made into tensors here.
          guard read.vocabularySize < 1 << 24, read.blockCount < 64 else { continue }
          #expect(read.architecture(of: map.family).layers.count == read.layerCount)
          #expect(map.family.expectedTensors(read).count > 10)
        } catch let error as DescriptionError {
          #expect(error.fault.file == "x.gguf" && !error.fault.subject.isEmpty, "\(error)")
          refused += 1
        }
      }
    }
    #expect(refused > 60)
  }
}
