import FileBytes
import Foundation
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// The keys of every part: what is written is what the table says, and reading gives back what was written.
@Suite("Keys, written and read")
struct KeyRoundTripTests {
  /// A recording of each kind of model, whose numbers are replaced.
  private static let models = [
    "llama", "mistral-linear", "mixtral", "qwen2", "qwen2-tied-yarn", "qwen2_moe", "qwen3", "qwen3_moe",
    "qwen3_vl",
    "qwen3_vl_moe", "qwen3_next-mtp", "qwen3_5-tied-mtp", "qwen3_5_moe-nested-mtp", "deepseek", "deepseek_v2",
    "deepseek_v2-groups", "deepseek_v2-lite", "deepseek_v3", "kimi_k2", "glm4_moe-mtp", "glm4_moe_lite-mtp",
    "mistral4", "dots1", "olmoe", "minimax_m2", "ernie4_5_moe", "hunyuan_v1_moe", "bailing_moe", "granitemoe",
    "granitemoe-shared", "exaone_moe", "lfm2_moe", "phimoe", "gpt_oss", "gemma4", "gemma4_moe",
  ]

  @Test("Random numbers of every family", arguments: models)
  func random(_ name: String) throws {
    var random = SeededGenerator(seed: UInt64(name.utf8.reduce(7) { ($0 &* 31 &+ UInt64($1)) & 0xFFFF_FFFF }))
    for _ in 0..<40 {
      let config = try Self.changed(GoldenCase(name: name).config(), &random)
      let map = try ModelDescription.describe(
        config: config, tensors: try ModelDescription.expectedTensors(config: config),
        options: DescriptionOptions(tensorsAreExpected: true))
      let temporary = try TemporaryFolder()
      let entries = try CheckpointMetadata.entriesWithoutVocabulary(
        files: try TokenizerFolder(temporary.url.path), config: config, map: map, options: .init(fileType: 1))
      try Self.compare(map, entries)
    }
  }

  @Test("Blocks for next-token prediction are counted where the converter counts them, none included")
  func noNextToken() throws {
    for (name, key, found) in [
      ("exaone_moe", "exaone-moe.nextn_predict_layers", 0),
      ("bailing_moe", "bailingmoe2.nextn_predict_layers", nil),
      ("minimax_m2", "minimax-m2.nextn_predict_layers", nil),
    ] as [(String, String, Int?)] {
      var members = try #require(try GoldenCase(name: name).config().document.members)
      members["num_nextn_predict_layers"] = nil
      let config = try ModelConfig(document: .object(members), file: "config.json")
      let map = try ModelDescription.describe(
        config: config, tensors: try ModelDescription.expectedTensors(config: config),
        options: DescriptionOptions(tensorsAreExpected: true))
      let temporary = try TemporaryFolder()
      let entries = try CheckpointMetadata.entriesWithoutVocabulary(
        files: try TokenizerFolder(temporary.url.path), config: config, map: map, options: .init(fileType: 1))
      #expect(entries.first { $0.key == key }?.value == found.map { .uint32(UInt32($0)) }, "\(name)")
    }
  }

