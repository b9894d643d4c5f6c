import BlockQuantization
import ModelDescriptions
import ReferenceRuntime
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// A model of random weights for any description, without a file.
struct MadeModel {
  var architecture: Architecture
  /// Every tensor of the description, under llama.cpp's names.
  private(set) var tensors: [ExpectedTensor] = []
  /// The values of each, before they are stored.
  private(set) var values: [String: [Float]] = [:]
  private var generator: SeededGenerator

  /// Makes weights for the layers of an architecture.
  init(_ architecture: Architecture, seed: UInt64) {
    self.architecture = architecture
    generator = SeededGenerator(seed: seed)
    let hidden = architecture.hiddenSize
    add("token_embd", .tokenEmbedding, nil, [hidden, architecture.vocabularySize], spread: 1)
    norm("output_norm", .outputNorm, nil, bias: .outputNormBias)
    add("output", .output, nil, [hidden, architecture.vocabularySize])
    if architecture.ends.hasOutputBias {
      add("output", .outputBias, nil, [architecture.vocabularySize], suffix: ".bias")
    }
    for (block, layer) in architecture.layers.enumerated() {
      norm("attn_norm", .mixerNorm, block, bias: .mixerNormBias)
      switch layer.mixer {
      case .attention(let part): attention(part, block)
      case .latent(let part): latent(part, block)
      case .deltaNet: preconditionFailure("no test makes delta nets")
      case .shortConvolution(let part):
        add("shortconv.in_proj", .shortConvolutionInput, block, [hidden, 3 * hidden])
        add("shortconv.conv", .shortConvolutionTaps, block, [part.kernelLength, hidden])
        add("shortconv.out_proj", .shortConvolutionOutput, block, [hidden, hidden])
      }
      norm("ffn_norm", .feedForwardNorm, block, bias: .feedForwardNormBias)
      if let part = layer.feedForward.dense { network("", [.gate, .up, .down], block, width: part.width) }
      if let part = layer.feedForward.experts { experts(part, block) }
      if case .parallel = layer.feedForward {
        add("post_ffw_norm_1", .denseOutputNorm, block, [hidden])
        add("pre_ffw_norm_2", .expertInputNorm, block, [hidden])
        add("post_ffw_norm_2", .expertOutputNorm, block, [hidden])
      }
      if layer.residual.normsOutputs {
        add("post_attention_norm", .mixerOutputNorm, block, [hidden])
        add("post_ffw_norm", .feedForwardOutputNorm, block, [hidden])
      }
      if layer.residual.hasOutputScale { add("layer_output_scale", .layerScale, block, [1]) }
    }
  }

  /// Some parameters of longrope for texts of up to 64 tokens, to be changed.
  static var longRope: RopeParameters.LongRopeParameters {
    guard let model = try? LoadedModel.open(path: GoldenModel("qwen3_moe-longrope").folder),
      case .longRope(let long)? = model.architecture.attentionLayers.first?.attention.rope.scaling
    else { preconditionFailure("the golden model is stretched by longrope") }
    return long
  }

  /// Takes a tensor away.
  mutating func remove(_ name: String) { tensors.removeAll { $0.name == name } }

  /// Adds a tensor with the values of another one.
  mutating func copy(_ name: String, to copy: String, _ slot: TensorSlot, _ block: Int) {
    guard let shape = tensors.first(where: { $0.name == name })?.ggmlShape else { return }
    tensors.append(
      ExpectedTensor(name: copy, slot: slot, block: block, ggmlShape: shape, isOptional: false))
    values[copy] = values[name]
  }

  /// Factors for rotary pairs, as files have them.
  mutating func addRotaryFactors(_ factors: [Float]) {
    add("rope_freqs", .rotaryFactors, nil, [factors.count])
    change("rope_freqs.weight") { $0 = factors }
  }

  private mutating func norm(_ name: String, _ slot: TensorSlot, _ block: Int?, bias: TensorSlot) {
    add(name, slot, block, [architecture.hiddenSize])
    if architecture.norm == .meanAndVariance {
      add(name, bias, block, [architecture.hiddenSize], suffix: ".bias")
    }
  }

  /// An architecture to put layers into.
  static func architecture(hidden: Int, layers: [Layer]) throws -> Architecture {
    var result = try LoadedModel.open(path: GoldenModel("llama").folder).architecture
    result.name = "deepseek2"
    result.hiddenSize = hidden
    result.vocabularySize = 64
    result.contextLength = nil
    result.normEpsilon = 1e-5
    result.layers = layers
    return result
  }

