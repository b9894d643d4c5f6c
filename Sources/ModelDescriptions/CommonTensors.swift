internal import TensorTypes

/// The tensors that most families share, as rules for one block.
struct CommonTensors {
  let model: HyperParameters
  /// The start of the block's names in checkpoints, such as `model.layers.3.`.
  let source: String
  /// The start of the block's names in a GGUF, such as `blk.3.`.
  let target: String

  /// The tensors of trunk layer `index`.
  init(_ model: HyperParameters, layer index: Int) {
    self.init(model, source: "model.layers.\(index).", target: "blk.\(index).")
  }

  init(_ model: HyperParameters, source: String, target: String) {
    self.model = model
    self.source = source
    self.target = target
  }

  /// Embedding, final norm and output head.
  static func outside(_ model: HyperParameters) -> BlockRules {
    let matrix = [model.vocabularySize, model.hiddenSize]
    return BlockRules(rules: [
      TensorRule("model.embed_tokens.weight", "token_embd.weight", matrix, .tokenEmbedding),
      TensorRule(
        "model.norm.weight", "output_norm.weight", [model.hiddenSize], .outputNorm,
        operation: model.normIsOffset ? .addOne : .identity),
      TensorRule("lm_head.weight", "output.weight", matrix, .output, optional: model.tiedEmbeddings),
    ])
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
  ///   - experts: Changes the rule of a layer's routed experts.
  /// - Returns: The rules.
  static func trunk(
    _ model: HyperParameters, secondNorm: String = "ffn_norm",
    experts: (CommonTensors, inout ExpertRule) -> Void = { _, _ in }
  ) -> [BlockRules] {
    [outside(model)]
      + (0..<model.layerCount).map { index in
        CommonTensors(model, layer: index).block(index, secondNorm: secondNorm, experts: experts)
      }
  }

  /// One block, made of the parts that the layer has.
  func block(
    _ index: Int, secondNorm: String, experts change: (CommonTensors, inout ExpertRule) -> Void = { _, _ in }
  ) -> BlockRules {
    var rules = layerNorms(secondName: secondNorm)
    if let latent = model.latentAttention {
      rules += LatentTensors(self, latent).rules()
    } else if index < model.layerCount, model.layerKinds[index] == .linearAttention {
      rules += DeltaNetTensors(self)?.rules() ?? []
    } else {
      rules += attention()
    }
    guard var stack = experts(), index >= model.leadingDenseCount else {
      return BlockRules(block: index, rules: rules + feedForward())
    }
    change(self, &stack)
    rules += router(stack.router)
    return BlockRules(block: index, rules: rules, experts: stack)
  }

  /// The norms before attention and before the feed-forward network.
  func layerNorms(secondName: String = "ffn_norm") -> [TensorRule] {
    [
      norm("input_layernorm.weight", "attn_norm.weight", .mixerNorm, size: model.hiddenSize),
      norm(
        "post_attention_layernorm.weight", secondName + ".weight", .feedForwardNorm, size: model.hiddenSize),
    ]
  }

  /// Softmax attention: projections, biases and head norms.
  func attention() -> [TensorRule] {
    let a = model.attention
    let queryRows = a.queryWidth * (a.hasOutputGate ? 2 : 1)
    var rules = [
      projection("q", "attn_q", .query, rows: queryRows, rotates: true),
      projection("k", "attn_k", .key, rows: a.keyValueWidth, rotates: true),
      projection("v", "attn_v", .value, rows: a.keyValueWidth, rotates: false),
      TensorRule(
        source + "self_attn.o_proj.weight", target + "attn_output.weight", [model.hiddenSize, a.queryWidth],
        .attentionOutput),
    ]
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
    return rules
  }

  private func projection(
    _ letter: String, _ output: String, _ slot: TensorSlot, rows: Int, rotates: Bool
  ) -> TensorRule {
    let shape = [rows, model.hiddenSize]
    let order: RowOrder =
      rotates && model.attention.rotaryPairing == .adjacent
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
    if rotates, model.attention.rotaryPairing == .adjacent {
      let pairing = RowRun(
        source: 0, firstRow: 0, rowCount: rows, order: .pairHalves(headDim: model.attention.headDim))
      columns = .blocks(width: 1, order: (0..<rows).map { pairing.sourceRow(at: $0) })
    }
    return TensorRule(
      source + "self_attn.\(letter)_proj.bias", target + output + ".bias", [rows], slot, columns: columns)
  }

  /// A dense gated feed-forward network.
  func feedForward() -> [TensorRule] {
    let width = model.feedForwardSize ?? 0
    let hidden = model.hiddenSize
    var rules = [
      TensorRule(source + "mlp.gate_proj.weight", target + "ffn_gate.weight", [width, hidden], .gate),
      TensorRule(source + "mlp.up_proj.weight", target + "ffn_up.weight", [width, hidden], .up),
      TensorRule(source + "mlp.down_proj.weight", target + "ffn_down.weight", [hidden, width], .down),
    ]
    if model.hasFeedForwardBias {
      rules += [
        TensorRule(source + "mlp.gate_proj.bias", target + "ffn_gate.bias", [width], .gateBias),
        TensorRule(source + "mlp.up_proj.bias", target + "ffn_up.bias", [width], .upBias),
        TensorRule(source + "mlp.down_proj.bias", target + "ffn_down.bias", [hidden], .downBias),
      ]
    }
    return rules
  }

  /// The router, the bias on its choice and the shared expert, where there are any.
  func router(_ name: String) -> [TensorRule] {
    guard let experts = model.experts else { return [] }
    let hidden = model.hiddenSize
    var rules = [TensorRule(source + name, target + "ffn_gate_inp.weight", [experts.count, hidden], .router)]
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
  func experts() -> ExpertRule? {
    guard let experts = model.experts else { return nil }
    return ExpertRule(
      prefix: source + "mlp.", target: target,
      names: [.gate: "gate_proj", .up: "up_proj", .down: "down_proj"], order: [.down, .gate, .up],
      count: experts.count, width: experts.width, hidden: model.hiddenSize)
  }
}
