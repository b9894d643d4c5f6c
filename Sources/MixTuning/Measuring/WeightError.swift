internal import BlockQuantization
internal import TensorCompute

/// Squared differences between weights and what quantizing leaves of them, weighed by the importance of their columns.
struct WeightError {
  private var error = 0.0
  private var power = 0.0
  /// Weights that were compared.
  private(set) var weights = 0.0

  /// `sum of E[x_c^2] (W - Q(W))_rc^2` over `sum of E[x_c^2] W_rc^2`.
  var relative: Double { power > 0 ? error / power : 0 }

  /// Adds a matrix.
  mutating func add(_ old: WeightMatrix, _ new: WeightMatrix, _ importance: [Float]?) {
    let columns = old.columns
    var (a, b) = ([Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns))
    for row in 0..<old.rows {
      a.withUnsafeMutableBufferPointer { Self.decode(old, row, into: $0) }
      b.withUnsafeMutableBufferPointer { Self.decode(new, row, into: $0) }
      var (e, p): (Float, Float) = (0, 0)
      for column in 0..<columns {
        let weight = importance?[column] ?? 1
        let difference = a[column] - b[column]
        e += weight * difference * difference
        p += weight * a[column] * a[column]
      }
      error += Double(e)
      power += Double(p)
    }
    weights += Double(old.rows * columns)
  }

  private static func decode(
    _ matrix: WeightMatrix, _ row: Int, into values: UnsafeMutableBufferPointer<Float>
  ) {
    let range = (row * matrix.rowByteCount)..<((row + 1) * matrix.rowByteCount)
    BlockQuantizer.dequantize(
      matrix.type, bytes: UnsafeRawBufferPointer(rebasing: matrix.bytes[range]), rowLength: matrix.columns,
      into: values)
  }
}
