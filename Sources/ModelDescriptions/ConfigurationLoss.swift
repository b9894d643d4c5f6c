/// Something that a configuration says and a GGUF of its family cannot, so that llama.cpp computes something else.
package struct ConfigurationLoss: Hashable, Sendable {
  /// The key of the configuration.
  package var key: String
  /// What is lost and what follows, as one sentence without a full stop.
  package var text: String
  /// True when what llama.cpp computes is wrong from the first token on; such a file is not written.
  package var isFatal: Bool
  /// True when the file says it, or the architecture implies it, so that only llama.cpp computes something else.
  package var isOfLlamaCppAlone = false

  init(_ key: String, _ text: String, isFatal: Bool = false, isOfLlamaCppAlone: Bool = false) {
    self.key = key
    self.text = text + (isOfLlamaCppAlone ? "; Pouch computes it as transformers does" : "")
    self.isFatal = isFatal
    self.isOfLlamaCppAlone = isOfLlamaCppAlone
  }
}

extension ConfigurationLoss {
  /// What is lost of a model of `family`; `hasOutputHead` says whether the output has a head of its own.
  static func all(_ model: HyperParameters, _ family: ModelFamily, hasOutputHead: Bool) -> [ConfigurationLoss]
  {
    let name = family.ggufArchitecture
    var losses = family.differences + rope(model, family) + (family.saysWindows ? [] : windows(model, name))
    let activation = family.traits.activation
    if model.activation != activation {
      losses.append(
        ConfigurationLoss(
          "hidden_act",
          "\(model.activation.name) cannot be said in a GGUF of \(name), and llama.cpp computes \(activation.name) "
            + "instead",
          isFatal: true))
    }
    if let cap = family.traits.assumedLogitCap, model.ends.logitCap == nil {
      losses.append(
        ConfigurationLoss(
          "final_logit_softcapping",
          "is absent, but llama.cpp limits logits to \(cap) where a GGUF has no limit",
          isOfLlamaCppAlone: true))
    }
    if let experts = model.experts { losses += router(experts.router, family) }
    if let clip = model.attention.clip {
      losses.append(
        ConfigurationLoss(
          "clip_qkv", "is \(clip), but llama.cpp does not cut queries, keys and values off in \(name)"))
    }
    if let latent = model.latentAttention, latent.latentNormEpsilon != model.normEpsilon {
      losses.append(
        ConfigurationLoss(
          "rms_norm_eps",
          "is \(model.normEpsilon), which llama.cpp also adds in the norms of latent vectors, where transformers "
            + "has \(latent.latentNormEpsilon)", isOfLlamaCppAlone: true))
    }
    func refused(_ key: String, _ text: String) {
      losses.append(ConfigurationLoss(key, text + "; llama.cpp refuses the file"))
    }
    if model.attention.hasOutputBias, !family.traits.takesOutputBias {
      refused(
        "attention_bias",
        "is true, but llama.cpp has no place for the bias of o_proj (attn_output.bias) in a GGUF of \(name)")
    }
    if ["qwen2", "qwen2moe", "olmoe", "deepseek", "bailingmoe2", "lfm2moe", "phimoe"].contains(name),
      model.attention.queryWidth != model.hiddenSize
    {
      refused(
        "head_dim",
        "\(model.attention.headCount) heads of \(model.attention.headDim) are not hidden_size "
          + "(\(model.hiddenSize)), which llama.cpp expects of \(name)")
    }
    if family.traits.needsEqualHeads, model.attention.keyValueHeadCount != model.attention.headCount {
      refused(
        "num_key_value_heads",
        "is \(model.attention.keyValueHeadCount), but llama.cpp expects as many as query heads "
          + "(\(model.attention.headCount)) of \(name)")
    }
    if model.deepstackLayerCount >= model.layerCount, model.deepstackLayerCount > 0 {
      refused(
        "vision_config.deepstack_visual_indexes",
        "\(model.deepstackLayerCount) layers take features of pictures, but llama.cpp wants fewer than the model has "
          + "(\(model.layerCount))")
    }
    if family.traits.needsOutputHead, !hasOutputHead {
      refused("tie_word_embeddings", "is true, but llama.cpp expects output.weight of \(name)")
    }
    if let net = model.linearAttention, net.keyDim != net.valueDim {
      refused(
        "linear_value_head_dim",
        "is \(net.valueDim), but llama.cpp expects that of keys (linear_key_head_dim, \(net.keyDim))")
    }
    return losses
  }

