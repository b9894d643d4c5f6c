internal import GGUFFormat

/// A factor for a whole matrix, or for each expert's, that llama.cpp takes beside weights in 4-bit floats.
enum WeightScale {
  /// The matrices that may have one.
  private static let stems: Set<Substring> = [
    "attn_q", "attn_k", "attn_v", "attn_output", "attn_qkv", "attn_gate", "ffn_gate", "ffn_up", "ffn_down",
    "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps",
    "ssm_in",
    "ssm_out", "ssm_alpha", "ssm_beta", "eh_proj", "shared_head_head",
  ]

  /// Whether a tensor is such a factor of a matrix of the model.
  ///
  /// - Parameters:
  ///   - tensor: The tensor, such as `blk.3.ffn_up_exps.scale`.
  ///   - present: All tensors by name.
  /// - Returns: `true` for a factor beside its matrix.
  static func isOne(_ tensor: GGUFTensorInfo, present: [String: GGUFTensorInfo]) -> Bool {
    let parts = tensor.name.split(separator: ".")
    guard parts.first == "blk", parts.count > 3, let last = parts.last,
      last == "scale" || last == "input_scale",
      stems.contains(parts[parts.count - 2]),
      let weights = present[parts.dropLast().joined(separator: ".") + ".weight"]
    else { return false }
    let matrices = weights.ggmlShape.dropFirst(2).reduce(1, *)
    return tensor.elementCount == matrices && TensorSetCheck.trimmed(tensor.ggmlShape).count == 1
  }
}