  private static func compare(_ map: CheckpointMap, _ entries: [MetadataEntry]) throws {
    let prefix = map.family.ggufArchitecture + "."
    let table = Dictionary(
      uniqueKeysWithValues: MetadataKey.keys(of: map.family).map { (prefix + $0.name, $0) })
    for entry in entries where entry.key.hasPrefix(prefix) {
      // The table has what llama.cpp reads; its converter writes more.
      guard let key = table[entry.key] else { continue }
      #expect(key.complaint(about: entry.value, blockCount: map.model.blockCount) == nil, "\(entry.key)")
    }
    let family = try #require(ModelFamily.family(metadata: entries))
    for relation in KeyRelation.all(of: family) {
      let failure = relation.failure(try KeyReader(entries, file: "x.gguf"), family)
      // llama.cpp wants the values of delta nets to be as wide as their keys, which the conversion says as a loss.
      #expect(failure == nil || failure?.key.hasSuffix("inner_size") == true, "\(failure?.key ?? "")")
    }
    let read = try HyperParameters(
      metadata: entries, embeddingRows: map.model.vocabularySize, file: "x.gguf")
    var expected = map.model
    // What a file stores in another way, or not at all: complete norms, biases and a head by their tensors, windows.
    expected.normIsOffset = false
    expected.nextTokenNormIsOffset = nil
    expected.tiedEmbeddings = false
    expected.windows = read.windows
    expected.attention.hasInputBias = read.attention.hasInputBias
    expected.attention.hasOutputBias = read.attention.hasOutputBias
    expected.attention.hasQueryKeyNorm = read.attention.hasQueryKeyNorm
    expected.hasFeedForwardBias = read.hasFeedForwardBias
    // Real numbers are stored in 32 bits.
    expected.normEpsilon = Double(Float(expected.normEpsilon))
    expected.attention.rope = stored(expected.attention.rope)
    if ![0, expected.attention.headDim].contains(expected.attention.rotaryDimensions) {
      expected.attention.rope.partialFactor =
        Double(expected.attention.rotaryDimensions) / Double(expected.attention.headDim)
    }
    if map.model.latentAttention != nil { expected.attention.rope = read.attention.rope }
    if let sliding = expected.slidingAttention { expected.slidingAttention?.rope = stored(sliding.rope) }
    if let latent = expected.latentAttention {
      expected.latentAttention?.rope = stored(latent.rope)
      if case .yarn(var yarn) = latent.rope.scaling,
        case .yarn(let found)? = read.latentAttention?.rope.scaling
      {
        // The factor of cosines and sines follows from the weight in a file.
        yarn.attentionFactor = found.attentionFactor
        yarn.statesAttentionFactor = found.statesAttentionFactor
        expected.latentAttention?.rope.scaling = .yarn(yarn)
      }
    }
    if case nil = expected.attention.rope.sections {
      expected.attention.rope.sections = read.attention.rope.sections
    }
    if map.losses.contains(where: { $0.key == "norm_topk_prob" }), let router = read.experts?.router {
      expected.experts?.router.normalizesTopK = router.normalizesTopK
    }
    if map.losses.contains(where: { $0.key == "routed_scaling_factor" }) {
      expected.experts?.router.scale = 1
    }
    #expect(read == expected, "\(entries.map { "\($0.key)=\($0.value.summary)" })")
  }

  /// The rotary embedding as a file says it.
  private static func stored(_ rope: RopeParameters) -> RopeParameters {
    var rope = rope
    rope.theta = Double(Float(rope.theta))
    rope.partialFactor = nil
    // Pairs that stand still are in a tensor.
    if case .proportional(factor: 1) = rope.scaling { rope.scaling = .none }
    if let sections = rope.sections { rope.sections = Array((sections + [0, 0, 0, 0]).prefix(4)) }
    if case .longRope(var long) = rope.scaling {
      // Tensors have the factors.
      long.shortFactors = nil
      long.longFactors = nil
      rope.scaling = .longRope(long)
    }
    if case .yarn(var yarn) = rope.scaling {
      // llama.cpp's loader passes over them outside of latent attention.
      yarn.extrapolationFactor = nil
      yarn.attentionFactor = nil
      yarn.statesAttentionFactor = false
      yarn.betaFast = nil
      yarn.betaSlow = nil
      rope.scaling = .yarn(yarn)
    }
    return rope
  }

