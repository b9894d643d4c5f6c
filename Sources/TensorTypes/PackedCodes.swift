/// Codes of a few bits, packed into the words or bytes of a checkpoint; scales that are stored apart make values of them.
///
/// All are in the order of their row, so that a word of 32 bits, little-endian, holds its codes in the order of its
/// bytes, and two codes of four bits share a byte, the first one in the lower half.
package enum PackedCodes: Hashable, Sendable {
  /// Four bits; the value is the code minus 8.
  case offset4
  /// Eight bits; the value is the code minus 128.
  case offset8
  /// 2, 3, 4, 5, 6 or 8 bits; the value is the code.
  case integers(bits: Int)
  /// Four bits: a sign, two of exponent, one of fraction. 0, 0.5, 1, 1.5, 2, 3, 4, 6, and the same below zero.
  case e2m1

  /// Bits per code.
  package var bitCount: Int {
    switch self {
    case .offset4, .e2m1: 4
    case .offset8: 8
    case .integers(let bits): bits
    }
  }
}
