package import TensorTypes

extension BlockQuantizer {
  /// Packs one row of keys or values as ggml's `from_float` does, which caches are filled with.
  ///
  /// The bytes are those of ``quantize(_:rows:rowLength:importance:into:level:)`` without importance, but for
  /// IQ4_NL: caches have no time for its search, and take the first scale with the best one for its codes.
  ///
  /// - Parameters:
  ///   - type: A type for which ``canQuantize(_:)`` holds.
  ///   - row: Finite values, whole blocks.
  ///   - output: Receives exactly `type.rowByteCount(length: row.count)` bytes.
  /// - Complexity: O(`row.count`), without heap allocation.
  package static func quantizeForCache(
    _ type: TensorType, row: UnsafeBufferPointer<Float>, into output: UnsafeMutableRawBufferPointer
  ) {
    guard type == .iq4_nl else {
      quantize(type, rows: row, rowLength: row.count, importance: nil, into: output)
      return
    }
    precondition(
      output.count == type.rowByteCount(length: row.count), "the output must be as large as the row")
    for block in 0..<(row.count / 32) {
      encodeFirstScale(
        UnsafeBufferPointer(rebasing: row[(32 * block)..<(32 * block + 32)]),
        into: UnsafeMutableRawBufferPointer(rebasing: output[(18 * block)..<(18 * block + 18)]))
    }
  }

  /// A block of IQ4_NL with the scale that takes the largest value to the lowest level, then the best one for its codes.
  private static func encodeFirstScale(
    _ x: UnsafeBufferPointer<Float>, into block: UnsafeMutableRawBufferPointer
  ) {
    var (top, peak): (Float, Float) = (0, 0)
    for value in x where value.magnitude > top { (top, peak) = (value.magnitude, value) }
    for index in 0..<18 { block[index] = 0 }
    guard top >= negligible else { return }
    let inverse = 1 / (peak / IQ4Levels.levels[0])
    var (products, squares): (Float, Float) = (0, 0)
    for index in 0..<32 {
      let code = IQ4Levels.nearest(inverse * x[index])
      let (level, weight) = (IQ4Levels.levels[code], x[index] * x[index])
      products += (weight * level) * x[index]
      squares += (weight * level) * level
      block[2 + index % 16] |= UInt8(index < 16 ? code : code << 4)
    }
    let scale = squares > 0 ? products / squares : 0
    block.storeBytes(of: PlainFloats.halfBits(scale).littleEndian, as: UInt16.self)
  }
}
