internal import FileBytes

/// A family of vision towers: which checkpoints have one, and what their configuration leaves out.
///
/// What llama.cpp calls a multimodal projector (`mmproj`) is a file with the whole tower, of the architecture `clip`.
package struct VisionFamily: Sendable {
  /// The name of the configuration's class, in short.
  package let name: String
  /// The class names under `architectures`.
  package let architectures: [String]
  /// The value of `clip.projector_type`.
  package let projectorType: String
  /// The values that the class of `vision_config` gives to absent keys.
  let defaults: [String: JSONValue]

  /// All families.
  package static let all: [VisionFamily] = [.qwen3_vl, .qwen3_5]

  private static let qwen3Defaults: [String: JSONValue] = [
    "depth": .integer(27), "hidden_size": .integer(1152), "hidden_act": .string("gelu_pytorch_tanh"),
    "intermediate_size": .integer(4304), "num_heads": .integer(16), "in_channels": .integer(3),
    "patch_size": .integer(16), "spatial_merge_size": .integer(2), "temporal_patch_size": .integer(2),
    "out_hidden_size": .integer(3584), "num_position_embeddings": .integer(2304),
  ]

  /// Qwen3-VL: later layers of the tower feed early layers of the language model, too (deepstack).
  static let qwen3_vl = VisionFamily(
    name: "qwen3_vl",
    architectures: ["Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"],
    projectorType: "qwen3vl_merger",
    defaults: qwen3Defaults.merging([
      "deepstack_visual_indexes": .array([.integer(8), .integer(16), .integer(24)])
    ]) { $1 })

  /// Qwen3.5 and Qwen3.6: the same tower without deepstack.
  static let qwen3_5 = VisionFamily(
    name: "qwen3_5",
    architectures: ["Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"],
    projectorType: "qwen3vl_merger", defaults: qwen3Defaults)

  /// Finds the family of a checkpoint.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported` for a model without a tower, or with another one.
  package static func family(of config: ModelConfig) throws -> VisionFamily {
    let names = try config.optionalStrings("architectures") ?? []
    let document = config.document
    func refusal(_ subject: String, expected: String, found: String, remedy: Wording) -> DescriptionError {
      DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: Wording(subject), expected: Wording(expected), found: Wording(found),
          remedy: remedy))
    }
    guard document["vision_config"]?.members != nil else {
      throw refusal(
        "vision_config", expected: "the settings of a vision tower",
        found: document["vision_config"]?.summary ?? "no such key",
        remedy: "this model has no vision tower; convert it without \(.visionTower)")
    }
    let own = document["vision_config"]?["architectures"]?.elements?.first?.text
    let architecture = own ?? document["architectures"]?.elements?.first?.text ?? names.first
    guard let architecture, let match = all.first(where: { $0.architectures.contains(architecture) }) else {
      throw refusal(
        "architectures", expected: "one of " + all.flatMap(\.architectures).joined(separator: ", "),
        found: architecture ?? "no such key",
        remedy:
          "vision towers of other families are not supported yet; llama.cpp's convert_hf_to_gguf.py --mmproj may "
          + "know this one")
    }
    return match
  }
}
