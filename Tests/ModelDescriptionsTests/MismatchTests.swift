import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// The problems of the error that `body` throws; empty when it throws something else.
private func problems(_ body: () throws -> Void) -> [TensorProblem] {
  do {
    try body()
    return []
  } catch {
    return (error as? DescriptionError)?.problems ?? []
  }
}

@Suite("Checkpoints that do not fit")
struct MismatchTests {
  private let golden = GoldenCase(name: "qwen3_moe")

  private func config(_ changes: [String: JSONValue]) throws -> ModelConfig {
    let members = try #require(try golden.config().document.members)
    return try ModelConfig(document: .object(members.merging(changes) { $1 }), file: "config.json")
  }

  private func code(_ changes: [String: JSONValue]) throws -> DescriptionError.Code? {
    let config = try config(changes)
    let sources = try golden.sources()
    do {
      _ = try ModelDescription.describe(config: config, tensors: sources)
      return nil
    } catch let error as DescriptionError {
      return error.code
    }
  }

  @Test("One error names every problem, with a similar name for unknown tensors")
  func together() throws {
    var sources = try golden.sources()
    sources.removeAll { $0.name == "model.layers.1.self_attn.k_norm.weight" }
    sources.removeAll { $0.name == "model.layers.0.mlp.experts.5.up_proj.weight" }
    let norm = try #require(sources.firstIndex { $0.name == "model.norm.weight" })
    sources[norm].shape = [512]
    let head = try #require(sources.firstIndex { $0.name == "lm_head.weight" })
    sources[head].elementType = .i32
    sources.append(
      SourceTensor(name: "model.layers.0.self_attn.q_nrm.weight", elementType: .bf16, shape: [64]))
    sources.append(
      SourceTensor(name: "model.layers.7.input_layernorm.weight", elementType: .bf16, shape: [256]))
    sources.append(sources[3])
    let config = try golden.config()
    let found = problems { _ = try ModelDescription.describe(config: config, tensors: sources) }
    #expect(
      Set(found) == [
        .missing(name: "model.layers.1.self_attn.k_norm.weight"),
        .missing(name: "model.layers.0.mlp.experts.5.up_proj.weight"),
        .shape(name: "model.norm.weight", found: [512], expected: [256]),
        .elementType(name: "lm_head.weight", found: "I32"),
        .unknown(
          name: "model.layers.0.self_attn.q_nrm.weight", nearest: "model.layers.0.self_attn.q_norm.weight"),
        .unknown(
          name: "model.layers.7.input_layernorm.weight", nearest: "model.layers.0.input_layernorm.weight"),
        .duplicate(name: sources[3].name),
      ])
  }

  @Test("An empty checkpoint lists what is missing and stays short")
  func empty() throws {
    let config = try golden.config()
    do {
      _ = try ModelDescription.describe(config: config, tensors: [])
      Issue.record("no error")
    } catch let error as DescriptionError {
      #expect(error.code == .tensorMismatch)
      #expect(error.faultClass == .rejected)
      #expect(error.problems.contains(.missing(name: "model.embed_tokens.weight")))
      #expect(error.description.count < 6000)
    }
  }

  @Test("A mixture of expert layouts in one layer is refused")
  func mixedLayouts() throws {
    var sources = try golden.sources()
    sources.append(
      SourceTensor(name: "model.layers.0.mlp.experts.down_proj", elementType: .bf16, shape: [8, 256, 256]))
    let config = try golden.config()
    #expect(
      problems { _ = try ModelDescription.describe(config: config, tensors: sources) }.contains(
        .duplicate(name: "model.layers.0.mlp.experts.down_proj")))
  }

  @Test("Stacked experts with other names, fused ones with a suffix, and prefixes are accepted")
  func otherLayouts() throws {
    var sources = try golden.sources().filter { !$0.name.contains(".experts.") }
    sources = sources.map { tensor in
      var tensor = tensor
      tensor.name = tensor.name.replacing("model.", with: "model.language_model.", maxReplacements: 1)
      return tensor
    }
    for (name, shape) in [("gate_up_proj", [8, 512, 256]), ("down_proj", [8, 256, 256])] {
      sources.append(
        SourceTensor(name: "model.layers.0.mlp.experts.\(name).weight", elementType: .bf16, shape: shape))
    }
    for name in ["gate", "up", "down"] {
      sources.append(
        SourceTensor(
          name: "model.layers.1.mlp.switch_mlp.\(name)_proj.weight", elementType: .bf16, shape: [8, 256, 256])
      )
    }
    sources.append(
      SourceTensor(name: "model.layers.0.self_attn.rotary_emb.inv_freq", elementType: .f32, shape: [32]))
    sources.append(SourceTensor(name: "visual.blocks.0.norm1.weight", elementType: .f32, shape: [8]))
    let map = try ModelDescription.describe(config: try golden.config(), tensors: sources)
    #expect(Set(map.outputs.map(\.name)) == Set(try golden.map().outputs.map(\.name)))
    #expect(map.skipped.count == 2)
  }

  @Test("A missing head is accepted only when the configuration ties it")
  func tied() throws {
    let sources = try golden.sources().filter { $0.name != "lm_head.weight" }
    let config = try golden.config()
    #expect(
      problems { _ = try ModelDescription.describe(config: config, tensors: sources) } == [
        .missing(name: "lm_head.weight")
      ])
    let map = try ModelDescription.describe(
      config: try self.config(["tie_word_embeddings": .bool(true)]), tensors: sources)
    #expect(!map.outputs.contains { $0.name == "output.weight" })
  }

  @Test("Impossible configurations")
  func configurations() throws {
    #expect(try code([:]) == nil)
    #expect(try code(["num_hidden_layers": .integer(0)]) == .invalidConfig)
    #expect(try code(["num_hidden_layers": .integer(1 << 40)]) == .invalidConfig)
    #expect(try code(["num_hidden_layers": .string("2")]) == .invalidConfig)
    #expect(try code(["hidden_size": .null]) == .invalidConfig)
    #expect(try code(["num_key_value_heads": .integer(3)]) == .invalidConfig)
    #expect(try code(["num_experts_per_tok": .integer(9)]) == .invalidConfig)
    #expect(try code(["rope_theta": .number(-1)]) == .invalidConfig)
    #expect(try code(["mlp_only_layers": .array([.integer(0)])]) == .notSupported)
    // A method that computes the real weights while running.
    #expect(try code(["quantization_config": .object(["quant_method": .string("bitnet")])]) == .notSupported)
    #expect(throws: DescriptionError.self) { try ModelConfig(parsing: Array("[]".utf8)) }
    #expect(throws: JSONError.self) { try ModelConfig(parsing: Array("{".utf8)) }
  }

  @Test("An unknown family names those that are known and the nearest")
  func unknownFamily() throws {
    let config = try config(["architectures": .array([.string("Qwen3MoEForCausalLM")])])
    do {
      _ = try ModelFamily.family(of: config)
      Issue.record("no error")
    } catch let error as DescriptionError {
      #expect(error.code == .notSupported)
      #expect(error.fault.found == "Qwen3MoEForCausalLM")
      #expect(error.fault.expected.contains("MixtralForCausalLM"))
      #expect(error.fault.remedy.contains("Qwen3MoeForCausalLM"))
    }
  }

  @Test("Renormalisation that a GGUF cannot express is a warning")
  func renormalisation() throws {
    let map = try ModelDescription.describe(
      config: try config(["norm_topk_prob": .bool(false)]), tensors: try golden.sources())
    #expect(map.losses.map(\.key) == ["norm_topk_prob"])
    #expect(try golden.map().losses.isEmpty)
  }

  @Test("fp8 weights refer to their scales, also in stacks; stray scales are unknown")
  func fp8() throws {
    let quantization: JSONValue = .object([
      "quant_method": .string("fp8"), "weight_block_size": .array([.integer(128), .integer(100)]),
    ])
    var sources = try golden.sources()
    let weight = try #require(sources.firstIndex { $0.name == "model.layers.0.mlp.experts.3.up_proj.weight" })
    sources[weight].elementType = .f8E4M3
    sources.append(
      SourceTensor(
        name: "model.layers.0.mlp.experts.3.up_proj.weight_scale_inv", elementType: .f32, shape: [2, 3]))
    let config = try config(["quantization_config": quantization])
    let map = try ModelDescription.describe(config: config, tensors: sources)
    #expect(map.hasScales)
    let output = try #require(map.outputs.first { $0.name == "blk.0.ffn_up_exps.weight" })
    guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
    let scale = try #require(feed.runs[3].scale)
    #expect(
      scale == BlockScale(source: sources.count - 1, blockRows: 128, blockColumns: 100, matrixRows: 256))
    #expect(feed.runs[2].scale == nil)
    #expect(scale.index(row: 128, column: 99, rowLength: 256) == 3)
    #expect(scale.index(row: 255, column: 200, rowLength: 256) == 5)
    // A second matrix of a stack starts its own blocks.
    let odd = BlockScale(source: 0, blockRows: 128, blockColumns: 128, matrixRows: 130)
    #expect(odd.index(row: 129, column: 0, rowLength: 128) == 1)
    #expect(odd.index(row: 130, column: 0, rowLength: 128) == 2)

    sources.append(SourceTensor(name: "model.x.weight_scale_inv", elementType: .f32, shape: [1, 1]))
    #expect(
      problems { _ = try ModelDescription.describe(config: config, tensors: sources) } == [
        .unknown(name: "model.x.weight_scale_inv", nearest: nil)
      ])
  }
}
