internal import TensorTypes

extension MetadataKey {
  /// The most blocks that llama.cpp loads.
  public static let blockLimit = 512
  /// The most experts that llama.cpp loads.
  public static let expertLimit = 1024

  /// The keys under the name of a family's architecture that llama.cpp's loader reads.
  public static func keys(of family: ModelFamily) -> [MetadataKey] {
    let traits = family.traits
    var keys = shared + (traits.isMixture ? mixture(family) : dense)
    if traits.isHybrid { keys += hybrid }
    if traits.isLatent { keys += latent }
    if traits.defaultSections != nil || traits.maySaySections {
      keys.append(
        .own(
          "rope.dimension_sections", .i32, traits.maySaySections ? .assumes("none") : .required, or: [.u32],
          form: .fixedList(4)))
    }
    if traits.hasDeepstack { keys.append(.count("n_deepstack_layers", .assumes("0"), in: 0...blockLimit)) }
    return keys
  }

  private static let dimension = 1...(1 << 20)
  private static let heads = 0...(1 << 16)
  /// A factor of 0 stands for none.
  private static let notNegative = Range.numbers(from: 0, to: .infinity, isOpen: false)

  /// What all architectures have.
  private static let shared: [MetadataKey] = [
    .count("block_count", .required, in: 1...blockLimit),
    .count("context_length", .required, in: 1...Int(UInt32.max)),
    .count("embedding_length", .required, in: dimension),
    .count("embedding_length_out", .assumes("embedding_length")),
    .count("attention.head_count", .required, in: 1...(1 << 16), perBlock: true),
    .count("attention.head_count_kv", .assumes("attention.head_count"), in: heads, perBlock: true),
    .count("attention.key_length", .assumes("embedding_length / attention.head_count"), in: dimension),
    .count("attention.value_length", .assumes("embedding_length / attention.head_count"), in: dimension),
    .count("attention.key_length_swa", .assumes("attention.key_length")),
    .count("attention.value_length_swa", .assumes("attention.value_length")),
    .own("attention.causal", .bool, .assumes("true")),
    .real("attention.layer_norm_rms_epsilon", .required, in: .numbers(from: 0, to: 0.1, isOpen: true)),
    .count("rope.dimension_count", .assumes("attention.key_length"), in: dimension),
    .count("rope.dimension_count_swa", .assumes("rope.dimension_count")),
    .real(
      "rope.freq_base", .assumesWrongly("10000, which is right for few models"),
      in: .numbers(from: 1, to: .infinity, isOpen: false)),
    .own(
      "rope.scaling.type", .string, .assumes("linear"),
      in: .texts(["none", "linear", "yarn", "longrope"])),
    .real("rope.scaling.factor", .assumes("1"), in: notNegative),
    .real("rope.scale_linear", .assumes("1"), in: notNegative),
    .real("rope.scaling.attn_factor", .assumes("1")),
    .real("rope.scaling.alpha", .assumes("0")),
    .count("rope.scaling.original_context_length", .assumes("context_length")),
    .own("rope.scaling.finetuned", .bool, .assumes("false")),
    .real("rope.scaling.yarn_ext_factor", .assumes("1")),
    .real("rope.scaling.yarn_attn_factor", .assumes("1")),
    .real("rope.scaling.yarn_beta_fast", .assumes("32")),
    .real("rope.scaling.yarn_beta_slow", .assumes("1")),
    .count("pooling_type", .assumes("none")),
    .count("nextn_predict_layers", .assumes("0"), in: 0...64),
    .count("expert_group_count", .assumes("0"), in: 0...expertLimit),
    .count("expert_group_used_count", .assumes("0")),
    .own("classifier.output_labels", .string, .assumes("none"), form: .list),
    .count("vocab_size", .assumes("as many as tokenizer.ggml.tokens"), in: 1...(1 << 24)),
  ]

  /// What models without experts have; loaders read the counts of experts in any model.
  private static let dense: [MetadataKey] = [
    .count("feed_forward_length", .required, in: 1...(1 << 24), perBlock: true),
    .count("expert_count", .assumes("0"), in: 0...expertLimit),
    .count("expert_used_count", .assumes("0"), in: 0...expertLimit, perBlock: true),
  ]

  private static func mixture(_ family: ModelFamily) -> [MetadataKey] {
    let hasOwnWidth = !family.traits.expertWidthIsFeedForwardSize
    let isWidthRequired =
      family.traits.hasLeadingDense || ["qwen35moe", "qwen3moe"].contains(family.ggufArchitecture)
    var keys: [MetadataKey] = [
      .count("expert_count", .required, in: 1...expertLimit),
      .count("expert_used_count", .required, in: 1...expertLimit, perBlock: true),
      .count(
        "feed_forward_length", hasOwnWidth ? .assumes("0") : .required, in: 0...(1 << 24), perBlock: true),
    ]
    if hasOwnWidth {
      keys.append(
        .count(
          "expert_feed_forward_length",
          isWidthRequired ? .required : .assumes("feed_forward_length / expert_used_count"),
          in: 0...(1 << 24), perBlock: true))
    }
    switch family.traits.sharedExpert {
    case .none: break
    case .gated:
      keys.append(
        .count("expert_shared_feed_forward_length", .assumes("feed_forward_length"), in: 0...(1 << 24)))
    case .counted: keys.append(.count("expert_shared_count", .required, in: 0...expertLimit))
    }
    if family.traits.hasLeadingDense {
      keys += [
        .count("leading_dense_block_count", .assumes("0"), in: 0...blockLimit),
        .real("expert_weights_scale", .assumes("1"), in: notNegative),
      ]
    }
    if family.traits.saysRouter {
      keys += [
        .own("expert_weights_norm", .bool, .assumes("false")),
        .count(
          "expert_gating_func",
          family.traits.needsScoringKey
            ? .assumesWrongly("softmax, which is right for few models")
            : .assumes("\(family.traits.assumedRouter.scoring)"), in: 1...2),
      ]
    }
    return keys
  }

  private static let hybrid: [MetadataKey] = [
    .count("ssm.conv_kernel", .required, in: 2...1024),
    .count("ssm.state_size", .required, in: 1...(1 << 16)),
    .count("ssm.group_count", .required, in: 1...(1 << 16)),
    .count("ssm.time_step_rank", .required, in: 1...(1 << 16)),
    .count("ssm.inner_size", .required, in: 1...(1 << 24)),
    .own(
      "attention.recurrent_layers", .bool, .assumes("full_attention_interval"), or: [.u32, .i32],
      form: .perBlock),
    .count("full_attention_interval", .assumes("4"), in: 0...4096),
  ]

  /// Attention over latent vectors, in the form with keys and values split.
  private static let latent: [MetadataKey] = [
    .count("attention.q_lora_rank", .assumes("none"), in: 0...(1 << 16)),
    .count("attention.kv_lora_rank", .required, in: 1...(1 << 16)),
    .count("attention.key_length_mla", .required, in: 1...(1 << 16)),
    .count("attention.value_length_mla", .required, in: 1...(1 << 16)),
    .real("rope.scaling.yarn_log_multiplier", .assumes("0")),
    .real("attention.temperature_scale", .assumes("0")),
    .count("attention.temperature_length", .assumes("0"), in: 0...Int(UInt32.max)),
  ]
}
