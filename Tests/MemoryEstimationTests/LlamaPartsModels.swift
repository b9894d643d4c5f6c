import ModelDescriptions

/// Models of families with windows, convolutions and other parts, 512 wide, with 4096 tokens in their vocabulary.
enum LlamaPartsModels {
  /// The model called `name`.
  ///
  /// - Parameters:
  ///   - name: The architecture, or it with the name of a variant.
  ///   - base: A model with a vocabulary of 4096 tokens, of which nothing else is kept.
  /// - Returns: The model, and whether its file keeps gate and up projections of experts, or queries, keys and values,
  ///   as one tensor.
  static func model(
    _ name: String, from base: Architecture
  ) -> (architecture: Architecture, fusesExperts: Bool, fusesAttention: Bool) {
    var model = base
    (model.name, model.hiddenSize, model.tiedEmbeddings) = (name, 512, false)
    switch name {
    case "gpt-oss", "gpt-oss-wide": gptOSS(&model, isWide: name == "gpt-oss-wide")
    case "gemma4-moe": gemma(&model, local: heads(8, 4, 64), global: heads(8, 2, 128), hasExperts: true)
    case "gemma4-dense": gemma(&model, local: heads(8, 4, 64), global: heads(8, 1, 128), hasExperts: false)
    case "gemma4-wide": wideGemma(&model)
    case "lfm2moe": lfm2(&model, attentionLayers: [2, 5], layerCount: 6, denseCount: 2)
    case "lfm2moe-end": lfm2(&model, attentionLayers: [2], layerCount: 5, denseCount: 1)
    case "lfm2moe-slim": lfm2(&model, attentionLayers: [1], layerCount: 4, denseCount: 1, isSlim: true)
    case "exaone-moe": exaone(&model)
    case "phimoe": phi(&model)
    case "granitemoe", "granitemoeshared": granite(&model, isShared: name == "granitemoeshared")
    default: plain(&model)
    }
    return (model, ["gemma4-moe", "gemma4-wide"].contains(name), name == "bailingmoe2")
  }

  private static func heads(_ count: Int = 8, _ keyValueCount: Int = 2, _ width: Int = 64) -> Attention {
    Attention(headCount: count, keyValueHeadCount: keyValueCount, headDim: width)
  }

  private static func sigmoid() -> Router {
    var router = Router(scoring: .sigmoid, normalizesTopK: true)
    router.hasSelectionBias = true
    return router
  }

  private static func gptOSS(_ model: inout Architecture, isWide: Bool) {
    var attention = isWide ? heads(16, 4) : heads()
    (attention.hasInputBias, attention.hasOutputBias, attention.hasSinks) = (true, true, true)
    var router = Router(scoring: .chosenSoftmax, normalizesTopK: false)
    router.hasBias = true
    var experts =
      isWide
      ? Experts(count: 8, usedCount: 2, width: 512, router: router)
      : Experts(count: 32, usedCount: 4, width: 256, router: router)
    experts.hasBias = true
    model.name = "gpt-oss"
    model.activation = .clampedSwiGLU(.init())
    model.layers = (0..<4).map { index in
      attention.window = index % 2 == 0 ? 128 : nil
      return Layer(mixer: .attention(attention), feedForward: .experts(experts))
    }
  }

  private static func gemma(
    _ model: inout Architecture, local: Attention, global: Attention, hasExperts: Bool
  ) {
    var router = Router(normalizesTopK: true)
    (router.hasOwnInput, router.hasExpertScales) = (true, true)
    let experts = Experts(count: 16, usedCount: 4, width: 256, router: router)
    let dense = Dense(width: 1024)
    model.name = "gemma4"
    model.tiedEmbeddings = true
    model.activation = .tanhGELU
    (model.ends.embeddingScale, model.ends.logitCap) = (22.627, 30)
    model.layers = (0..<6).map { index in
      var attention = index == 5 ? global : local
      attention.hasValueProjection = index != 5
      (attention.hasQueryKeyNorm, attention.normsValues, attention.scoreScale) = (true, true, 1)
      attention.window = index == 5 ? nil : 512
      var layer = Layer(
        mixer: .attention(attention), feedForward: hasExperts ? .parallel(dense, experts) : .dense(dense))
      (layer.residual.normsOutputs, layer.residual.hasOutputScale) = (true, true)
      return layer
    }
  }

  /// Heads wider than the stream, a longer window, small networks: the proportions of 26B-A4B.
  private static func wideGemma(_ model: inout Architecture) {
    gemma(&model, local: heads(8, 4, 128), global: heads(8, 1, 256), hasExperts: true)
    for index in model.layers.indices {
      guard case .parallel(var dense, var experts) = model.layers[index].feedForward else { continue }
      dense.width = 384
      (experts.usedCount, experts.width) = (2, 128)
      model.layers[index].feedForward = .parallel(dense, experts)
      guard var attention = model.layers[index].mixer.attention, attention.window != nil else { continue }
      attention.window = 1024
      model.layers[index].mixer = .attention(attention)
    }
  }

