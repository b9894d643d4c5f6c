internal import TensorTypes

/// The tensors that most families share, as rules for one block.
struct CommonTensors {
  let model: HyperParameters
  /// The start of the block's names in checkpoints, such as `model.layers.3.`.
  let source: String
  /// The start of the block's names in a GGUF, such as `blk.3.`.
  let target: String
  /// The family's own names of modules.
  let names: ModuleNames

  /// The tensors of block `index` under the names of trunk layers.
  init(_ model: HyperParameters, layer index: Int, names: ModuleNames = [:]) {
    self.init(model, source: "model.layers.\(index).", target: Self.target(index), names: names)
  }

  /// The start of the names of block `index` in a GGUF.
  static func target(_ index: Int) -> String { "blk.\(index)." }

  init(_ model: HyperParameters, source: String, target: String, names: ModuleNames = [:]) {
    self.model = model
    self.source = source
    self.target = target
    self.names = names
  }

  /// The name of the factors for rotary pairs, which are computed or stored apart from any checkpoint.
  static let rotaryFactors = "rope_freqs.weight"
  /// The name of those for texts up to the original context, under longrope.
  static let shortFactors = "rope_factors_short.weight"
  /// The name of those for longer texts.
  static let longFactors = "rope_factors_long.weight"

  /// Embedding, final norm and output head.
  static func outside(_ model: HyperParameters, names: ModuleNames = [:]) -> BlockRules {
    let matrix = [model.vocabularySize, model.hiddenSize]
    var rules = [
      TensorRule("model.embed_tokens.weight", ModelFamily.tokenEmbeddingName, matrix, .tokenEmbedding),
      TensorRule(
        "model.norm.weight", "output_norm.weight", [model.hiddenSize], .outputNorm,
        operation: model.normIsOffset ? .addOne : .identity),
      TensorRule("lm_head.weight", "output.weight", matrix, .output, optional: model.tiedEmbeddings),
    ]
    if model.norm == .meanAndVariance {
      rules.append(
        TensorRule("model.norm.bias", "output_norm.bias", [model.hiddenSize], .outputNormBias))
    }
    if model.ends.hasOutputBias {
      rules.append(TensorRule("lm_head.bias", "output.bias", [model.vocabularySize], .outputBias))
    }
    return BlockRules(rules: rules.map { names.applied(to: $0, after: "") })
  }

  /// An RMS norm over `size` values.
  func norm(_ name: String, _ output: String, _ slot: TensorSlot, size: Int) -> TensorRule {
    TensorRule(
      source + name, target + output, [size], slot, operation: model.normIsOffset ? .addOne : .identity)
  }

  /// The blocks of a model: what is outside, then a block for each layer of the trunk.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - secondNorm: The name in a GGUF of the norm before the feed-forward network.
  ///   - names: The family's own names of modules.
  ///   - experts: Changes the rule of a layer's routed experts.
  /// - Returns: The rules.
  static func trunk(
    _ model: HyperParameters, secondNorm: String = "ffn_norm", names: ModuleNames = [:],
    experts: (CommonTensors, inout ExpertRule) -> Void = { _, _ in }
  ) -> [BlockRules] {
    [outside(model, names: names)]
      + (0..<model.layerCount).map { index in
        CommonTensors(model, layer: index, names: names).block(
          index, secondNorm: secondNorm, experts: experts)
      }
  }

  /// One block, made of the parts that the layer has.
  func block(
    _ index: Int, secondNorm: String, experts change: (CommonTensors, inout ExpertRule) -> Void = { _, _ in }
  ) -> BlockRules {
    let layer = model.layer(index)
    var rules = layerNorms(secondName: secondNorm)
    switch layer.mixer {
    case .latent(let part): rules += LatentTensors(self, part).rules()
    case .deltaNet: rules += DeltaNetTensors(self)?.rules() ?? []
    case .shortConvolution(let part): rules += shortConvolution(part)
    case .attention(let part): rules += attention(part)
    }
    if let dense = layer.feedForward.dense { rules += feedForward(dense) }
    var stack: ExpertRule?
    if let part = layer.feedForward.experts {
      rules += router(part)
      var rule = experts(part)
      change(self, &rule)
      stack = rule
    }
    return BlockRules(
      block: index, rules: rules.map { names.applied(to: $0, after: source) }, experts: stack)
  }

