import BlockQuantization
import TensorTypes
import TestSupport

/// The block types that Pouch writes.
let blockTypes: [TensorType] = [
  .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_nl, .iq4_xs, .mxfp4,
]

/// Quantizes with the kernels of one level.
func kernelBytes(
  _ type: TensorType, _ rows: [Float], rowLength: Int, importance: [Float]? = nil, level: KernelLevel
) -> [UInt8] {
  let count = rows.count / rowLength * (type.rowByteCount(length: rowLength) ?? 0)
  var bytes = [UInt8](repeating: 0xA5, count: count)
  rows.withUnsafeBufferPointer { values in
    bytes.withUnsafeMutableBytes { output in
      if let importance {
        importance.withUnsafeBufferPointer {
          BlockQuantizer.quantize(
            type, rows: values, rowLength: rowLength, importance: $0, into: output, level: level)
        }
      } else {
        BlockQuantizer.quantize(
          type, rows: values, rowLength: rowLength, importance: nil, into: output, level: level)
      }
    }
  }
  return bytes
}

/// Decodes with the kernels of one level.
func kernelValues(_ type: TensorType, _ bytes: [UInt8], rowLength: Int, level: KernelLevel) -> [Float] {
  var values = [Float](repeating: 7, count: bytes.count / type.blockByteCount * type.blockLength)
  bytes.withUnsafeBytes { from in
    values.withUnsafeMutableBufferPointer {
      BlockQuantizer.dequantize(type, bytes: from, rowLength: rowLength, into: $0, level: level)
    }
  }
  return values
}

/// The place of the first difference, or `nil`.
func firstDifference<T: Equatable>(_ a: [T], _ b: [T]) -> String? {
  if a.count != b.count { return "counts \(a.count) and \(b.count)" }
  guard let i = a.indices.first(where: { a[$0] != b[$0] }) else { return nil }
  return "element \(i): \(a[i]) and \(b[i])"
}

extension SeededGenerator {
  /// A number in [0, 1).
  mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// A roughly normal number of variance 1.
  mutating func normal() -> Float {
    var sum: Float = 0
    for _ in 0..<12 { sum += unit() }
    return sum - 6
  }
}
