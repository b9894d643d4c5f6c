extension TensorType: RawRepresentable, CaseIterable {
  /// All types whose layout is known.
  public static let allCases: [TensorType] = [
    .f32, .f16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q8_1, .q2_K, .q3_K,
    .q4_K, .q5_K, .q6_K, .q8_K, .iq2_xxs, .iq2_xs, .iq3_xxs, .iq1_s, .iq4_nl, .iq3_s,
    .iq2_s, .iq4_xs, .i8, .i16, .i32, .i64, .f64, .iq1_m, .bf16, .tq1_0,
    .tq2_0, .mxfp4, .nvfp4, .q1_0, .q2_0,
  ]

  private static let byNumber = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

  /// Finds the type with a number; `nil` when its layout is not known.
  public init?(rawValue: UInt32) {
    guard let type = Self.byNumber[rawValue] else { return nil }
    self = type
  }

  /// The number of the type in files.
  public var rawValue: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q5_0: 6
    case .q5_1: 7
    case .q8_0: 8
    case .q8_1: 9
    case .q2_K: 10
    case .q3_K: 11
    case .q4_K: 12
    case .q5_K: 13
    case .q6_K: 14
    case .q8_K: 15
    case .iq2_xxs: 16
    case .iq2_xs: 17
    case .iq3_xxs: 18
    case .iq1_s: 19
    case .iq4_nl: 20
    case .iq3_s: 21
    case .iq2_s: 22
    case .iq4_xs: 23
    case .i8: 24
    case .i16: 25
    case .i32: 26
    case .i64: 27
    case .f64: 28
    case .iq1_m: 29
    case .bf16: 30
    case .tq1_0: 34
    case .tq2_0: 35
    case .mxfp4: 39
    case .nvfp4: 40
    case .q1_0: 41
    case .q2_0: 42
    case .other(let number): number
    }
  }
}

/// Numbers that other programs or earlier versions of llama.cpp gave to types of their own.
package enum ForeignTensorTypes {
  /// ik_llama.cpp's names.
  private static let ikLlama: [UInt32: String] = [
    133: "q6_0", 134: "iq1_bn", 135: "iq2_bn", 137: "iq2_k", 138: "iq3_k", 139: "iq4_k", 140: "iq5_k",
    141: "iq6_k", 144: "iq4_ks", 145: "iq2_ks", 146: "iq4_kss", 151: "q8_kv", 152: "iq5_ks", 153: "iq2_kt",
    154: "iq3_kt", 155: "iq4_kt", 156: "iq3_ks", 157: "iq2_kl", 158: "iq1_kt", 202: "q4_0_r8", 206: "q5_0_r4",
    208: "q8_0_r8", 210: "q2_k_r4", 211: "q3_k_r4", 212: "q4_k_r4", 213: "q5_k_r4", 214: "q6_k_r4",
    216: "iq2_xxs_r4", 217: "iq2_xs_r4", 218: "iq3_xxs_r4", 219: "iq1_s_r4", 220: "iq4_nl_r4",
    221: "iq3_s_r4", 222: "iq2_s_r4", 223: "iq4_xs_r8", 229: "iq1_m_r4", 230: "bf16_r16", 233: "q6_0_r4",
    335: "iq2_bn_r4", 337: "iq2_k_r4", 338: "iq3_k_r4", 339: "iq4_k_r4", 340: "iq5_k_r4", 344: "iq4_ks_r4",
    352: "iq5_ks_r4", 397: "q8_k_r16", 398: "q8_kv_r8", 399: "q8_k_r8",
  ]

  /// The numbers that llama.cpp has withdrawn.
  package static func isWithdrawn(_ number: UInt32) -> Bool {
    [4, 5, 31, 32, 33, 36, 37, 38].contains(number)
  }

  /// What a number is known to mean elsewhere, such as "ik_llama.cpp's iq4_ks".
  package static func name(_ number: UInt32) -> String? {
    isWithdrawn(number)
      ? "withdrawn from llama.cpp" : ikLlama[number].map { "ik_llama.cpp's \($0)" }
  }
}
