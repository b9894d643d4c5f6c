import FileBytes
import ModelDescriptions
import TensorTypes
import Testing
import TextTokenizers

private func map(_ golden: String, _ changes: String) throws -> CheckpointMap {
  try GoldenCase(name: golden).map(changing: changes)
}

@Suite("Latent attention, routers and dense layers of configurations")
struct MixtureFamilyTests {
  private func failure(_ golden: String, _ changes: String) -> DescriptionError? {
    do {
      _ = try map(golden, changes)
      return nil
    } catch { return error as? DescriptionError }
  }

  @Test("What a recorded DeepSeek-V3 is")
  func deepSeek() throws {
    let map = try map("deepseek_v3", "")
    let latent = try #require(map.model.latentAttention)
    #expect(latent.cachedWidth == latent.latentWidth + latent.rotaryDim)
    #expect(latent.latentNormEpsilon == 1e-6)
    let layers = map.architecture.layers
    #expect(layers[0].feedForward.experts == nil)
    let experts = try #require(layers[1].feedForward.experts)
    #expect(experts.router.scoring == .sigmoid && experts.router.hasSelectionBias)
    #expect(experts.router.groupCount == 4 && experts.router.usedGroupCount == 2)
    #expect(experts.router.groupRule == .twoHighest && !experts.hasSharedGate)
    #expect(map.model.nextTokenLayerCount == 0)
    // The factor of yarn, 40, with a weight of 1: (0.1 ln 40 + 1)² over the root of a head's width.
    let expected = 1.368887945 * 1.368887945 / Double(latent.keyDim + latent.rotaryDim).squareRoot()
    #expect(abs(latent.scoreScale / expected - 1) < 1e-8)
  }

  @Test("Blocks after the trunk are left out or kept, as the readers of the architecture want")
  func nextToken() throws {
    let left = try map("deepseek_v3", "")
    #expect(left.skipped.contains { $0.name.hasPrefix("model.layers.3.") })
    let kept = try map("glm4_moe-mtp", "")
    #expect(kept.model.nextTokenLayerCount == 1)
    #expect(kept.outputs.contains { $0.name == "blk.3.nextn.eh_proj.weight" })
    #expect(kept.outputs.contains { $0.name == "blk.3.nextn.shared_head_head.weight" })
    let golden = GoldenCase(name: "glm4_moe-mtp")
    var options = golden.options
    options.nextToken = .drop
    let dropped = try ModelDescription.describe(
      config: try golden.config(), tensors: try golden.sources(), options: options)
    #expect(dropped.model.nextTokenLayerCount == 0)
    #expect(!dropped.outputs.contains { $0.name.hasPrefix("blk.3.") })
    // What is announced and absent is not written.
    let trunk = try golden.sources().filter { !$0.name.contains("layers.3.") }
    let absent = try ModelDescription.describe(config: try golden.config(), tensors: trunk)
    #expect(absent.model.blockCount == 3)
    #expect(absent.warnings.contains { $0.contains("announces 1 next-token block") })
  }

  @Test("Keys of latent attention are one matrix per head, with rows that are columns of the source")
  func transposedKeys() throws {
    let map = try map("deepseek_v3", "")
    let latent = try #require(map.model.latentAttention)
    let keys = try #require(map.outputs.first { $0.name == "blk.1.attn_k_b.weight" })
    #expect(keys.ggmlShape == [latent.keyDim, latent.latentWidth, latent.headCount])
    guard case .feed(let feed) = keys.content else {
      Issue.record("computed keys")
      return
    }
    #expect(feed.runs.count == latent.headCount)
    let perHead = (latent.keyDim + latent.valueDim) * latent.latentWidth
    #expect(feed.runs[1].order == .columns(firstElement: perHead, stride: latent.latentWidth))
    let values = try #require(map.outputs.first { $0.name == "blk.1.attn_v_b.weight" })
    #expect(values.ggmlShape == [latent.latentWidth, latent.valueDim, latent.headCount])
  }

  @Test("Experts of Qwen3-VL are read in the released layout and as saved anew")
  func bothLayouts() throws {
    let golden = GoldenCase(name: "qwen3_vl_moe")
    let sources = try golden.sources()
    let config = try golden.config()
    func gate(_ tensors: [SourceTensor]) throws -> OutputTensor {
      let map = try ModelDescription.describe(config: config, tensors: tensors)
      return try #require(map.outputs.first { $0.name == "blk.0.ffn_gate_exps.weight" })
    }
    let turned = sources.map { tensor -> SourceTensor in
      guard tensor.name.contains(".experts."), tensor.shape.count == 3 else { return tensor }
      return SourceTensor(
        name: tensor.name, elementType: tensor.elementType,
        shape: [tensor.shape[0], tensor.shape[2], tensor.shape[1]])
    }
    let (one, other) = (try gate(sources), try gate(turned))
    #expect(one.ggmlShape == other.ggmlShape)
    func order(_ output: OutputTensor) -> RowOrder? {
      if case .feed(let feed) = output.content { feed.runs.first?.order } else { nil }
    }
    let orders = Set([order(one), order(other)])
    #expect(orders.count == 2 && orders.contains(.identity))
  }