  /// The same configuration with other numbers, wherever it has them.
  private static func changed(
    _ config: ModelConfig, _ random: inout SeededGenerator
  ) throws -> ModelConfig {
    let root = try #require(config.document.members)
    let nested = root["text_config"]?.members
    var text = nested ?? root
    func set(_ key: String, _ value: JSONValue) { if text[key] != nil { text[key] = value } }
    func pick(_ values: [Int]) -> Int { values.randomElement(using: &random) ?? 1 }
    let layers = pick([2, 3, 4, 7, 9])
    set("num_hidden_layers", .integer(layers))
    text["layer_types"] = nil
    text["mlp_layer_types"] = nil
    text["moe_layer_end_index"] = nil
    if text["conv_L_cache"] != nil {
      let kinds = (0..<layers).map { $0 % 2 == 0 ? "conv" : "full_attention" }
      text["layer_types"] = .array(kinds.map { .string($0) })
    }
    set("full_attention_interval", .integer(pick([2, 3, 4])))
    let groups = pick([1, 2, 4])
    let ratio =
      text["kv_lora_rank"] != nil || ["olmoe", "dots1"].contains(text["model_type"]?.text ?? "")
      ? 1 : pick([1, 2, 3])
    set("num_attention_heads", .integer(groups * ratio))
    set("num_key_value_heads", .integer(groups))
    let headDim = pick([32, 64, 96])
    set("hidden_size", .integer(text["head_dim"] == nil ? groups * ratio * headDim : 32 * pick([1, 3, 8])))
    // Sections of pairs are made for the width that they stand beside.
    if text["rope_parameters"]?["mrope_section"] == nil, text["rope_scaling"]?["mrope_section"] == nil {
      set("head_dim", .integer(headDim))
    }
    set("vocab_size", .integer(pick([33, 256, 1000])))
    set("max_position_embeddings", .integer(pick([64, 4096, 131072])))
    for key in ["intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"] {
      set(key, .integer(32 * pick([1, 2, 5, 11])))
    }
    // One width for both, which other families call so.
    if text["moe_topk"] != nil, let width = text["intermediate_size"] {
      text["moe_intermediate_size"] = width
    }
    let experts = pick([8, 16, 24])
    for key in ["num_experts", "num_local_experts", "n_routed_experts"] where text[key]?.integer != nil {
      set(key, .integer(experts))
    }
    for key in ["num_experts_per_tok", "top_k_experts"] where text[key]?.integer != nil {
      set(key, .integer(pick([1, 2, 4])))
    }
    set("global_head_dim", .integer(pick([64, 128])))
    set("num_global_key_value_heads", .integer(pick([1, groups])))
    if let groups = text["n_group"]?.integer, groups > 1 {
      set("n_group", .integer(pick([2, 4])))
      set("topk_group", .integer(pick([1, 2])))
      set("num_experts_per_tok", .integer(2))
    }
    set("n_shared_experts", .integer(pick([1, 2, 3])))
    set("first_k_dense_replace", .integer(pick([0, 1, 2])))
    set("routed_scaling_factor", .number(Double(pick([1, 1000, 2827, 446_125])) / 1000))
    set("rms_norm_eps", .number([1e-6, 1e-5, 3e-4].randomElement(using: &random) ?? 1e-6))
    set("rope_theta", .number(Double(pick([10000, 1_000_000, 150_000]))))
    for (key, values) in [
      ("linear_conv_kernel_dim", [2, 4, 5]), ("linear_key_head_dim", [32, 64]),
      ("linear_value_head_dim", [32, 96]),
      ("linear_num_key_heads", [1, 2]), ("linear_num_value_heads", [2, 4, 6]), ("q_lora_rank", [32, 96]),
      ("kv_lora_rank", [32, 64, 512]), ("qk_nope_head_dim", [16, 48]), ("qk_rope_head_dim", [2, 16, 64]),
      ("v_head_dim", [16, 80]), ("mtp_num_hidden_layers", [0, 1]), ("num_nextn_predict_layers", [0, 1]),
    ] {
      if text[key]?.integer != nil { set(key, .integer(pick(values))) }
    }
    if var table = text["rope_scaling"]?.members, table["short_factor"] != nil {
      // A factor for each pair of a head that is as wide as the stream allows, and two experts for each token.
      for key in ["short_factor", "long_factor"] {
        table[key] = .array((0..<(headDim / 2)).map { .number(1 + Double($0) * 0.25) })
      }
      let magnitude = JSONValue.number(Double(pick([1, 1190, 1243])) / 1000)
      (table["short_mscale"], table["long_mscale"]) = (magnitude, magnitude)
      text["rope_scaling"] = .object(table)
      text["original_max_position_embeddings"] = .integer(pick([64, 4096]))
      set("num_experts_per_tok", .integer(2))
    }
    // Where a head's width is said, it is that of the rotary part.
    if text["kv_lora_rank"] != nil, let rotary = text["qk_rope_head_dim"] { set("head_dim", rotary) }
    for key in ["moe_topk", "num_shared_expert", "moe_intermediate_size", "num_experts"] {
      // One number for each layer, as HunYuan has them.
      if let first = text[key]?.elements?.first {
        text[key] = .array([JSONValue](repeating: first, count: layers))
      }
    }
    let document: [String: JSONValue] =
      nested == nil ? text : root.merging(["text_config": .object(text)]) { $1 }
    return try ModelConfig(document: .object(document), file: "config.json")
  }
}
