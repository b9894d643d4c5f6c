import BlockQuantization
import TensorCompute
import TensorTypes
import TestSupport

/// The types that can be multiplied, in a fixed order.
let weightTypes = WeightMatrix.supportedTypes.sorted { $0.rawValue < $1.rawValue }

/// Stored rows with the numbers they stand for.
final class StoredMatrix: @unchecked Sendable {
  let type: TensorType
  let rows: Int
  let columns: Int
  let bytes: [UInt8]
  /// The same bytes at an address that stays; never written after `init`.
  private let storage: UnsafeMutableRawBufferPointer

  init(type: TensorType, rows: Int, columns: Int, bytes: [UInt8]) {
    self.type = type
    self.rows = rows
    self.columns = columns
    self.bytes = bytes
    storage = .allocate(byteCount: bytes.count, alignment: 64)
    storage.copyBytes(from: bytes)
  }

  deinit { storage.deallocate() }

  /// Normal numbers, quantized.
  convenience init(_ type: TensorType, rows: Int, columns: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let values = (0..<rows * columns).map { _ in random.normal() * 0.05 }
    var bytes = [UInt8](repeating: 0, count: rows * (type.rowByteCount(length: columns) ?? 0))
    values.withUnsafeBufferPointer { from in
      bytes.withUnsafeMutableBytes {
        BlockQuantizer.quantize(
          type, rows: from, rowLength: columns, importance: nil, into: $0, level: .portable)
      }
    }
    self.init(type: type, rows: rows, columns: columns, bytes: bytes)
  }

  /// Any bytes: codes and scales that no quantizer writes, block scales included (NaN and infinity too).
  convenience init(anyBytes type: TensorType, rows: Int, columns: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let count = rows * (type.rowByteCount(length: columns) ?? 0)
    self.init(
      type: type, rows: rows, columns: columns,
      bytes: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
  }

  /// A view that keeps this object alive.
  func weights() throws -> WeightMatrix {
    try WeightMatrix(
      type: type, columns: columns, rows: rows, bytes: UnsafeRawBufferPointer(storage), owner: self)
  }

  /// The decoded values, by the definitions of another module.
  var values: [Float] {
    var out = [Float](repeating: 0, count: rows * columns)
    bytes.withUnsafeBytes { from in
      out.withUnsafeMutableBufferPointer {
        BlockQuantizer.dequantize(type, bytes: from, rowLength: columns, into: $0, level: .portable)
      }
    }
    return out
  }
}

/// Activations: normal numbers with some large ones.
func activations(_ tokens: Int, _ columns: Int, seed: UInt64) -> [Float] {
  var random = SeededGenerator(seed: seed)
  return (0..<tokens * columns).map { _ in
    let value = random.normal()
    return random.next() % 97 == 0 ? value * 40 : value
  }
}

extension MatrixEngine {
  /// `[tokens, rows]` of one matrix.
  func product(_ matrix: StoredMatrix, _ x: [Float], tokens: Int) throws -> [Float] {
    var y = [Float](repeating: -7, count: tokens * matrix.rows)
    let weights = try matrix.weights()
    y.withUnsafeMutableBufferPointer { out in
      x.withUnsafeBufferPointer { input in
        if let from = input.baseAddress, let to = out.baseAddress {
          multiply(weights, x: from, tokens: tokens, into: to)
        }
      }
    }
    return y
  }
}

/// The place of the first value whose bits differ, or `nil`; all NaN count as the same.
func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
  if a.count != b.count { return "counts \(a.count) and \(b.count)" }
  for i in a.indices where a[i].bitPattern != b[i].bitPattern && !(a[i].isNaN && b[i].isNaN) {
    return "element \(i): \(a[i]) and \(b[i])"
  }
  return nil
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
