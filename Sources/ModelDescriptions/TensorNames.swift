/// What tensors are for, guessed from their names alone.
///
/// This is for tensors that no rule of a family makes: those of architectures that are not described here, whose files
/// can be inspected and quantized all the same, and what files of known ones have besides. llama.cpp gives tensors of
/// the same kind the same name in all architectures. Nothing else goes by names.
struct TensorNames: Sendable {
  /// The blocks with state-space tensors, where `attn_qkv` is not that of softmax attention.
  private let recurrentBlocks: Set<Int>

  /// Looks through all names of a file.
  init(_ names: [String]) {
    recurrentBlocks = Set(
      names.compactMap { name in
        guard let (block, parts) = Self.inBlock(name), parts[0].hasPrefix("ssm_") else { return nil }
        return block
      })
  }

  /// The purpose of a tensor.
  func purpose(of name: String) -> TensorPurpose {
    let parts = name.split(separator: ".")
    let use = Self.use(parts)
    guard let (block, rest) = Self.inBlock(name) else {
      return Self.outside(name, use)
    }
    let stem = rest[0]
    let isRecurrent = block.map(recurrentBlocks.contains) ?? false
    var slot = rest.dropFirst() == ["weight"] ? Self.slots[stem] : nil
    if slot == .queryKeyValue, isRecurrent { slot = .deltaNetInput }
    let role = slot?.role ?? Self.role(stem, isRecurrent: isRecurrent)
    return TensorPurpose(role: role, use: use, slot: slot, block: block)
  }

  /// The number of the block and the rest of the name; `nil` for tensors outside of blocks.
  private static func inBlock(_ name: String) -> (block: Int?, rest: [Substring])? {
    let parts = name.split(separator: ".")
    guard parts.count > 2, parts[0] == "blk" else { return nil }
    return (Int(parts[1]), Array(parts.dropFirst(2)))
  }

  private static func outside(_ name: String, _ use: TensorUse) -> TensorPurpose {
    func purpose(_ role: TensorRole) -> TensorPurpose {
      TensorPurpose(role: role, use: use, slot: nil, block: nil)
    }
    switch name {
    case ModelFamily.tokenEmbeddingName: return TensorPurpose(.tokenEmbedding, block: nil)
    case "per_layer_token_embd.weight": return purpose(.tokenEmbedding)
    case "output.weight": return TensorPurpose(.output, block: nil)
    case "output.bias": return purpose(.output)
    default:
      switch GGUFLayout.Extra(name: name) {
      case .vision: return purpose(.vision)
      case .nextToken: return purpose(.nextToken)
      case nil: return purpose(name.contains("_norm") ? .norm : .other)
      }
    }
  }

  /// The slots of matrices that recipes can tell apart.
  private static let slots: [Substring: TensorSlot] = [
    "attn_q": .query, "attn_k": .key, "attn_v": .value, "attn_qkv": .queryKeyValue,
    "attn_output": .attentionOutput, "attn_q_a": .queryDown, "attn_q_b": .queryUp,
    "attn_kv_a_mqa": .latentDown, "attn_kv_b": .latentKeyValue, "attn_k_b": .latentKey,
    "attn_v_b": .latentValue, "attn_gate": .deltaNetGate, "ssm_in": .deltaNetInputGate,
    "ssm_alpha": .deltaNetAlpha, "ssm_beta": .deltaNetBeta, "ssm_ba": .deltaNetGates,
    "ssm_out": .deltaNetOutput, "ffn_gate": .gate, "ffn_up": .up, "ffn_down": .down,
    "ffn_gate_exps": .expertGate, "ffn_up_exps": .expertUp, "ffn_gate_up_exps": .expertGateUp,
    "ffn_down_exps": .expertDown, "ffn_gate_shexp": .sharedGate, "ffn_up_shexp": .sharedUp,
    "ffn_down_shexp": .sharedDown,
  ]

  private static func role(_ stem: Substring, isRecurrent: Bool) -> TensorRole {
    switch stem {
    case "nextn": .nextToken
    case _ where isNorm(stem): .norm
    case "ffn_gate_inp", "ffn_gate_inp_shexp", "exp_probs_b": .router
    case _ where stem.hasPrefix("ffn_") && stem.hasSuffix("_exps"): .routedExperts
    case _ where stem.hasPrefix("ffn_") && stem.hasSuffix("_shexp"): .sharedExperts
    case _ where stem.hasPrefix("ffn_"): .feedForward
    case _ where stem.hasPrefix("ssm_"), "shortconv": .linearAttention
    case "attn_gate": .linearAttention
    case "attn_qkv": isRecurrent ? .linearAttention : .attention
    case _ where stem.hasPrefix("attn_"): .attention
    default: .other
    }
  }

  /// Some architectures count the norms of a block, as in `post_ffw_norm_2`.
  private static func isNorm(_ stem: Substring) -> Bool {
    stem.hasSuffix("norm") || stem.contains("norm_") && stem.last?.isNumber == true
  }

  private static func use(_ parts: [Substring]) -> TensorUse {
    let stem = parts.dropFirst(parts.first == "blk" ? 2 : 0).dropLast(parts.last == "weight" ? 1 : 0)
    let last = stem.last ?? ""
    let isElementwise =
      isNorm(last) || last.hasSuffix("scale")
      || ["bias", "attn_sinks", "ssm_a", "ssm_conv1d", "ssm_dt"].contains(last)
      || last.hasPrefix("rope_") || (last == "conv" && stem.first == "shortconv")
    return isElementwise ? .elementwise : .product
  }
}