  private static func router(_ router: Router, _ family: ModelFamily) -> [ConfigurationLoss] {
    let name = family.ggufArchitecture
    var losses: [ConfigurationLoss] = []
    let assumed = family.traits.assumedRouter.normalizesTopK
    let said = Set(MetadataKey.keys(of: family).map(\.name))
    if router.scale != 1, !said.contains(TypedKey.expertScale.key.name) {
      losses.append(
        ConfigurationLoss(
          "routed_scaling_factor",
          "is \(router.scale), but a GGUF of \(name) cannot say so and llama.cpp assumes 1"))
    }
    if !said.contains(TypedKey.normalizesExperts.key.name), router.normalizesTopK != assumed {
      losses.append(
        ConfigurationLoss(
          "norm_topk_prob",
          "is \(router.normalizesTopK), but a GGUF cannot say so and llama.cpp assumes \(assumed)"))
    }
    if router.groupCount > 1, router.groupRule == .highest {
      losses.append(
        ConfigurationLoss(
          "topk_method",
          "groups of experts are chosen by their highest probability, but llama.cpp takes the sum of the two highest "
            + "in every GGUF of \(name)", isOfLlamaCppAlone: true))
    }
    return losses
  }

  private static func windows(_ model: HyperParameters, _ name: String) -> [ConfigurationLoss] {
    let sizes = model.windows.compactMap(\.self)
    guard let size = sizes.min(), size < model.contextLength ?? .max else { return [] }
    let layers =
      sizes.count == model.layerCount ? "all layers" : "\(sizes.count) of \(model.layerCount) layers"
    let tokens = "\(size) token\(size == 1 ? "" : "s")"
    return [
      ConfigurationLoss(
        "sliding_window",
        "\(layers) attend to the last \(tokens) alone, but a GGUF of \(name) cannot say so and llama.cpp "
          + "attends to everything: results differ beyond \(tokens)")
    ]
  }

  private static func rope(_ model: HyperParameters, _ family: ModelFamily) -> [ConfigurationLoss] {
    let (rope, name) = (model.rope, family.ggufArchitecture)
    let key = "rope_parameters.rope_type"
    let context =
      model.contextLength.map { "\($0) tokens (max_position_embeddings)" } ?? "the model's context"
    var losses: [ConfigurationLoss] = []
    switch rope.scaling {
    case .none, .linear: break
    case .llama3:
      if name != "llama" {
        losses.append(
          ConfigurationLoss(
            key, "llama3 cannot be said in a GGUF of \(name), and llama.cpp turns without its factors",
            isFatal: true))
      }
    case .yarn(let yarn):
      losses += yarnLosses(yarn, family)
      if name == "deepseek" {
        losses.append(
          ConfigurationLoss(
            key, "yarn cannot be said in a GGUF of \(name), and llama.cpp does not stretch angles"))
      }
    case .dynamic:
      losses.append(
        ConfigurationLoss(
          key,
          "dynamic cannot be said in a GGUF, and llama.cpp does not stretch angles: results differ beyond "
            + context))
    case .longRope where family.traits.hasLongFactors: break
    case .longRope(let long):
      let isPlain = long.attentionFactor == 1 && long.shortFactors?.allSatisfy { $0 == 1 } == true
      losses.append(
        ConfigurationLoss(
          key,
          "the factors of longrope are not written for \(name), and llama.cpp turns without them"
            + (isPlain ? ": results differ beyond \(long.originalContextLength) tokens" : ""),
          isFatal: !isPlain))
    case .proportional where family.made(model).contains { $0.slot == .rotaryFactors }: break
    case .proportional(let factor):
      if rope.partialFactor ?? 1 < 1 {
        losses.append(
          ConfigurationLoss(
            key,
            "proportional with partial_rotary_factor \(rope.partialFactor ?? 1) cannot be said in a GGUF of "
              + "\(name), and llama.cpp turns other dimensions",
            isFatal: true))
      } else {
        losses.append(
          ConfigurationLoss(
            key,
            "proportional over whole heads is plain rotation"
              + (factor == 1 ? "" : " with all angles divided by \(factor)") + ", and is written as that"))
      }
    case .unknown(let type):
      losses.append(
        ConfigurationLoss(
          key, "\(type) is not known: angles would be those of plain rotation", isFatal: true))
    }
    if family.traits.defaultSections != nil { losses += sections(model, rope) }
    return losses
  }

