import FileBytes
import Foundation
import ModelDescriptions
import SafetensorsFormat
import TensorTypes
import TestSupport

/// A small checkpoint of any family with random weights, told from its configuration.
struct RandomModel {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let sample = root.appendingPathComponent("samples/Pelican-10M-A5M").path

  /// Names of the configurations below.
  static let families = ["qwen3", "qwen3_moe", "qwen3_5_moe", "mixtral", "qwen2_moe"]

  /// The configuration of a family, with hidden size 256 and the sample's vocabulary unless `changes` say otherwise.
  static func config(_ family: String, _ changes: [String: Any] = [:]) -> [String: Any] {
    var config: [String: Any] = [
      "num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
      "vocab_size": 4096, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
      "tie_word_embeddings": false, "dtype": "bfloat16",
    ]
    let moe: [String: Any] = [
      "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256, "norm_topk_prob": true,
    ]
    switch family {
    case "qwen3":
      config["architectures"] = ["Qwen3ForCausalLM"]
      config["head_dim"] = 64
      config["intermediate_size"] = 512
    case "qwen3_moe":
      config["architectures"] = ["Qwen3MoeForCausalLM"]
      config["head_dim"] = 64
      config.merge(moe) { $1 }
    case "qwen2_moe":
      config["architectures"] = ["Qwen2MoeForCausalLM"]
      config.merge(moe) { $1 }
      config["shared_expert_intermediate_size"] = 256
      config["norm_topk_prob"] = false
      config["intermediate_size"] = 512
    case "mixtral":
      config["architectures"] = ["MixtralForCausalLM"]
      config["intermediate_size"] = 512
      config["num_local_experts"] = 8
      config["num_experts_per_tok"] = 2
    default:
      config["architectures"] = ["Qwen3_5MoeForCausalLM"]
      config["head_dim"] = 64
      config.merge(moe) { $1 }
      config["shared_expert_intermediate_size"] = 256
      config["full_attention_interval"] = 2
      config["linear_num_key_heads"] = 2
      config["linear_num_value_heads"] = 4
      config["linear_key_head_dim"] = 64
      config["linear_value_head_dim"] = 64
      config["linear_conv_kernel_dim"] = 4
      config["mtp_num_hidden_layers"] = 1
    }
    config.merge(changes) { $1 }
    return config
  }

  /// Writes `config.json` alone into a new folder and returns the folder.
  @discardableResult
  static func writeConfig(_ config: [String: Any], in parent: TemporaryFolder, name: String) throws -> String
  {
    let folder = parent.path(name)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try JSONSerialization.data(withJSONObject: config).write(
      to: URL(fileURLWithPath: folder + "/config.json"))
    return folder
  }

  /// Copies the sample's tokenizer.
  static func addTokenizer(to folder: String) throws {
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
      try FileManager.default.copyItem(atPath: sample + "/" + name, toPath: folder + "/" + name)
    }
  }

  /// Writes a whole checkpoint in two shards.
  static func write(_ config: [String: Any], in parent: TemporaryFolder, name: String) throws -> String {
    let folder = try writeConfig(config, in: parent, name: name)
    try addTokenizer(to: folder)
    let tensors = try ModelDescription.expectedTensors(
      config: try ModelConfig(contentsOf: folder + "/config.json"))
    var generator = SeededGenerator(seed: 7)
    // Values only have to be finite: bf16 between 2^-7 and 2^-5, either sign, the same few thousand for every tensor.
    let block = (0..<4096).flatMap { _ -> [UInt8] in
      let bits = 0x3C00 | UInt16(truncatingIfNeeded: generator.next() & 0x80FF)
      return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
    }
    let items = tensors.map { tensor -> SafetensorsWriter.Item in
      var rest = 2 * tensor.shape.reduce(1, *)
      var bytes: [UInt8] = []
      bytes.reserveCapacity(rest)
      while rest > 0 {
        bytes += block.prefix(rest)
        rest -= min(rest, block.count)
      }
      return (tensor, bytes)
    }
    let half = items.count / 2
    try SafetensorsWriter.writeCheckpoint([Array(items[..<half]), Array(items[half...])], to: folder)
    return folder
  }
}
