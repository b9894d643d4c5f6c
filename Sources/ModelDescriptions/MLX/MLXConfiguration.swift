package import FileBytes

/// The `config.json` of a model for MLX.
///
/// It is that of the checkpoint without what mlx-lm drops (`vision_config`, `_name_or_path`), with the `model_type` that
/// mlx-lm knows, the ends of text of `generation_config.json`, and what mlx-lm must be told although the checkpoint's own
/// program has a default for it.
package struct MLXConfiguration {
  private var root: [String: JSONValue]

  /// Starts with the configuration of a checkpoint.
  ///
  /// - Parameters:
  ///   - config: The configuration.
  ///   - map: The checkpoint as it is described for MLX.
  ///   - generation: `generation_config.json`; `nil` without one.
  package init(_ config: ModelConfig, _ map: CheckpointMap, generation: JSONValue?) {
    root = config.document.members ?? [:]
    root["vision_config"] = nil
    root["_name_or_path"] = nil
    // What the values were quantized to in the checkpoint is undone.
    root["quantization_config"] = nil
    root["quantization"] = nil
    root["model_type"] = .string(map.mlx?.modelType ?? map.family.name)
    if let ends = generation?["eos_token_id"], ends != .integer(0) { root["eos_token_id"] = ends }
    let isNested = root["text_config"]?.members != nil
    var text = isNested ? root["text_config"]?.members ?? [:] : root
    if isNested {
      text["quantization_config"] = nil
      text["quantization"] = nil
    }
    for (key, value) in Self.needed(config.seen(by: map.family), map) where text[key] ?? .null == .null {
      text[key] = value
    }
    if case .object(var rope)? = text["rope_parameters"], rope["type"] == nil, let type = rope["rope_type"] {
      rope["type"] = type
      text["rope_parameters"] = .object(rope)
    }
    if isNested { root["text_config"] = .object(text) } else { root = text }
  }

  /// Says what is quantized.
  ///
  /// - Parameter table: The entry of `quantization`, and of `quantization_config`, where the Hub looks for it.
  package mutating func setQuantization(_ table: JSONValue) {
    root["quantization"] = table
    root["quantization_config"] = table
  }

  /// The document.
  package var document: JSONValue { .object(root) }

  /// What the classes of mlx-lm want to know, by the names that they have for it.
  ///
  /// Where a configuration is silent its own class has a value for it; mlx-lm has another one, or none.
  private static func needed(_ config: ModelConfig, _ map: CheckpointMap) -> [String: JSONValue] {
    let model = map.model
    var values = map.family.defaults
    values["tie_word_embeddings"] = .bool(model.tiedEmbeddings)
    values["head_dim"] = .integer(model.attention.headDim)
    if model.experts != nil {
      values["decoder_sparse_step"] = .integer(1)
      values["mlp_only_layers"] = .array([])
    }
    let rope = config["rope_parameters"] ?? config["rope_scaling"]
    // Qwen3.5 reads `rope_parameters` itself.
    if !map.family.name.hasPrefix("qwen3_5") {
      values["rope_theta"] = .number(model.rope.theta)
      if let share = rope?["partial_rotary_factor"] { values["partial_rotary_factor"] = share }
      if case .object(var scaling)? = config["rope_parameters"], config["rope_scaling"] == nil,
        let kind = scaling["rope_type"] ?? scaling["type"], kind != .string("default")
      {
        scaling["type"] = kind
        values["rope_scaling"] = .object(scaling)
      }
    }
    return values
  }
}