  /// Pairs that fall to none of the positions in time, height and width.
  private static func sections(_ model: HyperParameters, _ rope: RopeParameters) -> [ConfigurationLoss] {
    let (key, found) = ("rope_parameters.mrope_section", "\(rope.sections ?? [])")
    let dimensions = model.attention.rotaryDimensions
    guard let pairs = rope.unturnedPairs(dimensions: dimensions) else {
      return [
        ConfigurationLoss(key, "llama.cpp ends when no section has a pair (\(found))", isFatal: true)
      ]
    }
    func angle(_ position: Int) -> Double {
      rope.largestAngle(of: pairs, dimensions: dimensions, at: position)
    }
    let whole = angle(model.contextLength ?? 4096)
    guard whole >= RopeParameters.smallAngle else { return [] }
    let isFatal = angle(512) >= RopeParameters.smallAngle
    let text = "with \(found), llama.cpp leaves \(pairs.count) of \(dimensions / 2) pairs unturned in text"
    let share = (whole * 100).rounded() / 100
    return [
      ConfigurationLoss(
        key, text + (isFatal ? "" : ", which turn by up to \(share) radians within the context"),
        isFatal: isFatal)
    ]
  }

  /// What llama.cpp multiplies cosines and sines by.
  private static func assumedFactor(_ yarn: RopeParameters.YarnParameters, _ family: ModelFamily) -> Double {
    guard family.traits.isLatent, let all = yarn.scoreWeight else { return yarn.defaultAttentionFactor }
    return LatentAttention.assumedRotaryFactor(yarn, scoreWeight: all, architecture: family.ggufArchitecture)
  }

  /// Of yarn, a GGUF carries the factor and the original context, as far as llama.cpp reads it.
  private static func yarnLosses(
    _ yarn: RopeParameters.YarnParameters, _ family: ModelFamily
  ) -> [ConfigurationLoss] {
    var lost: [String] = []
    let assumedFactor = assumedFactor(yarn, family)
    var isOfLlamaCppAlone = family.traits.isLatent
    if let factor = yarn.attentionFactor, abs(factor / assumedFactor - 1) > 1e-6 {
      lost.append("attention_factor \(factor), where llama.cpp has \(assumedFactor)")
      isOfLlamaCppAlone = false
    }
    if let fast = yarn.betaFast, fast != 32 { lost.append("beta_fast \(fast), where llama.cpp has 32") }
    if let slow = yarn.betaSlow, slow != 1 { lost.append("beta_slow \(slow), where llama.cpp has 1") }
    if !yarn.roundsLimits {
      lost.append("truncate false, where llama.cpp rounds")
      isOfLlamaCppAlone = lost.count == 1 && !family.traits.roundsYarnLimits
    } else if !family.traits.roundsYarnLimits {
      lost.append(
        "truncate true, which a GGUF cannot say: llama.cpp has it, Pouch takes the file's to be false")
      isOfLlamaCppAlone = false
    }
    guard !lost.isEmpty else { return [] }
    return [
      ConfigurationLoss(
        "rope_parameters",
        "llama.cpp does not read all of yarn's parameters for this family: " + lost.joined(separator: "; "),
        isOfLlamaCppAlone: isOfLlamaCppAlone)
    ]
  }
}
