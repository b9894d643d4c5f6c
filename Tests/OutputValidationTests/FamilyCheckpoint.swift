import CheckpointConversion
import FileBytes
import Foundation
import GGUFFormat
import ModelDescriptions
import QuantRecipes
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing

/// A very small checkpoint of a family with random weights, and its conversion to f32.
struct FamilyCheckpoint {
  /// The folder.
  let source: String
  /// The good conversion.
  let good: String

  /// What the families have in common, and what each says besides.
  private static func config(_ family: String) throws -> [String: Any] {
    let common: [String: Any] = [
      "model_type": family, "vocab_size": TinyCheckpoint.vocabularySize, "hidden_size": 64,
      "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "hidden_act": "silu",
      "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
      "tie_word_embeddings": false, "dtype": "bfloat16", "eos_token_id": 258, "pad_token_id": 256,
      "intermediate_size": 96,
    ]
    let experts: [String: Any] = [
      "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
      "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
    ]
    let own: [String: Any] =
      switch family {
      case "olmoe": ["architectures": ["OlmoeForCausalLM"], "num_experts": 4, "num_experts_per_tok": 2]
      case "dots1": experts.merging(["architectures": ["Dots1ForCausalLM"], "head_dim": 16]) { $1 }
      case "deepseek": experts.merging(["architectures": ["DeepseekForCausalLM"]]) { $1 }
      case "deepseek_v2":
        experts.merging([
          "architectures": ["DeepseekV2ForCausalLM"], "q_lora_rank": 48, "kv_lora_rank": 32,
          "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "topk_method": "greedy",
        ]) { $1 }
      case "glm4_moe":
        experts.merging([
          "architectures": ["Glm4MoeForCausalLM"], "head_dim": 16, "attention_bias": true,
          "use_qk_norm": true, "partial_rotary_factor": 0.5,
        ]) { $1 }
      case "qwen3_next":
        [
          "architectures": ["Qwen3NextForCausalLM"], "head_dim": 16, "num_experts": 4,
          "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
          "full_attention_interval": 2, "linear_num_key_heads": 2, "linear_num_value_heads": 6,
          "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_conv_kernel_dim": 4,
        ]
      default: throw CocoaError(.featureUnsupported)
      }
    return common.merging(own) { $1 }
  }

  /// Writes a checkpoint and converts it.
  init(_ family: String, in parent: TemporaryFolder) throws {
    var tiny = TinyCheckpoint(seed: 1)
    tiny.config = try Self.config(family)
    tiny.shards = [[:]]
    source = try tiny.write(in: parent, name: family)
    let tensors = try ModelDescription.expectedTensors(
      config: try ModelConfig(contentsOf: source + "/config.json"))
    var generator = SeededGenerator(seed: 9)
    let items = tensors.map { tensor -> SafetensorsWriter.Item in
      let center: Float = tensor.name.contains("norm") ? 1 : 0
      let bytes = (0..<tensor.shape.reduce(1, *)).flatMap { _ -> [UInt8] in
        let bits = (center + Float.random(in: -0.25...0.25, using: &generator)).bitPattern >> 16
        return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
      }
      return (tensor, bytes)
    }
    try FileManager.default.removeItem(atPath: source + "/" + tiny.shardName(0))
    try SafetensorsWriter.writeCheckpoint([items], to: source)
    good = parent.path(family + ".gguf")
    var request = ConversionRequest(source: source, outputType: .mix(.f32))
    request.outputPath = good
    _ = try ConversionPlanner.prepareCheckpoint(request).executor.run(ExecutionOptions(threadCount: 1))
  }

  /// The good file with other values in one tensor.
  ///
  /// - Parameters:
  ///   - name: The tensor.
  ///   - path: The file that is written.
  ///   - change: Changes the values; it is given the length of a row.
  /// - Throws: Errors of reading and writing.
  func spoil(_ name: String, to path: String, _ change: (inout [Float], Int) -> Void) throws {
    let file = try GGUFFile(path: good)
    let tensor = try #require(file.tensors.first { $0.name == name })
    let position = file.position(of: tensor)
    var values = try file.file.bytes(at: position, count: tensor.byteCount).withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    change(&values, tensor.ggmlShape[0])
    var whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: good)))
    whole.replaceSubrange(position..<position + tensor.byteCount, with: values.withUnsafeBytes(Array.init))
    try Data(whole).write(to: URL(fileURLWithPath: path))
  }
}
