internal import BlockQuantization
internal import TensorTypes

extension PackedCodes {
  /// The values of both codes of a byte, the lower half first.
  private static let offsetPairs = pairs { Float($0) - 8 }
  private static let e2m1Pairs = pairs { code in
    let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    return code < 8 ? magnitudes[code] : -magnitudes[code - 8]
  }

  private static func pairs(_ value: (Int) -> Float) -> [SIMD2<Float>] {
    (0..<256).map { SIMD2(value($0 & 15), value($0 >> 4)) }
  }

  /// Writes the values of codes, before any scale.
  ///
  /// - Parameters:
  ///   - bytes: The codes.
  ///   - output: As many values.
  func decode(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) {
    precondition(bytes.count * 8 == output.count * bitCount, "as many codes as values")
    switch self {
    case .offset4: Self.decode(bytes, Self.offsetPairs, into: output)
    case .e2m1: Self.decode(bytes, Self.e2m1Pairs, into: output)
    case .offset8: for index in output.indices { output[index] = Float(Int(bytes[index]) - 128) }
    case .integers(let bits): FloatConversion.widen(codesOf: bits, bytes: bytes, into: output)
    }
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ pairs: [SIMD2<Float>],
    into output: UnsafeMutableBufferPointer<Float>
  ) {
    let target = UnsafeMutableRawBufferPointer(output)
    pairs.withUnsafeBufferPointer { pairs in
      for (index, byte) in bytes.enumerated() {
        target.storeBytes(of: pairs[Int(byte)], toByteOffset: index * 8, as: SIMD2<Float>.self)
      }
    }
  }
}
