import FileBytes
import MemoryEstimation
import ModelDescriptions
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// Buffer sizes of families with latent attention, other routers and inputs of several widths, against what llama.cpp
/// logs.
///
/// Recorded from build 11549 of October 2026, CPU backend, in MiB with two decimals, for files that have tensors and
/// metadata of the shapes below and weights of zero, 4096 tokens, 4 layers unless told otherwise.
@Suite("Memory of llama.cpp, more families") struct LlamaFamilyTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// How a model was run.
  struct Run: Sendable {
    var context = 4096
    var microBatch = 512
    var sequences = 1
    var key = TensorType.f16
    var value = TensorType.f16
    var flash = true
    var allLogits = false

    var options: RunOptions {
      var options = RunOptions(contextLength: context)
      options.microBatchLength = microBatch
      options.sequenceCount = sequences
      options.keyType = key
      options.valueType = value
      options.flashAttention = flash
      options.keepsAllLogits = allLogits
      return options
    }
  }

  static let runs = [
    Run(), Run(context: 16384), Run(context: 32768), Run(context: 512), Run(allLogits: true),
    Run(microBatch: 128), Run(microBatch: 2048), Run(context: 8192, sequences: 2),
    Run(key: .q8_0, value: .q8_0), Run(key: .q8_0, flash: false), Run(flash: false),
    Run(context: 8192, sequences: 2, flash: false), Run(key: .f32, value: .f32),
    Run(key: .f32, value: .f32, flash: false),
  ]

  /// A model and what was logged for each run that llama.cpp allows.
  struct Family: Sendable, CustomTestStringConvertible {
    var name: String
    var caches: [Double]
    var computes: [Double]

    var testDescription: String { name }
  }

  static let families = [
    Family(
      name: "deepseek2 lite",
      caches: [9, 36, 72, 1.12, 9, 9, 9, 18, 4.78, 9, 18, 18, 18],
      computes: [19.01, 31.01, 47.01, 15.51, 19.02, 4.75, 76.05, 19.01, 19.01, 87.01, 87.01, 23.01, 87.01]),
    Family(
      name: "deepseek2 groups bias",
      caches: [22.5, 90, 180, 2.81, 22.5, 22.5, 22.5, 45, 11.95, 22.5, 45, 45, 45],
      computes: [29.01, 41.01, 57.01, 25.51, 29.02, 7.25, 116.05, 29.01, 29.01, 97.01, 97.01, 37.01, 97.01]),
    Family(
      name: "deepseek2 groups",
      caches: [18, 72, 144, 2.25, 18, 18, 18, 36, 9.56, 18, 36, 36, 36],
      computes: [
        51.01, 63.01, 79.01, 47.51, 51.02, 12.75, 204.05, 51.01, 51.01, 183.01, 183.01, 67.01, 183.01,
      ]),
    Family(
      name: "deepseek2 bias",
      caches: [18, 72, 144, 2.25, 18, 18, 18, 36, 9.56, 18, 36, 36, 36],
      computes: [19.51, 31.51, 47.51, 16.01, 19.52, 4.88, 78.05, 19.51, 19.51, 55.51, 63.51, 27.51, 63.51]),
    Family(
      name: "mistral4",
      caches: [10, 40, 80, 1.25, 10, 10, 10, 20, 5.31, 10, 20, 20, 20],
      computes: [28.02, 40.02, 56.02, 24.52, 28.02, 7, 112.06, 28.02, 28.02, 93.02, 93.02, 29.02, 93.02]),
    Family(
      name: "deepseek",
      caches: [32, 128, 256, 4, 32, 32, 32, 64, 17, 24.5, 32, 64, 64, 64],
      computes: [
        18.02, 30.02, 46.02, 14.52, 18.02, 4.5, 72.07, 18.02, 18.05, 79.03, 80.01, 80.01, 18.02, 80.01,
      ]),
    Family(
      name: "olmoe",
      caches: [64, 256, 512, 8, 64, 64, 64, 128, 34, 49, 64, 128, 128, 128],
      computes: [
        42.02, 54.02, 70.02, 38.52, 42.02, 10.5, 168.07, 42.02, 42.1, 86.08, 88.01, 88.01, 42.02, 88.01,
      ]),
    Family(
      name: "glm4moe norms",
      caches: [16, 64, 128, 2, 16, 16, 16, 32, 8.5, 12.25, 16, 32, 32, 32],
      computes: [
        18.02, 30.02, 46.02, 14.52, 18.02, 4.5, 72.07, 18.02, 18.1, 113.08, 116.01, 116.01, 20.02, 116.01,
      ]),
    Family(
      name: "glm4moe",
      caches: [16, 64, 128, 2, 16, 16, 16, 32, 8.5, 12.25, 16, 32, 32, 32],
      computes: [
        18.02, 30.02, 46.02, 14.52, 18.02, 4.5, 72.07, 18.02, 18.1, 113.08, 116.01, 116.01, 20.02, 116.01,
      ]),
    Family(
      name: "qwen3vl",
      caches: [16, 64, 128, 2, 16, 16, 16, 32, 8.5, 12.25, 16, 32, 32, 32],
      computes: [
        32.02, 44.02, 60.02, 28.52, 32.03, 8.01, 128.09, 32.02, 32.1, 95.08, 95.02, 95.02, 29.02, 95.02,
      ]),
    Family(
      name: "qwen3vlmoe",
      caches: [16, 64, 128, 2, 16, 16, 16, 32, 8.5, 12.25, 16, 32, 32, 32],
      computes: [
        30.02, 42.02, 58.02, 26.52, 30.03, 7.51, 120.09, 30.02, 30.1, 95.08, 95.02, 95.02, 30.02, 95.02,
      ]),
    Family(
      name: "qwen3vl one deepstack layer",
      caches: [24, 96, 192, 3, 24, 24, 24, 48, 12.75, 18.38, 24, 48, 48, 48],
      computes: [
        21.02, 33.02, 49.02, 17.52, 21.03, 5.26, 84.09, 21.02, 21.1, 83.08, 85.02, 85.02, 21.02, 85.02,
      ]),
  ]

  @Test("caches and compute buffers", arguments: families) func buffers(_ family: Family) throws {
    let priced = try model(family.name)
    // One cache for keys and values has one type.
    let isLatent = priced.model.layers.contains { $0.mixer.latent != nil }
    let runs = Self.runs.filter { !isLatent || $0.key == $0.value }
    try #require(runs.count == family.caches.count && runs.count == family.computes.count)
    for ((run, cache), compute) in zip(zip(runs, family.caches), family.computes) {
      let memory = try priced.memory(of: .llamaCpp, run.options)
      expect(memory, .keyValueCache, cache, "\(run)")
      expect(memory, .computeBuffer, compute, "\(run)")
    }
  }

  @Test("latent attention refuses caches of two types, as llama.cpp does")
  func types() throws {
    let priced = try model("mistral4")
    let code = #expect(throws: EstimationError.self) {
      try priced.memory(of: .llamaCpp, Run(key: .q8_0).options)
    }
    #expect(code?.code == .badOption)
  }

  /// Matrices of all heads in one tensor are used where they lie, those of experts are copied; what a next-token block
  /// has is not loaded.
  @Test(
    "weights of latent attention",
    arguments: [("deepseek2 groups bias", 23.95, 21.57), ("deepseek2 bias", 23.97, 25.88)])
  func weights(name: String, mapped: Double, repacked: Double) throws {
    var priced = try model(name)
    let model = priced.model
    var options = RunOptions(contextLength: 4096)
    options.repacks = true
    var tensors: [PricedTensor] = []
    func add(_ name: String, _ shape: Int..., isNextToken: Bool = false) throws {
      var tensor = priced.tensors[0]
      tensor.name = name
      tensor.ggmlShape = shape
      tensor.purpose = TensorPurposes(names: [name])[name]
      tensor.isNextToken = isNextToken
      let isPlain = shape.count == 1 || name.hasSuffix("ffn_gate_inp.weight")
      tensor.type = isPlain ? .f32 : shape[0] % 256 == 0 && tensor.role != .tokenEmbedding ? .q4_K : .q8_0
      let row = try #require(tensor.type.rowByteCount(length: shape[0]))
      tensor.byteCount = row * shape.dropFirst().reduce(1, *)
      tensors.append(tensor)
    }
    let h = model.hiddenSize
    try add("token_embd.weight", h, 4096)
    try add("output_norm.weight", h)
    try add("output.weight", h, 4096)
    let extra = name == "deepseek2 bias" ? [try #require(model.layers.last)] : []
    for (index, layer) in (model.layers + extra).enumerated() {
      let a = try #require(layer.mixer.latent)
      let rank = try #require(a.queryRank)
      let isNext = index >= model.layers.count
      let block = "blk.\(index)."
      for (norm, width) in [
        ("attn_norm", h), ("ffn_norm", h), ("attn_kv_a_norm", a.latentWidth), ("attn_q_a_norm", rank),
      ] {
        try add(block + norm + ".weight", width, isNextToken: isNext)
      }
      try add(block + "attn_q_a.weight", h, rank, isNextToken: isNext)
      try add(block + "attn_q_b.weight", rank, a.queryWidth, isNextToken: isNext)
      try add(block + "attn_kv_a_mqa.weight", h, a.cachedWidth, isNextToken: isNext)
      try add(block + "attn_k_b.weight", a.keyDim, a.latentWidth, a.headCount, isNextToken: isNext)
      try add(block + "attn_v_b.weight", a.latentWidth, a.valueDim, a.headCount, isNextToken: isNext)
      try add(block + "attn_output.weight", a.valueWidth, h, isNextToken: isNext)
      guard case .experts(let experts) = layer.feedForward else {
        for (name, from, to) in [("gate", h, 1536), ("up", h, 1536), ("down", 1536, h)] {
          try add(block + "ffn_\(name).weight", from, to)
        }
        continue
      }
      try add(block + "ffn_gate_inp.weight", h, experts.count, isNextToken: isNext)
      try add(block + "exp_probs_b.bias", experts.count, isNextToken: isNext)
      for (suffix, width) in [("exps", experts.width), ("shexp", try #require(experts.sharedWidth))] {
        for (name, from, to) in [("gate", h, width), ("up", h, width), ("down", width, h)] {
          if suffix == "exps" {
            try add(block + "ffn_\(name)_exps.weight", from, to, experts.count, isNextToken: isNext)
          } else {
            try add(block + "ffn_\(name)_shexp.weight", from, to, isNextToken: isNext)
          }
        }
      }
    }
    priced.tensors = tensors
    let memory = try priced.memory(of: .llamaCpp, options)
    expect(memory, .weights, mapped, "mapped")
    expect(memory, .repackedWeights, repacked, "repacked")
  }

  private func expect(
    _ memory: MemoryBreakdown, _ kind: MemoryBreakdown.Kind, _ logged: Double, _ comment: String
  ) {
    let told = Double(memory.bytes(of: kind)) / 1_048_576
    #expect(abs(told - logged) < 0.006, "\(kind) \(told), logged \(logged), \(comment)")
  }

  /// A model whose graph has the parts that `name` says; its tensors have sizes of another one.
  private func model(_ name: String) throws -> PricedModel {
    let source = try RandomModel.writeConfig(RandomModel.config("qwen3_moe"), in: folder, name: "base")
    var priced = try ModelSource(source).price(EstimateRequest(mix: .q4_K_M))
    priced.model.name = String(name.prefix { $0 != " " })
    priced.model.hiddenSize = ["olmoe", "mistral4"].contains(name) ? 1024 : 512
    var router = Router(normalizesTopK: true)
    var experts = Experts(count: 32, usedCount: 4, width: 256, sharedWidth: 256, router: router)
    experts.hasSharedGate = false
    var mixer: Mixer
    var (layerCount, denseCount) = (4, 1)
    if name.hasPrefix("deepseek2") || name == "mistral4" {
      var latent = LatentAttention(
        headCount: 8, queryRank: 384, latentWidth: 512, keyDim: 128, rotaryDim: 64, valueDim: 128)
      router.scoring = name.hasSuffix("bias") ? .sigmoid : .softmax
      router.hasSelectionBias = name.hasSuffix("bias")
      switch name {
      case "deepseek2 groups bias":
        (layerCount, denseCount) = (5, 3)
        (router.groupCount, router.usedGroupCount, router.scale) = (4, 2, 2.5)
      case "deepseek2 groups":
        latent.headCount = 16
        (experts.usedCount, experts.sharedWidth) = (6, 512)
        (router.groupCount, router.usedGroupCount, router.scale) = (8, 3, 16)
        router.normalizesTopK = false
      case "deepseek2 bias":
        latent = LatentAttention(
          headCount: 4, queryRank: 256, latentWidth: 512, keyDim: 192, rotaryDim: 64, valueDim: 256)
        router.scale = 1.8
      case "mistral4":
        latent = LatentAttention(
          headCount: 8, queryRank: 256, latentWidth: 256, keyDim: 64, rotaryDim: 64, valueDim: 128)
        latent.queryGrowth = .init(weight: 0.1, length: 8192)
        (experts.count, denseCount) = (128, 0)
        for index in priced.tensors.indices {
          priced.tensors[index].name.replace(".ffn_gate_exps.", with: ".ffn_gate_up_exps.")
        }
      default:
        latent = LatentAttention(
          headCount: 8, queryRank: nil, latentWidth: 256, keyDim: 64, rotaryDim: 32, valueDim: 64)
        experts.sharedWidth = 512
        router.normalizesTopK = false
      }
      mixer = .latent(latent)
    } else {
      var attention = Attention(headCount: 8, keyValueHeadCount: 2, headDim: 128)
      switch name {
      case "deepseek":
        (attention.keyValueHeadCount, attention.headDim, experts.sharedWidth) = (8, 64, 512)
        router.normalizesTopK = false
      case "olmoe":
        attention.keyValueHeadCount = 8
        (attention.hasQueryKeyNorm, attention.normsWholeWidth) = (true, true)
        (experts.usedCount, experts.sharedWidth, denseCount) = (8, nil, 0)
        router.normalizesTopK = false
      case "glm4moe", "glm4moe norms":
        (attention.headCount, attention.hasInputBias, attention.rotaryDimensions) = (12, true, 64)
        attention.hasQueryKeyNorm = name != "glm4moe"
        (router.scoring, router.hasSelectionBias) = (.sigmoid, true)
        router.scale = name == "glm4moe" ? 1 : 2.5
      default:
        attention.hasQueryKeyNorm = true
        experts.sharedWidth = nil
        let isShallow = name.hasSuffix("layer")
        layerCount = isShallow ? 6 : 4
        denseCount = name == "qwen3vlmoe" ? 0 : layerCount
        priced.model.deepstackLayerCount = isShallow ? 1 : 3
      }
      mixer = .attention(attention)
    }
    experts.router = router
    priced.model.layers = (0..<layerCount).map {
      Layer(mixer: mixer, feedForward: $0 < denseCount ? .dense(Dense(width: 1536)) : .experts(experts))
    }
    return priced
  }
}
