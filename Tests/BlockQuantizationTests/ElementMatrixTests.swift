import BlockQuantization
import TestSupport
import Testing

@Suite("Transposition of elements")
struct ElementMatrixTests {
  @Test("columns become rows, and nothing else changes", arguments: [1, 2, 4, 8])
  func transposition(size: Int) {
    var generator = SeededGenerator(seed: UInt64(size))
    for round in 0..<120 {
      // Some matrices are larger than the blocks in which they are moved.
      let most = round % 10 == 0 ? 300 : 40
      let rows = Int.random(in: 1...most, using: &generator)
      let columns = Int.random(in: 1...most, using: &generator)
      let pitch = columns + Int.random(in: 0...9, using: &generator)
      let targetPitch = rows + Int.random(in: 0...9, using: &generator)
      // Odd addresses, too.
      let skip = Int.random(in: 0...3, using: &generator)
      let source = (0..<(skip + rows * pitch * size)).map { _ in UInt8.random(in: 0...255, using: &generator)
      }
      let before = (0..<(skip + columns * targetPitch * size)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      var expected = before
      for row in 0..<rows {
        for column in 0..<columns {
          for byte in 0..<size {
            expected[skip + (column * targetPitch + row) * size + byte] =
              source[skip + (row * pitch + column) * size + byte]
          }
        }
      }
      var target = before
      source.withUnsafeBytes { from in
        target.withUnsafeMutableBytes { to in
          ElementMatrix.transpose(
            elementByteCount: size, UnsafeRawBufferPointer(rebasing: from[skip...]), pitch: pitch, rows: rows,
            columns: columns, into: UnsafeMutableRawBufferPointer(rebasing: to[skip...]), pitch: targetPitch)
        }
      }
      let difference = zip(target, expected).enumerated().first { $0.element.0 != $0.element.1 }
      #expect(difference == nil, "\(rows) x \(columns), pitches \(pitch) and \(targetPitch)")
    }
  }

  @Test("a buffer that ends too early is a mistake of the caller")
  func shortBuffer() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.exitStatus]) {
      let source = [UInt8](repeating: 0, count: 4 * 6 - 1)
      var target = [UInt8](repeating: 0, count: 24)
      source.withUnsafeBytes { from in
        target.withUnsafeMutableBytes {
          ElementMatrix.transpose(
            elementByteCount: 1, from, pitch: 6, rows: 4, columns: 6, into: $0, pitch: 4)
        }
      }
    }
    // A trap, not an error that was thrown.
    guard case .signal = result?.exitStatus else {
      Issue.record("\(String(describing: result?.exitStatus))")
      return
    }
  }
}
