import ModelDescriptions
import TensorTypes

/// The tensors of Qwen3.6-35B-A3B as its published headers list them, without any bytes.
enum FlagshipCheckpoint {
  /// How the experts of the next-token block are stored: fused in 3.6, one by one in 3.5.
  enum NextTokenLayout: CaseIterable {
    case none, fused, perExpert
  }

  static let configText = """
    {
      "architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
      "tie_word_embeddings": false, "image_token_id": 248056, "video_token_id": 248057,
      "vision_start_token_id": 248053, "vision_end_token_id": 248054, "vision_config": {"depth": 27},
      "text_config": {
        "model_type": "qwen3_5_moe_text", "num_hidden_layers": 40, "hidden_size": 2048,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "attention_bias": false,
        "attn_output_gate": true, "full_attention_interval": 4, "max_position_embeddings": 262144,
        "rms_norm_eps": 1e-06, "vocab_size": 248320, "partial_rotary_factor": 0.25,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25,
          "mrope_section": [11, 11, 10], "mrope_interleaved": true},
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128,
        "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "mamba_ssm_dtype": "float32",
        "num_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512, "mtp_num_hidden_layers": 1,
        "bos_token_id": 248044, "eos_token_id": 248044, "hidden_act": "silu"
      }
    }
    """

  static func config() throws -> ModelConfig { try ModelConfig(parsing: Array(configText.utf8)) }

  static func tensors(nextToken: NextTokenLayout, vision: Bool = true) -> [SourceTensor] {
    var list: [SourceTensor] = []
    func add(_ name: String, _ shape: [Int]) {
      list.append(SourceTensor(name: name, elementType: .bf16, shape: shape))
    }
    func mlp(_ prefix: String, width: Int) {
      add(prefix + "gate_proj.weight", [width, 2048])
      add(prefix + "up_proj.weight", [width, 2048])
      add(prefix + "down_proj.weight", [2048, width])
    }
    func layer(_ prefix: String, full: Bool, perExpert: Bool) {
      add(prefix + "input_layernorm.weight", [2048])
      add(prefix + "post_attention_layernorm.weight", [2048])
      add(prefix + "mlp.gate.weight", [256, 2048])
      if perExpert {
        for expert in 0..<256 { mlp(prefix + "mlp.experts.\(expert).", width: 512) }
      } else {
        add(prefix + "mlp.experts.gate_up_proj", [256, 1024, 2048])
        add(prefix + "mlp.experts.down_proj", [256, 2048, 512])
      }
      mlp(prefix + "mlp.shared_expert.", width: 512)
      add(prefix + "mlp.shared_expert_gate.weight", [1, 2048])
      if full {
        add(prefix + "self_attn.q_proj.weight", [8192, 2048])
        add(prefix + "self_attn.k_proj.weight", [512, 2048])
        add(prefix + "self_attn.v_proj.weight", [512, 2048])
        add(prefix + "self_attn.o_proj.weight", [2048, 4096])
        add(prefix + "self_attn.q_norm.weight", [256])
        add(prefix + "self_attn.k_norm.weight", [256])
      } else {
        add(prefix + "linear_attn.in_proj_qkv.weight", [8192, 2048])
        add(prefix + "linear_attn.in_proj_z.weight", [4096, 2048])
        add(prefix + "linear_attn.in_proj_b.weight", [32, 2048])
        add(prefix + "linear_attn.in_proj_a.weight", [32, 2048])
        add(prefix + "linear_attn.conv1d.weight", [8192, 1, 4])
        add(prefix + "linear_attn.A_log", [32])
        add(prefix + "linear_attn.dt_bias", [32])
        add(prefix + "linear_attn.norm.weight", [128])
        add(prefix + "linear_attn.out_proj.weight", [2048, 4096])
      }
    }
    add("model.language_model.embed_tokens.weight", [248320, 2048])
    for index in 0..<40 {
      layer("model.language_model.layers.\(index).", full: (index + 1) % 4 == 0, perExpert: false)
    }
    add("model.language_model.norm.weight", [2048])
    add("lm_head.weight", [248320, 2048])
    if nextToken != .none {
      add("mtp.fc.weight", [2048, 4096])
      for name in ["norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"] {
        add("mtp.\(name).weight", [2048])
      }
      layer("mtp.layers.0.", full: true, perExpert: nextToken == .perExpert)
    }
    if vision { addVision(to: &list) }
    return list
  }

  private static func addVision(to list: inout [SourceTensor]) {
    func add(_ name: String, _ shape: [Int]) {
      list.append(SourceTensor(name: "model.visual." + name, elementType: .bf16, shape: shape))
    }
    func linear(_ name: String, _ out: Int, _ inner: Int) {
      add(name + ".weight", [out, inner])
      add(name + ".bias", [out])
    }
    add("patch_embed.proj.weight", [1152, 3, 2, 16, 16])
    add("patch_embed.proj.bias", [1152])
    add("pos_embed.weight", [2304, 1152])
    for block in 0..<27 {
      for norm in ["norm1", "norm2"] {
        add("blocks.\(block).\(norm).weight", [1152])
        add("blocks.\(block).\(norm).bias", [1152])
      }
      linear("blocks.\(block).attn.qkv", 3456, 1152)
      linear("blocks.\(block).attn.proj", 1152, 1152)
      linear("blocks.\(block).mlp.linear_fc1", 4304, 1152)
      linear("blocks.\(block).mlp.linear_fc2", 1152, 4304)
    }
    add("merger.norm.weight", [1152])
    add("merger.norm.bias", [1152])
    linear("merger.linear_fc1", 4608, 4608)
    linear("merger.linear_fc2", 2048, 4608)
  }
}