  /// The norms before attention and before the feed-forward network, and those after them.
  func layerNorms(secondName: String = "ffn_norm") -> [TensorRule] {
    let hidden = model.hiddenSize
    var rules = [
      norm("input_layernorm.weight", "attn_norm.weight", .mixerNorm, size: hidden),
      norm("post_attention_layernorm.weight", secondName + ".weight", .feedForwardNorm, size: hidden),
    ]
    if model.norm == .meanAndVariance {
      rules += [
        TensorRule(
          source + "input_layernorm.bias", target + "attn_norm.bias", [hidden], .mixerNormBias),
        TensorRule(
          source + "post_attention_layernorm.bias", target + secondName + ".bias", [hidden],
          .feedForwardNormBias),
      ]
    }
    return rules
  }

  /// Softmax attention: projections, biases and head norms.
  func attention(_ a: Attention) -> [TensorRule] {
    let queryRows = a.queryWidth * (a.hasOutputGate ? 2 : 1)
    var rules = [
      projection("q", "attn_q", .query, rows: queryRows, rotates: true),
      projection("k", "attn_k", .key, rows: a.keyValueWidth, rotates: true),
    ]
    if a.hasValueProjection {
      rules.append(projection("v", "attn_v", .value, rows: a.keyValueWidth, rotates: false))
    }
    rules.append(
      TensorRule(
        source + "self_attn.o_proj.weight", target + "attn_output.weight", [model.hiddenSize, a.queryWidth],
        .attentionOutput))
    if a.hasInputBias {
      rules += [
        bias("q", "attn_q", .queryBias, rows: queryRows, rotates: true),
        bias("k", "attn_k", .keyBias, rows: a.keyValueWidth, rotates: true),
        bias("v", "attn_v", .valueBias, rows: a.keyValueWidth, rotates: false),
      ]
    }
    if a.hasOutputBias {
      rules.append(bias("o", "attn_output", .attentionOutputBias, rows: model.hiddenSize, rotates: false))
    }
    if a.hasQueryKeyNorm {
      let (query, key) = a.normsWholeWidth ? (a.queryWidth, a.keyValueWidth) : (a.headDim, a.headDim)
      rules += [
        norm("self_attn.q_norm.weight", "attn_q_norm.weight", .queryNorm, size: query),
        norm("self_attn.k_norm.weight", "attn_k_norm.weight", .keyNorm, size: key),
      ]
    }
    if a.hasSinks {
      rules.append(
        TensorRule(source + "self_attn.sinks", target + "attn_sinks.weight", [a.headCount], .sinks))
    }
    return rules
  }

  private func projection(
    _ letter: String, _ output: String, _ slot: TensorSlot, rows: Int, rotates: Bool
  ) -> TensorRule {
    let shape = [rows, model.hiddenSize]
    let order: RowOrder =
      rotates && model.attention.reordersPairs
      ? .pairHalves(headDim: model.attention.headDim) : .identity
    return TensorRule(
      source + "self_attn.\(letter)_proj.weight", shapes: [shape],
      outputs: [
        RuleOutput(
          target + output + ".weight", slot, ggmlShape: shape.reversed(), runs: [.init(0, rows, order: order)]
        )
      ])
  }

  private func bias(
    _ letter: String, _ output: String, _ slot: TensorSlot, rows: Int, rotates: Bool
  ) -> TensorRule {
    var columns = ColumnOrder.identity
    if rotates, model.attention.reordersPairs {
      let pairing = RowRun(
        source: 0, firstRow: 0, rowCount: rows, order: .pairHalves(headDim: model.attention.headDim))
      columns = .blocks(width: 1, order: (0..<rows).map { pairing.sourceRow(at: $0) })
    }
    return TensorRule(
      source + "self_attn.\(letter)_proj.bias", target + output + ".bias", [rows], slot, columns: columns)
  }

  /// A short convolution between two projections.
  private func shortConvolution(_ part: ShortConvolution) -> [TensorRule] {
    let (hidden, kernel) = (part.width, part.kernelLength)
    return [
      TensorRule(
        source + "conv.in_proj.weight", target + "shortconv.in_proj.weight", [3 * hidden, hidden],
        .shortConvolutionInput),
      TensorRule(
        source + "conv.conv.weight", shapes: [[hidden, 1, kernel], [hidden, kernel]],
        outputs: [
          RuleOutput(
            target + "shortconv.conv.weight", .shortConvolutionTaps, ggmlShape: [kernel, hidden],
            runs: [.init(0, hidden)])
        ]),
      TensorRule(
        source + "conv.out_proj.weight", target + "shortconv.out_proj.weight", [hidden, hidden],
        .shortConvolutionOutput),
    ]
  }

