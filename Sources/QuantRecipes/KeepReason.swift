/// Why a tensor keeps the type it has in the source.
package enum KeepReason: Hashable, Sendable {
  /// Everything is copied.
  case copy
  /// Fewer than two dimensions are larger than 1.
  case vector
  /// The name does not end in `weight`.
  case notAWeight
  /// The user asked to leave the output tensor alone.
  case outputLeft
  /// The name holds this text, which marks norms, routers, convolutions and other small or sensitive tensors.
  case marked(String)
}

extension KeepReason {
  /// Parts of names that are never quantized, whatever the architecture.
  private static let marks: [StaticString] = [
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel",
    "per_layer_model_proj",
    "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight",
    "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight",
    "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight",
    "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight",
    ".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger",
    "a.rvq.codebook", "mm.a.code_embd",
  ]

  /// Further parts for the architecture `glm5-next`.
  private static let glm5NextMarks: [StaticString] = [
    "hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj", "indexer_compressor_gate",
    "indexer_compressor_ape", "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight",
    "ssm_beta.weight", "attn_kv_a_mqa.weight", "attn_k_b.weight", "attn_v_b.weight",
  ]

  /// Decides whether a tensor may be quantized; `nil` when it may.
  static func of(_ tensor: MixTensor, mix: StockMix, options: MixOptions, architecture: String) -> KeepReason?
  {
    if mix == .copy { return .copy }
    guard tensor.ggmlShape.dropFirst().contains(where: { $0 > 1 }) else { return .vector }
    let name = tensor.name
    // llama.cpp compares two wrapped-around positions, so a name of five bytes passes as one that ends in "weight".
    guard name.hasSuffix("weight") || name.utf8.count == 5 else { return .notAWeight }
    if options.leaveOutputTensor, name == "output.weight" { return .outputLeft }
    if name == "position_embd.weight" || name == "token_types.weight" { return .marked(name) }
    if let mark = name.firstOccurring(marks) { return .marked("\(mark)") }
    if architecture == "glm5-next", let mark = name.firstOccurring(glm5NextMarks) {
      return .marked("\(mark)")
    }
    return nil
  }
}