  /// Some parameters of yarn, to be changed; the defaults for all that a configuration may leave out.
  static var yarn: RopeParameters.YarnParameters {
    guard let model = try? LoadedModel.open(path: GoldenModel("qwen3-yarn").folder),
      case .yarn(var yarn)? = model.architecture.attentionLayers.first?.attention.rope.scaling
    else { preconditionFailure("the golden model is stretched by yarn") }
    (yarn.extrapolationFactor, yarn.attentionFactor, yarn.betaFast, yarn.betaSlow) = (nil, nil, nil, nil)
    yarn.roundsLimits = true
    return yarn
  }

  /// Replaces values of a tensor.
  mutating func change(_ name: String, _ body: (inout [Float]) -> Void) {
    var list = values[name] ?? []
    body(&list)
    values[name] = list
  }

  /// The model, with each tensor in the type that `type` gives for its name and row length.
  func open(
    stacksApart: Bool = false, type: (String, Int) -> TensorType = { _, _ in .f32 }
  ) throws -> LoadedModel {
    let store = MemoryTensorStore(stacksApart: stacksApart)
    for tensor in tensors {
      let isVector =
        tensor.ggmlShape.count == 1 || !tensor.name.hasSuffix(".weight")
        || tensor.slot == .shortConvolutionTaps
      try store.add(
        tensor.name, tensor.ggmlShape, values[tensor.name] ?? [],
        isVector ? .f32 : type(tensor.name, tensor.ggmlShape[0]))
    }
    try architecture.checkRunning(causalKey: "causal", file: store.source)
    return try LoadedModel(
      source: store.source, architecture: architecture, expected: tensors, metadata: .success([]),
      store: store, warnings: [])
  }

  private mutating func attention(_ part: Attention, _ block: Int) {
    let hidden = architecture.hiddenSize
    add("attn_q", .query, block, [hidden, part.queryWidth])
    add("attn_k", .key, block, [hidden, part.keyValueWidth])
    if part.hasValueProjection { add("attn_v", .value, block, [hidden, part.keyValueWidth]) }
    add("attn_output", .attentionOutput, block, [part.queryWidth, hidden])
    if part.hasInputBias {
      add("attn_q", .queryBias, block, [part.queryWidth], suffix: ".bias")
      add("attn_k", .keyBias, block, [part.keyValueWidth], suffix: ".bias")
      if part.hasValueProjection {
        add("attn_v", .valueBias, block, [part.keyValueWidth], suffix: ".bias")
      }
    }
    if part.hasOutputBias { add("attn_output", .attentionOutputBias, block, [hidden], suffix: ".bias") }
    if part.hasSinks { add("attn_sinks", .sinks, block, [part.headCount]) }
    guard part.hasQueryKeyNorm else { return }
    add("attn_q_norm", .queryNorm, block, [part.normsWholeWidth ? part.queryWidth : part.headDim])
    add("attn_k_norm", .keyNorm, block, [part.normsWholeWidth ? part.keyValueWidth : part.headDim])
  }

  private mutating func latent(_ part: LatentAttention, _ block: Int) {
    let hidden = architecture.hiddenSize
    if let rank = part.queryRank {
      add("attn_q_a", .queryDown, block, [hidden, rank])
      add("attn_q_a_norm", .queryNorm, block, [rank])
      add("attn_q_b", .queryUp, block, [rank, part.queryWidth])
    } else {
      add("attn_q", .query, block, [hidden, part.queryWidth])
    }
    add("attn_kv_a_mqa", .latentDown, block, [hidden, part.cachedWidth])
    add("attn_kv_a_norm", .latentNorm, block, [part.latentWidth])
    add("attn_k_b", .latentKey, block, [part.keyDim, part.latentWidth, part.headCount])
    add("attn_v_b", .latentValue, block, [part.latentWidth, part.valueDim, part.headCount])
    add("attn_output", .attentionOutput, block, [part.valueWidth, hidden])
  }

