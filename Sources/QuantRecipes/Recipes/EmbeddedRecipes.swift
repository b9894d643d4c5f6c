extension RecipeLibrary {
  /// The files of `recipes/` by their names without extension, as they were when this was built.
  static let embedded: [String: [UInt8]] = [
    "bf16": PackageResources.bf16_yaml,
    "f16": PackageResources.f16_yaml,
    "f32": PackageResources.f32_yaml,
    "hybrid-q3_k_l-plus": PackageResources.hybrid_q3_k_l_plus_yaml,
    "hybrid-q4_k_m-plus": PackageResources.hybrid_q4_k_m_plus_yaml,
    "iq4_nl": PackageResources.iq4_nl_yaml,
    "iq4_xs": PackageResources.iq4_xs_yaml,
    "mxfp4_moe": PackageResources.mxfp4_moe_yaml,
    "q2_k": PackageResources.q2_k_yaml,
    "q2_k_s": PackageResources.q2_k_s_yaml,
    "q3_k_l": PackageResources.q3_k_l_yaml,
    "q3_k_m": PackageResources.q3_k_m_yaml,
    "q3_k_s": PackageResources.q3_k_s_yaml,
    "q4_0": PackageResources.q4_0_yaml,
    "q4_1": PackageResources.q4_1_yaml,
    "q4_k_m": PackageResources.q4_k_m_yaml,
    "q4_k_s": PackageResources.q4_k_s_yaml,
    "q5_0": PackageResources.q5_0_yaml,
    "q5_1": PackageResources.q5_1_yaml,
    "q5_k_m": PackageResources.q5_k_m_yaml,
    "q5_k_s": PackageResources.q5_k_s_yaml,
    "q6_k": PackageResources.q6_k_yaml,
    "q8_0": PackageResources.q8_0_yaml,
  ]
}
