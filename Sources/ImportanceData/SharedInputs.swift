/// Tensors that multiply the same input where one layout of a model has one matrix and another has several.
///
/// What was observed at the input of one of them holds for the others: `ffn_gate_exps` and `ffn_up_exps` see what
/// `ffn_gate_up_exps` sees.
enum SharedInputs {
  /// For a part of a name, the parts that may stand in for it, best first.
  private static let standIns: [String: [String]] = {
    let layouts: [(fused: String, separate: [String])] = [
      ("ffn_gate_up_exps", ["ffn_gate_exps", "ffn_up_exps"]),
      ("attn_qkv", ["attn_q", "attn_k", "attn_v"]),
      // Older files of Qwen3-Next hold query, key, value and gate as one matrix, newer ones as two.
      ("ssm_in", ["attn_qkv", "attn_gate"]),
      ("ssm_ba", ["ssm_beta", "ssm_alpha"]),
    ]
    var result: [String: [String]] = [:]
    for layout in layouts {
      result[layout.fused, default: []] += layout.separate
      for part in layout.separate { result[part, default: []].append(layout.fused) }
    }
    return result
  }()

  /// The names of tensors that have the input of the tensor `name` in other layouts.
  static func names(for name: String) -> [String] {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    for (index, part) in parts.enumerated() {
      guard let others = standIns[part] else { continue }
      return others.map { other in
        var renamed = parts
        renamed[index] = other
        return renamed.joined(separator: ".")
      }
    }
    return []
  }
}
