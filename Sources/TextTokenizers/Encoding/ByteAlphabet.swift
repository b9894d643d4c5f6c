/// The alphabet of byte-level tokenizers: one printable scalar for each byte (as GPT-2 introduced it).
///
/// Printable ASCII and Latin-1 stand for themselves; the other 68 bytes, in order, are U+0100 and following.
enum ByteAlphabet {
  /// The scalar of every byte.
  static let scalars: [UInt32] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      if 0x21...0x7E ~= byte || 0xA1...0xAC ~= byte || 0xAE...0xFF ~= byte { return byte }
      defer { next += 1 }
      return next
    }
  }()

  /// The UTF-8 form of the scalar of every byte, one or two bytes each.
  static let encoded: [[UInt8]] = scalars.map { scalar in
    var bytes: [UInt8] = []
    RepairedText.appendScalar(scalar, to: &bytes)
    return bytes
  }

  /// The text of a token's bytes.
  static func text(of token: [UInt8]) -> String {
    String(decoding: token.flatMap { encoded[Int($0)] }, as: UTF8.self)
  }

  /// The byte of a scalar, or `nil` if it is none of the 256.
  static func byte(of scalar: UInt32) -> UInt8? {
    scalar < 0x144 && bytes[Int(scalar)] >= 0 ? UInt8(bytes[Int(scalar)]) : nil
  }

  private static let bytes: [Int16] = {
    var result = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { result[Int(scalar)] = Int16(byte) }
    return result
  }()
}
