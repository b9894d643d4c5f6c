/// How MLX stores a matrix: codes in groups along the rows, and what makes values of them in tensors of its own.
///
/// A row of n values is a string of n codes, the first one in the lowest bits, in little-endian words of 32 bits; each
/// group of `groupSize` values has a scale and, in the affine mode, a bias. All three are apart: `X.weight`, `X.scales`,
/// `X.biases`.
public struct GroupFormat: Hashable, Sendable {
  /// What a code stands for.
  public enum Mode: String, CaseIterable, Hashable, Sendable {
    /// code · scale + bias, both of the type that the weights had.
    case affine
    /// A 4-bit float (E2M1) times a power of two, the exponent of which is one byte (E8M0).
    case mxfp4
    /// A 4-bit float (E2M1) times an 8-bit float (E4M3).
    case nvfp4
  }

  /// What a code stands for.
  public let mode: Mode
  /// Bits of a code.
  public let bits: Int
  /// Values of a group.
  public let groupSize: Int

  /// The bits that affine codes may have.
  public static let affineBits = [2, 3, 4, 5, 6, 8]
  /// The sizes that affine groups may have.
  public static let affineGroupSizes = [32, 64, 128]

  /// Finds a format; what is not given is what mlx-lm takes: 4 bits, and groups of 64, or of 32 (mxfp4) and 16 (nvfp4).
  ///
  /// The result is `nil` for what MLX does not have.
  ///
  /// - Parameters:
  ///   - mode: What a code stands for.
  ///   - bits: Bits of a code.
  ///   - groupSize: Values of a group.
  public init?(_ mode: Mode = .affine, bits: Int? = nil, groupSize: Int? = nil) {
    self.mode = mode
    switch mode {
    case .affine:
      self.bits = bits ?? 4
      self.groupSize = groupSize ?? 64
      guard Self.affineBits.contains(self.bits), Self.affineGroupSizes.contains(self.groupSize) else {
        return nil
      }
    case .mxfp4, .nvfp4:
      self.bits = 4
      self.groupSize = mode == .mxfp4 ? 32 : 16
      guard bits ?? 4 == 4, groupSize ?? self.groupSize == self.groupSize else { return nil }
    }
  }

  private init(affine bits: Int, groupSize: Int) {
    mode = .affine
    self.bits = bits
    self.groupSize = groupSize
  }

  /// What mlx-lm gives to the routers of most mixtures: 8 bits in groups of 64.
  public static let router = GroupFormat(affine: 8, groupSize: 64)

  /// The name that is printed, such as `affine4/64` or `mxfp4`.
  public var name: String { mode == .affine ? "affine\(bits)/\(groupSize)" : mode.rawValue }

  /// All formats: affine ones by bits and size, then the others.
  public static let all: [GroupFormat] =
    affineBits.flatMap { bits in affineGroupSizes.map { GroupFormat(affine: bits, groupSize: $0) } }
    + [GroupFormat(.mxfp4), GroupFormat(.nvfp4)].compactMap(\.self)

  /// Finds a format by the name that is printed.
  public init?(name: String) {
    guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  /// Whether rows of `length` values hold whole groups.
  public func fits(rowLength length: Int) -> Bool { length > 0 && length % groupSize == 0 }

  /// Bytes of the codes of a row.
  public func codeByteCount(rowLength: Int) -> Int { rowLength * bits / 8 }

  /// The type of a scale where the weights have `type`; the same for biases.
  public func scaleType(weights type: ElementType) -> ElementType { mode == .affine ? type : .u8 }

  /// Scales of a row.
  public func groupCount(rowLength: Int) -> Int { rowLength / groupSize }

  /// Whether groups have biases beside their scales.
  public var hasBiases: Bool { mode == .affine }
}
