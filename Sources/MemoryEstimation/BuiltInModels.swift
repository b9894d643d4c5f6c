internal import FileBytes
internal import ModelDescriptions

/// The models that can be named instead of given as files; facts of published configurations (`samples/configs`).
package enum BuiltInModels {
  /// DeepSeek-V3.1 and R1 have the layers of V3.
  private static let configs: [(name: String, bytes: [UInt8])] = [
    ("qwen3.6-35b-a3b", PackageResources.qwen3_6_35b_a3b_json),
    ("qwen3.6-27b", PackageResources.qwen3_6_27b_json),
    ("qwen3.5-35b-a3b", PackageResources.qwen3_5_35b_a3b_json),
    ("qwen3.5-122b-a10b", PackageResources.qwen3_5_122b_a10b_json),
    ("qwen3.5-397b-a17b", PackageResources.qwen3_5_397b_a17b_json),
    ("qwen3.5-9b", PackageResources.qwen3_5_9b_json),
    ("qwen3-next-80b-a3b", PackageResources.qwen3_next_80b_a3b_json),
    ("qwen3-30b-a3b", PackageResources.qwen3_30b_a3b_json),
    ("qwen3-30b-a3b-2507", PackageResources.qwen3_30b_a3b_2507_json),
    ("qwen3-235b-a22b", PackageResources.qwen3_235b_a22b_json),
    ("qwen3-coder-480b-a35b", PackageResources.qwen3_coder_480b_a35b_json),
    ("qwen2-57b-a14b", PackageResources.qwen2_57b_a14b_json),
    ("qwen1.5-moe-a2.7b", PackageResources.qwen1_5_moe_a2_7b_json),
    ("mixtral-8x7b", PackageResources.mixtral_8x7b_json),
    ("mixtral-8x22b", PackageResources.mixtral_8x22b_json),
    ("qwen3-0.6b", PackageResources.qwen3_0_6b_json),
    ("qwen3-4b", PackageResources.qwen3_4b_json),
    ("qwen3-8b", PackageResources.qwen3_8b_json),
    ("qwen3-32b", PackageResources.qwen3_32b_json),
    ("qwen2.5-7b", PackageResources.qwen2_5_7b_json),
    ("llama-3.1-8b", PackageResources.llama_3_1_8b_json),
    ("llama-3.2-1b", PackageResources.llama_3_2_1b_json),
    ("deepseek-v3", PackageResources.deepseek_v3_json),
    ("deepseek-v3.1", PackageResources.deepseek_v3_json),
    ("deepseek-r1", PackageResources.deepseek_v3_json),
    ("deepseek-v2", PackageResources.deepseek_v2_json),
    ("deepseek-v2-lite", PackageResources.deepseek_v2_lite_json),
    ("deepseek-moe-16b", PackageResources.deepseek_moe_16b_json),
    ("kimi-k2", PackageResources.kimi_k2_json),
    ("glm-4.5", PackageResources.glm_4_5_json),
    ("glm-4.5-air", PackageResources.glm_4_5_air_json),
    ("glm-4.6", PackageResources.glm_4_6_json),
    ("glm-4.7-flash", PackageResources.glm_4_7_flash_json),
    ("mistral-small-4", PackageResources.mistral_small_4_json),
    ("olmoe-1b-7b", PackageResources.olmoe_1b_7b_json),
    ("qwen3-vl-30b-a3b", PackageResources.qwen3_vl_30b_a3b_json),
    ("qwen3-vl-235b-a22b", PackageResources.qwen3_vl_235b_a22b_json),
    ("qwen3-vl-8b", PackageResources.qwen3_vl_8b_json),
    ("gemma-4-26b-a4b", PackageResources.gemma_4_26b_a4b_json),
    ("gemma-4-31b", PackageResources.gemma_4_31b_json),
    ("gpt-oss-20b", PackageResources.gpt_oss_20b_json),
    ("gpt-oss-120b", PackageResources.gpt_oss_120b_json),
    ("minimax-m2", PackageResources.minimax_m2_json),
    ("ernie-4.5-21b-a3b", PackageResources.ernie_4_5_21b_a3b_json),
    ("ernie-4.5-300b-a47b", PackageResources.ernie_4_5_300b_a47b_json),
    ("hunyuan-a13b", PackageResources.hunyuan_a13b_json),
    ("ling-mini-2.0", PackageResources.ling_mini_2_0_json),
    ("ling-flash-2.0", PackageResources.ling_flash_2_0_json),
    ("ling-1t", PackageResources.ling_1t_json),
    ("granite-3.0-1b-a400m", PackageResources.granite_3_0_1b_a400m_json),
    ("granite-3.0-3b-a800m", PackageResources.granite_3_0_3b_a800m_json),
    ("granite-3.1-1b-a400m", PackageResources.granite_3_1_1b_a400m_json),
    ("granite-3.1-3b-a800m", PackageResources.granite_3_1_3b_a800m_json),
    ("k-exaone-236b-a23b", PackageResources.k_exaone_236b_a23b_json),
    ("lfm2-8b-a1b", PackageResources.lfm2_8b_a1b_json),
    ("phi-3.5-moe", PackageResources.phi_3_5_moe_json),
  ]

  /// All names.
  package static var names: [String] { configs.map(\.name) }

  /// The name that `text` stands for: without regard to case, to an owner before a slash, and to endings such as
  /// `-Instruct`; `nil` when there is no such model.
  package static func canonicalName(_ text: String) -> String? {
    var wanted = (HubName(text)?.repository ?? text).lowercased()
    if let slash = wanted.lastIndex(of: "/") { wanted = String(wanted[wanted.index(after: slash)...]) }
    if names.contains(wanted) { return wanted }
    for ending in ["-instruct", "-base", "-chat", "-thinking", "-v0.1", "-instruct-v0.1", "-pt", "-base-pt"]
    where wanted.hasSuffix(ending) {
      let shorter = String(wanted.dropLast(ending.count))
      if names.contains(shorter) { return shorter }
    }
    return nil
  }

  /// The configuration of a built-in model.
  ///
  /// - Throws: ``EstimationError`` with `unknownModel`, naming the nearest one.
  static func config(named text: String) throws -> (name: String, config: ModelConfig) {
    if let name = canonicalName(text), let entry = configs.first(where: { $0.name == name }) {
      return (name, try ModelConfig(parsing: entry.bytes, file: name))
    }
    let last = text.split(separator: "/").last.map { $0.lowercased() } ?? text
    let hub = SourceRecognition.hubModel(text)
    let nearest = names.first { $0.hasPrefix(last) } ?? ModelDescription.nearestName(to: last, among: names)
    throw EstimationError(
      .unknownModel,
      Fault(
        file: text, expected: "a file, a folder or the name of a known model",
        found: Wording(hub?.found ?? "nothing of that name"),
        remedy: [
          hub.map { Wording($0.remedy) },
          nearest.map { "did you mean \($0)?" } ?? "\(.modelNames) lists the names",
        ]
        .compactMap(\.self).joined(separator: "; ")))
  }
}
