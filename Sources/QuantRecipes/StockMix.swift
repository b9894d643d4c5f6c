internal import FileBytes
public import TensorTypes

/// A stock choice of tensor types, as llama-quantize names them; raw values are the names it prints.
public enum StockMix: String, CaseIterable, Hashable, Sendable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case q8_0 = "Q8_0"
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q5_0 = "Q5_0"
  case q5_1 = "Q5_1"
  case q2_K = "Q2_K"
  case q2_K_S = "Q2_K_S"
  case q3_K_S = "Q3_K_S"
  case q3_K_M = "Q3_K_M"
  case q3_K_L = "Q3_K_L"
  case q4_K_S = "Q4_K_S"
  case q4_K_M = "Q4_K_M"
  case q5_K_S = "Q5_K_S"
  case q5_K_M = "Q5_K_M"
  case q6_K = "Q6_K"
  case iq4_NL = "IQ4_NL"
  case iq4_XS = "IQ4_XS"
  case mxfp4_MOE = "MXFP4_MOE"
  /// Every tensor keeps the type it has.
  case copy = "COPY"

  /// All names, for help.
  package static var listing: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// The value of `general.file_type`; `nil` for ``copy``, which keeps the source's.
  package var fileType: UInt32? {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q2_K: 10
    case .q3_K_S: 11
    case .q3_K_M: 12
    case .q3_K_L: 13
    case .q4_K_S: 14
    case .q4_K_M: 15
    case .q5_K_S: 16
    case .q5_K_M: 17
    case .q6_K: 18
    case .q2_K_S: 21
    case .iq4_NL: 25
    case .iq4_XS: 30
    case .bf16: 32
    case .mxfp4_MOE: 38
    case .copy: nil
    }
  }

  /// The type of every tensor that no rule of the mixture singles out; `nil` for ``copy``.
  public var defaultType: TensorType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q4_0: .q4_0
    case .q4_1: .q4_1
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q2_K, .q2_K_S: .q2_K
    case .q3_K_S, .q3_K_M, .q3_K_L: .q3_K
    case .q4_K_S, .q4_K_M: .q4_K
    case .q5_K_S, .q5_K_M: .q5_K
    case .q6_K: .q6_K
    case .iq4_NL: .iq4_nl
    case .iq4_XS: .iq4_xs
    case .mxfp4_MOE: .mxfp4
    case .copy: nil
    }
  }

  /// Short names that stand for the medium variant.
  private static let aliases: [String: StockMix] = ["Q3_K": .q3_K_M, "Q4_K": .q4_K_M, "Q5_K": .q5_K_M]

  /// Mixes that llama-quantize knows and Pouch does not write, by name and number.
  private static let unsupported: [String: UInt32] = [
    "IQ2_XXS": 19, "IQ2_XS": 20, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ3_S": 26, "IQ3_M": 27,
    "IQ2_S": 28, "IQ2_M": 29, "IQ1_M": 31, "TQ1_0": 36, "TQ2_0": 37, "Q1_0": 40, "Q2_0": 41,
  ]

  /// Finds a mix by name without regard to case, by the aliases `Q3_K`, `Q4_K` and `Q5_K` (the `_M` variants),
  /// or by the number of its file type.
  ///
  /// - Throws: ``RecipeError`` with `unknownMix` (naming the nearest mix) or `mixNotSupported`.
  public init(name: String) throws {
    let wanted = name.uppercased()
    if let match = StockMix(rawValue: wanted) ?? Self.aliases[wanted] {
      self = match
      return
    }
    let number = UInt32(name)
    if let number, let match = Self.allCases.first(where: { $0.fileType == number }) {
      self = match
      return
    }
    if let other = Self.unsupported.first(where: { $0.key == wanted || $0.value == number }) {
      throw RecipeError(
        .mixNotSupported,
        Fault(
          subject: name, expected: "a mix that Pouch can write",
          found: "\(other.key), which it cannot write yet",
          remedy: "choose one of " + Self.allCases.map(\.rawValue).joined(separator: ", ")))
    }
    let near = nearestNames(to: wanted, among: Self.allCases.map(\.rawValue), count: 1, limit: 2)
    throw RecipeError(
      .unknownMix,
      Fault(
        subject: name, expected: "one of " + Self.allCases.map(\.rawValue).joined(separator: ", "),
        found: "\"\(name)\"", remedy: near.first.map { "did you mean \($0)?" } ?? ""))
  }
}
