/// A GGUF tensor type: how values are packed into blocks.
///
/// Raw values are the `ggml_type` ids that GGUF files store. Types that Pouch can
/// neither write nor decode are listed all the same, so that files which hold
/// them can be inspected, sized and copied.
public enum TensorType: UInt32, CaseIterable, Hashable, Sendable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q8_1 = 9
  case q2_K = 10
  case q3_K = 11
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case q8_K = 15
  case iq2_xxs = 16
  case iq2_xs = 17
  case iq3_xxs = 18
  case iq1_s = 19
  case iq4_nl = 20
  case iq3_s = 21
  case iq2_s = 22
  case iq4_xs = 23
  case i8 = 24
  case i16 = 25
  case i32 = 26
  case i64 = 27
  case f64 = 28
  case iq1_m = 29
  case bf16 = 30
  case tq1_0 = 34
  case tq2_0 = 35
  case mxfp4 = 39
  case nvfp4 = 40
  case q1_0 = 41
  case q2_0 = 42

  /// The values of one block and the bytes that hold them.
  private var blockGeometry: (length: Int, byteCount: Int) {
    switch self {
    case .f32, .i32: (1, 4)
    case .f16, .bf16, .i16: (1, 2)
    case .i8: (1, 1)
    case .i64, .f64: (1, 8)
    case .q4_0, .iq4_nl: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q8_1: (32, 36)
    case .mxfp4: (32, 17)
    case .q2_K: (256, 84)
    case .q3_K: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .q8_K: (256, 292)
    case .iq4_xs: (256, 136)
    case .iq2_xxs: (256, 66)
    case .iq2_xs: (256, 74)
    case .iq2_s: (256, 82)
    case .iq3_xxs: (256, 98)
    case .iq3_s: (256, 110)
    case .iq1_s: (256, 50)
    case .iq1_m: (256, 56)
    case .tq1_0: (256, 54)
    case .tq2_0: (256, 66)
    case .nvfp4: (64, 36)
    case .q1_0: (128, 18)
    case .q2_0: (64, 18)
    }
  }

  /// Values per block: 1 for plain types, 32 to 256 for block types.
  public var blockLength: Int { blockGeometry.length }

  /// Bytes per block.
  public var blockByteCount: Int { blockGeometry.byteCount }

  /// Storage per value in bits, scales included.
  public var bitsPerWeight: Double { Double(blockByteCount) * 8 / Double(blockLength) }

  /// True for types that store values in blocks with scales.
  public var isQuantized: Bool { blockLength > 1 }

  /// The bytes of a row of `length` values, or `nil` when `length` is not a multiple of the block length or
  /// the size overflows.
  public func rowByteCount(length: Int) -> Int? {
    guard length >= 0, length % blockLength == 0 else { return nil }
    let (bytes, overflow) = (length / blockLength).multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }

  /// The name that llama.cpp prints, such as `q4_K`, `bf16` or `iq4_nl`.
  public var name: String {
    switch self {
    case .q2_K: "q2_K"
    case .q3_K: "q3_K"
    case .q4_K: "q4_K"
    case .q5_K: "q5_K"
    case .q6_K: "q6_K"
    case .q8_K: "q8_K"
    default: String(describing: self)
    }
  }

  /// Finds a type by its name, without regard to case.
  public init?(name: String) {
    let wanted = name.lowercased()
    guard let match = Self.allCases.first(where: { $0.name.lowercased() == wanted }) else { return nil }
    self = match
  }
}