  /// A dense gated feed-forward network.
  private func feedForward(_ dense: Dense) -> [TensorRule] {
    let (width, hidden) = (dense.width, model.hiddenSize)
    var rules = [
      TensorRule(source + "mlp.gate_proj.weight", target + "ffn_gate.weight", [width, hidden], .gate),
      TensorRule(source + "mlp.up_proj.weight", target + "ffn_up.weight", [width, hidden], .up),
      TensorRule(source + "mlp.down_proj.weight", target + "ffn_down.weight", [hidden, width], .down),
    ]
    if dense.hasBias {
      rules += [
        TensorRule(source + "mlp.gate_proj.bias", target + "ffn_gate.bias", [width], .gateBias),
        TensorRule(source + "mlp.up_proj.bias", target + "ffn_up.bias", [width], .upBias),
        TensorRule(source + "mlp.down_proj.bias", target + "ffn_down.bias", [hidden], .downBias),
      ]
    }
    return rules
  }

  /// The router, the bias on its choice and the shared expert, where there are any.
  private func router(_ experts: Experts) -> [TensorRule] {
    let hidden = model.hiddenSize
    var rules = [
      TensorRule(
        source + "mlp.gate.weight", target + "ffn_gate_inp.weight", [experts.count, hidden], .router)
    ]
    if experts.router.hasBias {
      rules.append(
        TensorRule(source + "mlp.gate.bias", target + "ffn_gate_inp.bias", [experts.count], .routerBias))
    }
    if experts.router.hasSelectionBias {
      rules.append(
        TensorRule(
          source + "mlp.gate.e_score_correction_bias", target + "exp_probs_b.bias", [experts.count],
          .selectionBias))
    }
    guard let width = experts.sharedWidth else { return rules }
    let shared = source + (experts.hasSharedGate ? "mlp.shared_expert." : "mlp.shared_experts.")
    rules += [
      TensorRule(
        shared + "gate_proj.weight", target + "ffn_gate_shexp.weight", [width, hidden], .sharedGate),
      TensorRule(shared + "up_proj.weight", target + "ffn_up_shexp.weight", [width, hidden], .sharedUp),
      TensorRule(
        shared + "down_proj.weight", target + "ffn_down_shexp.weight", [hidden, width], .sharedDown),
    ]
    if experts.hasSharedGate {
      rules.append(
        TensorRule(
          source + "mlp.shared_expert_gate.weight", target + "ffn_gate_inp_shexp.weight", [1, hidden],
          .sharedScale))
    }
    return rules
  }

  /// The routed experts in the naming of most families.
  private func experts(_ part: Experts) -> ExpertRule {
    ExpertRule(
      prefix: names.own("mlp.", after: source), target: target,
      names: [.gate: "gate_proj", .up: "up_proj", .down: "down_proj"], order: [.down, .gate, .up],
      count: part.count, width: part.width, hidden: model.hiddenSize)
  }
}

/// A family's own names of the modules of a checkpoint, by those that most families have.
///
/// A name stands for the module and all within it; the longest that fits counts. Names are those after
/// `model.layers.N.`, or whole outside of layers.
struct ModuleNames: Sendable, ExpressibleByDictionaryLiteral {
  private let own: [(common: String, own: String)]

  init(dictionaryLiteral elements: (String, String)...) {
    own = elements.map { (common: $0.0, own: $0.1) }.sorted { $0.common.count > $1.common.count }
  }

  /// The name of a tensor whose common name begins with `prefix`.
  func own(_ name: String, after prefix: String) -> String {
    for entry in own where name == entry.common || name.hasPrefix(entry.common + ".") {
      return prefix + entry.own + name.dropFirst(entry.common.count)
    }
    return prefix + name
  }

  /// A rule under the family's own name.
  func applied(to rule: TensorRule, after prefix: String) -> TensorRule {
    var rule = rule
    if !own.isEmpty, rule.source.hasPrefix(prefix) {
      rule.source = own(String(rule.source.dropFirst(prefix.count)), after: prefix)
    }
    return rule
  }
}