  private static func lfm2(
    _ model: inout Architecture, attentionLayers: Set<Int>, layerCount: Int, denseCount: Int,
    isSlim: Bool = false
  ) {
    var attention = heads()
    attention.hasQueryKeyNorm = true
    let experts = Experts(
      count: 16, usedCount: isSlim ? 2 : 4, width: isSlim ? 128 : 256, router: sigmoid())
    let convolution = ShortConvolution(width: 512, kernelLength: isSlim ? 4 : 3)
    model.name = "lfm2moe"
    model.tiedEmbeddings = true
    model.layers = (0..<layerCount).map { index in
      Layer(
        mixer: attentionLayers.contains(index)
          ? .attention(attention) : .shortConvolution(convolution),
        feedForward: index < denseCount ? .dense(Dense(width: isSlim ? 512 : 1024)) : .experts(experts))
    }
  }

  private static func exaone(_ model: inout Architecture) {
    var attention = heads()
    attention.hasQueryKeyNorm = true
    var experts = Experts(count: 16, usedCount: 4, width: 256, sharedWidth: 256, router: sigmoid())
    experts.hasSharedGate = false
    experts.router.scale = 2.5
    model.layers = (0..<8).map { index in
      let isFull = index % 4 == 3
      attention.window = isFull ? nil : 128
      attention.rotaryDimensions = isFull ? 0 : 64
      return Layer(
        mixer: .attention(attention),
        feedForward: index == 0 ? .dense(Dense(width: 1024)) : .experts(experts))
    }
  }

  private static func phi(_ model: inout Architecture) {
    var attention = heads()
    (attention.hasInputBias, attention.hasOutputBias, attention.window) = (true, true, 32768)
    let router = Router(scoring: .sparseMixer(jitter: 0.01), normalizesTopK: false)
    model.norm = .meanAndVariance
    model.ends.hasOutputBias = true
    model.layers = (0..<4).map { _ in
      Layer(
        mixer: .attention(attention),
        feedForward: .experts(Experts(count: 16, usedCount: 2, width: 512, router: router)))
    }
  }

  private static func granite(_ model: inout Architecture, isShared: Bool) {
    var attention = heads()
    attention.scoreScale = 0.015625
    var experts = Experts(
      count: 16, usedCount: 4, width: 256, sharedWidth: isShared ? 512 : nil,
      router: Router(scoring: .chosenSoftmax, normalizesTopK: false))
    experts.hasSharedGate = false
    model.name = "granitemoe"
    model.tiedEmbeddings = true
    (model.ends.embeddingScale, model.ends.logitDivisor) = (12, 6)
    model.layers = (0..<4).map { _ in
      var layer = Layer(mixer: .attention(attention), feedForward: .experts(experts))
      layer.residual.factor = 0.22
      return layer
    }
  }

  /// Families without windows and factors: `minimax-m2`, `hunyuan-moe`, `ernie4_5-moe` and `bailingmoe2`.
  private static func plain(_ model: inout Architecture) {
    var attention = model.name == "hunyuan-moe" ? heads(4, 2, 128) : heads()
    var experts = Experts(count: 16, usedCount: 4, width: 256, router: Router(normalizesTopK: true))
    experts.hasSharedGate = false
    var denseCount = 0
    switch model.name {
    case "minimax-m2-wide":
      model.name = "minimax-m2"
      attention = heads(16, 4)
      (attention.hasQueryKeyNorm, attention.normsWholeWidth, attention.rotaryDimensions) = (true, true, 32)
      (experts.usedCount, experts.width, experts.router) = (2, 128, sigmoid())
    case "minimax-m2":
      (attention.hasQueryKeyNorm, attention.normsWholeWidth, attention.rotaryDimensions) = (true, true, 32)
      (experts.count, experts.router) = (32, sigmoid())
    case "hunyuan-moe":
      (attention.hasQueryKeyNorm, attention.normsAfterRotation) = (true, true)
      experts.sharedWidth = 256
    case "ernie4_5-moe":
      (experts.sharedWidth, experts.router.hasSelectionBias, denseCount) = (512, true, 1)
    default:
      (attention.hasQueryKeyNorm, attention.rotaryDimensions) = (true, 32)
      (experts.count, experts.sharedWidth, experts.router, denseCount) = (32, 256, sigmoid(), 1)
      (experts.router.groupCount, experts.router.usedGroupCount, experts.router.scale) = (4, 2, 2.5)
    }
    model.tiedEmbeddings = ["hunyuan-moe", "ernie4_5-moe"].contains(model.name)
    model.layers = (0..<4).map { index in
      Layer(
        mixer: .attention(attention),
        feedForward: index < denseCount ? .dense(Dense(width: 1024)) : .experts(experts))
    }
  }
}
