/// A GGUF tensor type: how values are packed into blocks.
///
/// Raw values are the `ggml_type` ids that GGUF files store. Types that Pouch can
/// neither write nor decode are listed all the same, so that files which hold
/// them can be inspected, sized and copied.
public enum TensorType: Hashable, Sendable {
  case f32
  case f16
  case q4_0
  case q4_1
  case q5_0
  case q5_1
  case q8_0
  case q8_1
  case q2_K
  case q3_K
  case q4_K
  case q5_K
  case q6_K
  case q8_K
  case iq2_xxs
  case iq2_xs
  case iq3_xxs
  case iq1_s
  case iq4_nl
  case iq3_s
  case iq2_s
  case iq4_xs
  case i8
  case i16
  case i32
  case i64
  case f64
  case iq1_m
  case bf16
  case tq1_0
  case tq2_0
  case mxfp4
  case nvfp4
  case q1_0
  case q2_0
  /// A type of another program, or of a newer llama.cpp: its number is known, its layout is not.
  case other(UInt32)

  /// The types that llama.cpp has for caches of keys and values.
  package static let cacheTypes: [TensorType] = [
    .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .iq4_nl, .q5_0, .q5_1,
  ]

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
    case .other: (1, 0)
    }
  }

  /// Values per block: 1 for plain types, 32 to 256 for block types.
  public var blockLength: Int { blockGeometry.length }

  /// Bytes per block.
  public var blockByteCount: Int { blockGeometry.byteCount }

  /// Storage per value in bits, scales included.
  public var bitsPerWeight: Double { Double(blockByteCount) * 8 / Double(blockLength) }

  /// The same type among those of checkpoints; `nil` for all but f32, f16 and bf16.
  package var floatElement: ElementType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    default: nil
    }
  }

  /// False for numbers of other programs, whose layout is not known here.
  public var isKnown: Bool { if case .other = self { false } else { true } }

  /// True for types that store values in blocks with scales.
  public var isQuantized: Bool { blockLength > 1 }

  /// The bytes of a row of `length` values, or `nil` when `length` is not a multiple of the block length, the
  /// size overflows, or the layout is not known.
  public func rowByteCount(length: Int) -> Int? {
    guard isKnown, length >= 0, length % blockLength == 0 else { return nil }
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
    case .other(let id): "type \(id)" + (ForeignTensorTypes.name(id).map { " (\($0))" } ?? "")
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
