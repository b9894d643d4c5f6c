internal import BlockQuantization
internal import FileBytes
internal import TensorTypes

/// Takes rows of keys or values through the codes of a cache type, and back to f32.
///
/// As in llama.cpp, each head's row is cut into blocks of 32. Block types see a rotated row where a head is a multiple of
/// 64 wide: pieces of the row are multiplied by an orthonormal Walsh-Hadamard matrix, so that single large values are
/// spread; queries and results are turned alike there, which is the same as turning the decoded row back here.
struct CacheRounding: Hashable, Sendable {
  private let type: TensorType
  /// Values of a piece that is rotated together; 1 without rotation.
  let rotation: Int

  /// What a type does to rows; `nil` where memory holds the type itself.
  ///
  /// - Parameters:
  ///   - type: The type.
  ///   - width: Values of a head's row.
  ///   - isKey: Keys are rotated in pieces as large as fit, values in pieces of 64.
  /// - Throws: ``RuntimeError`` with `unsupportedType` when a row does not hold whole blocks.
  init?(_ type: TensorType, width: Int, isKey: Bool) throws {
    guard type != .f32 else { return nil }
    guard width % type.blockLength == 0 else {
      throw RuntimeError(
        .unsupportedType,
        Fault(
          subject: isKey ? "cache of keys" : "cache of values",
          expected: "heads whose width is a multiple of \(type.blockLength), for \(type.name)",
          found: "heads of \(width)", remedy: "choose f16, bf16 or f32 for this model"))
    }
    self.type = type
    var piece = 1
    if type.isQuantized, width % 64 == 0 {
      piece = 64
      while isKey, width % (2 * piece) == 0 { piece *= 2 }
    }
    rotation = piece
  }

  /// Rounds a row in place; one with NaN or infinity stays, so that it is found.
  func apply(_ row: UnsafeMutableBufferPointer<Float>) {
    guard FloatConversion.firstNonFinite(UnsafeBufferPointer(row)) == nil,
      let size = type.rowByteCount(length: row.count)
    else { return }
    rotate(row)
    withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { codes in
      BlockQuantizer.quantizeForCache(type, row: UnsafeBufferPointer(row), into: codes)
      BlockQuantizer.dequantize(type, bytes: UnsafeRawBufferPointer(codes), rowLength: row.count, into: row)
    }
    rotate(row)
  }

  /// Multiplies each piece by the matrix of signs over the root of its size, which is its own inverse.
  private func rotate(_ row: UnsafeMutableBufferPointer<Float>) {
    guard rotation > 1 else { return }
    let factor = 1 / Float(rotation).squareRoot()
    for start in stride(from: 0, to: row.count, by: rotation) {
      var half = 1
      while half < rotation {
        for first in stride(from: start, to: start + rotation, by: 2 * half) {
          for index in first..<(first + half) {
            let (x, y) = (row[index], row[index + half])
            row[index] = x + y
            row[index + half] = x - y
          }
        }
        half *= 2
      }
      for index in start..<(start + rotation) { row[index] *= factor }
    }
  }
}
