/// What models of families that are not supported are, as far as their configuration tells.
enum UnsupportedModel {
  /// What to say of a model beside that it is not supported.
  ///
  /// - Parameters:
  ///   - architecture: The first of `architectures`.
  ///   - modelType: The `model_type`.
  ///   - nearest: A supported class with a similar name.
  /// - Returns: Phrases, joined by semicolons.
  static func remedy(architecture: String?, modelType: String?, nearest: String?) -> String {
    let kind = description(architecture: architecture, modelType: modelType, isNearKnown: nearest != nil)
    var parts = kind.map { ["this is \($0)"] } ?? []
    parts.append("this family is not supported yet")
    if let nearest { parts.append("the nearest supported one is \(nearest)") }
    if architecture != nil || modelType != nil, nearest == nil, kind?.contains("language model") ?? true {
      parts.append("llama.cpp's convert_hf_to_gguf.py may know it, and pouch-quantize takes its 16-bit file")
    }
    return parts.joined(separator: "; ")
  }

  /// The class with the most similar name of a family; `nil` when none is near.
  ///
  /// Endings such as `ForCausalLM` are left out, since any two short names are near with so much in common.
  static func nearest(to architecture: String, among known: [String]) -> String? {
    func stem(_ name: String) -> String? { name.firstRange(of: "For").map { String(name[..<$0.lowerBound]) } }
    guard let wanted = stem(architecture),
      let found = NearestName.find(wanted, in: known.compactMap(stem))
    else { return nil }
    return known.first { stem($0) == found }
  }

  /// A noun phrase for the kind of model; `nil` when nothing is known of it.
  ///
  /// What a class is for counts more than its family: a classifier made of a supported family is no language model.
  private static func description(architecture: String?, modelType: String?, isNearKnown: Bool) -> String? {
    if let architecture, let task = tasks.first(where: { architecture.hasSuffix($0.ending) }) {
      return task.description
    }
    if let modelType, let family = families.first(where: { $0.types.contains(modelType) }) {
      return family.description
    }
    guard let architecture, !isNearKnown else { return nil }
    if architecture.hasSuffix("ForCausalLM") || architecture.hasSuffix("LMHeadModel") {
      return "a language model of another family"
    }
    if architecture.hasSuffix("ForConditionalGeneration") {
      return "a language model that also reads pictures or sound, or an encoder with a decoder"
    }
    // `Qwen3Model` and the like: the trunk of a language model, as embedding models are saved.
    return architecture.hasSuffix("Model")
      ? "a model without the head that predicts tokens, such as one for embeddings" : nil
  }

  private static let tasks: [(ending: String, description: String)] = [
    ("ForSequenceClassification", "a classifier or reward model, not one that writes text"),
    ("ForTokenClassification", "a model that labels tokens, not one that writes text"),
    ("ForQuestionAnswering", "a model that marks answers in a text, not one that writes text"),
    ("ForMultipleChoice", "a classifier, not a model that writes text"),
    ("ForMaskedLM", "an encoder, not a model that writes text"),
    ("ForImageClassification", "a model of pictures, not of text"),
    ("ForSpeechSeq2Seq", "a model of speech, not of text"),
    ("ForCTC", "a model of speech, not of text"),
    ("RewardModel", "a reward model, not one that writes text"),
  ]

  private static let families: [(types: Set<String>, description: String)] = [
    (
      [
        "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "eurobert",
        "modernbert",
        "mpnet", "nomic_bert", "roberta", "xlm-roberta",
      ], "an encoder for embeddings or classification, not a model that writes text"
    ),
    (
      ["bart", "m2m_100", "marian", "mbart", "mt5", "pegasus", "t5", "umt5"],
      "an encoder with a decoder, as for translation"
    ),
    (
      ["hubert", "moonshine", "parakeet", "seamless_m4t", "speecht5", "wav2vec2", "whisper"],
      "a model of speech"
    ),
    (
      ["blip", "clip", "dinov2", "dinov3_vit", "siglip", "siglip2", "swin", "vit", "sam"],
      "a model of pictures"
    ),
    (
      [
        "gemma3", "idefics3", "internvl_chat", "llama4", "llava", "llava_next", "mistral3", "mllama",
        "paligemma",
        "phi3_v", "pixtral", "qwen2_5_omni", "qwen2_5_vl", "qwen2_vl", "qwen3_omni_moe", "smolvlm",
      ], "a language model that also reads pictures or sound"
    ),
    (
      ["falcon_mamba", "mamba", "mamba2", "rwkv", "rwkv5", "rwkv6", "rwkv7"],
      "a recurrent language model without attention"
    ),
    (
      [
        "bamba", "falcon_h1", "granitemoehybrid", "jamba", "lfm2", "nemotron_h", "zamba",
        "zamba2",
      ],
      "a language model that mixes attention with other layers"
    ),
    (
      [
        "afmoe", "dbrx", "deepseek_v32", "grok-1", "minimax",
      ], "a language model with a mixture of experts of another family"
    ),
  ]
}