  @Test("Gate and up projections of Mistral Small 4 are one tensor, and two for a forward pass")
  func joinedExperts() throws {
    let map = try map("mistral4", "")
    let joined = try #require(map.outputs.first { $0.name == "blk.0.ffn_gate_up_exps.weight" })
    #expect(!map.outputs.contains { $0.name == "blk.0.ffn_gate_exps.weight" })
    for (place, role) in ["gate", "up"].enumerated() {
      let part = try #require(map.layout.place(of: "blk.0.ffn_\(role)_exps.weight"))
      let rows = part.ggmlShape[1]
      #expect(part.tensor == joined.name && 2 * rows == joined.ggmlShape[1])
      #expect(part.storedRows(from: rows).first == (2 + place) * rows)
    }
    let growth = try #require(map.model.latentAttention?.queryGrowth)
    #expect(growth.weight == 0.1)
    // The numbers of Mistral Small 4.
    let released = LatentAttention.QueryGrowth(weight: 0.1, length: 8192)
    #expect(released.factor(at: 8191) == 1)
    #expect(abs(released.factor(at: 8192) - 1.06931472) < 1e-8)
    #expect(abs(released.factor(at: 24576) - 1.13862944) < 1e-8)
  }

  @Test("Layers that take features of pictures are three where the configuration is silent")
  func deepstack() throws {
    #expect(try map("qwen3_vl", "").model.deepstackLayerCount == 2)
    #expect(try map("qwen3_vl", #""vision_config": {}"#).model.deepstackLayerCount == 3)
  }

  /// Configurations that cannot be, and the key that the message names.
  private static let refused: [(golden: String, changes: String, key: String)] = [
    ("deepseek_v3", #""n_group": 3"#, "n_group"),
    ("deepseek_v3", #""topk_group": 5"#, "topk_group"),
    ("deepseek_v3", #""topk_group": 1, "num_experts_per_tok": 5"#, "topk_group"),
    ("deepseek_v3", #""n_group": 16, "topk_group": 8"#, "n_group"),
    ("deepseek_v3", #""first_k_dense_replace": 4"#, "first_k_dense_replace"),
    ("deepseek_v3", #""first_k_dense_replace": -1"#, "first_k_dense_replace"),
    ("deepseek_v3", #""moe_layer_freq": 2"#, "moe_layer_freq"),
    ("deepseek_v3", #""kv_lora_rank": 0"#, "kv_lora_rank"),
    ("deepseek_v3", #""q_lora_rank": 0"#, "q_lora_rank"),
    ("deepseek_v3", #""qk_rope_head_dim": 63"#, "qk_rope_head_dim"),
    ("deepseek_v3", #""v_head_dim": "x""#, "v_head_dim"),
    ("deepseek_v3", #""attention_bias": true"#, "attention_bias"),
    ("deepseek_v3", #""rope_interleave": false"#, "rope_interleave"),
    ("deepseek_v3", #""n_shared_experts": -1"#, "n_shared_experts"),
    ("deepseek_v3", #""scoring_func": "softmax""#, "scoring_func"),
    ("deepseek_v2", #""scoring_func": "sigmoid""#, "scoring_func"),
    ("deepseek_v2", #""topk_method": "noaux_tc""#, "topk_method"),
    (
      "glm4_moe_lite-mtp", #""first_k_dense_replace": null, "mlp_layer_types": ["dense", "sparse"]"#,
      "mlp_layer_types"
    ),
    (
      "glm4_moe_lite-mtp",
      #""first_k_dense_replace": null, "mlp_layer_types": ["sparse", "dense", "sparse"]"#,
      "mlp_layer_types"
    ),
    ("olmoe", #""clip_qkv": -8"#, "clip_qkv"),
    ("olmoe", #""num_experts_per_tok": 13"#, "num_experts_per_tok"),
  ]

  @Test("Impossible configurations are refused by the key", arguments: refused.indices)
  func refusals(_ index: Int) {
    let (golden, changes, key) = Self.refused[index]
    let error = failure(golden, changes)
    #expect(error?.fault.subject.description == key, "\(golden) \(changes): \(String(describing: error))")
  }

  @Test("Widths that the tensors do not have are a mismatch that names them")
  func mismatchedRanks() {
    for changes in [#""kv_lora_rank": 128"#, #""q_lora_rank": 128"#, #""v_head_dim": 64"#] {
      let error = failure("deepseek_v3", changes)
      #expect(error?.code == .tensorMismatch, "\(changes)")
    }
    // More dense layers than the tensors have.
    #expect(failure("deepseek_v3", #""first_k_dense_replace": 2"#)?.code == .tensorMismatch)
  }

  @Test("Dense layers are counted in a list of kinds where no number says it")
  func listedKinds() throws {
    let map = try map(
      "glm4_moe_lite-mtp", #""first_k_dense_replace": null, "mlp_layer_types": ["dense", "sparse", "sparse"]"#
    )
    #expect(map.model.leadingDenseCount == 1)
  }

  @Test("What a GGUF of the new families cannot say is among the losses")
  func losses() throws {
    func keys(_ golden: String, _ changes: String) throws -> [String] {
      try map(golden, changes).losses.map(\.key)
    }
    #expect(try keys("deepseek_v3", "").isEmpty)
    #expect(
      try keys("deepseek_v2", #""topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2"#)
        .contains("topk_method"))
    #expect(try keys("glm4_moe_lite-mtp", "") == ["rms_norm_eps"])
    #expect(try keys("olmoe", #""norm_topk_prob": true"#) == ["norm_topk_prob"])
    #expect(try keys("olmoe", #""clip_qkv": 8"#) == ["clip_qkv"])
    #expect(try keys("deepseek", #""norm_topk_prob": true"#) == ["norm_topk_prob"])
  }
}