  private mutating func experts(_ part: Experts, _ block: Int) {
    let hidden = architecture.hiddenSize
    // Spread out, so that no choice of experts hangs on the last bits.
    add("ffn_gate_inp", .router, block, [hidden, part.count], spread: 1)
    if part.router.hasSelectionBias {
      add("exp_probs_b", .selectionBias, block, [part.count], suffix: ".bias")
    }
    if part.router.hasBias { add("ffn_gate_inp", .routerBias, block, [part.count], suffix: ".bias") }
    if part.router.hasOwnInput {
      add("ffn_gate_inp", .routerInputScale, block, [hidden], suffix: ".scale")
    }
    network("_exps", [.expertGate, .expertUp, .expertDown], block, width: part.width, count: part.count)
    if part.router.hasExpertScales {
      add("ffn_down_exps", .expertScales, block, [part.count], suffix: ".scale")
    }
    if part.hasBias {
      add("ffn_gate_exps", .expertGateBias, block, [part.width, part.count], suffix: ".bias")
      add("ffn_up_exps", .expertUpBias, block, [part.width, part.count], suffix: ".bias")
      add("ffn_down_exps", .expertDownBias, block, [hidden, part.count], suffix: ".bias")
    }
    guard let width = part.sharedWidth else { return }
    network("_shexp", [.sharedGate, .sharedUp, .sharedDown], block, width: width)
    if part.hasSharedGate { add("ffn_gate_inp_shexp", .sharedScale, block, [hidden, 1]) }
  }

  private mutating func network(
    _ suffix: String, _ slots: [TensorSlot], _ block: Int, width: Int, count: Int? = nil
  ) {
    let hidden = architecture.hiddenSize
    let stack = count.map { [$0] } ?? []
    add("ffn_gate" + suffix, slots[0], block, [hidden, width] + stack)
    add("ffn_up" + suffix, slots[1], block, [hidden, width] + stack)
    add("ffn_down" + suffix, slots[2], block, [width, hidden] + stack)
  }

  private mutating func add(
    _ name: String, _ slot: TensorSlot, _ block: Int?, _ shape: [Int], suffix: String = ".weight",
    spread: Float? = nil
  ) {
    let name = (block.map { "blk.\($0)." } ?? "") + name + suffix
    tensors.append(
      ExpectedTensor(name: name, slot: slot, block: block, ggmlShape: shape, isOptional: false))
    // Sums of rows stay near 1; vectors are norms near 1, or biases.
    let width = spread ?? (1.7 / Float(shape[0]).squareRoot())
    values[name] = (0..<shape.reduce(1, *)).map { _ in
      let unit = Float.random(in: -1...1, using: &generator)
      return shape.count > 1 ? unit * width : suffix == ".bias" ? unit * 0.3 : 1 + unit * 0.3
    }
  }
}

/// Tensors in memory.
final class MemoryTensorStore: TensorStore, @unchecked Sendable {
  private struct Stored {
    var shape: [Int]
    var type: TensorType
    var bytes: UnsafeMutableRawBufferPointer
  }

  let source = "memory"
  private(set) var names: [String] = []
  private let stacksApart: Bool
  private var stored: [String: Stored] = [:]

  init(stacksApart: Bool) { self.stacksApart = stacksApart }

  deinit { for tensor in stored.values { tensor.bytes.deallocate() } }

  /// Stores a tensor, quantized if its type says so.
  func add(_ name: String, _ shape: [Int], _ values: [Float], _ type: TensorType) throws {
    let content =
      type == .f32
      ? values.withUnsafeBytes { Array($0) } : try quantized(values, rowLength: shape[0], type: type)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: content.count, alignment: 64)
    bytes.copyBytes(from: content)
    names.append(name)
    stored[name] = Stored(shape: shape, type: type, bytes: bytes)
  }

  func ggmlShape(of name: String) -> [Int]? { stored[name]?.shape }

  func matrix(_ name: String) throws -> WeightMatrix {
    let tensor = try #require(stored[name])
    return try WeightMatrix(
      name: name, type: tensor.type, columns: tensor.shape[0],
      rows: tensor.shape.dropFirst().reduce(1, *), bytes: UnsafeRawBufferPointer(tensor.bytes), owner: self)
  }

  func experts(_ name: String) throws -> ReferenceRuntime.ExpertStack {
    let tensor = try #require(stored[name])
    let whole = try matrix(name)
    let rows = tensor.shape[1]
    return ReferenceRuntime.ExpertStack(
      name: name, experts: (0..<tensor.shape[2]).map { whole.slice(rows: ($0 * rows)..<(($0 + 1) * rows)) },
      whole: stacksApart ? nil : whole)
  }

  var materializedByteCount: Int { 0 }
  var mappedByteCount: Int { stored.values.reduce(0) { $0 + $1.bytes.count } }
}
