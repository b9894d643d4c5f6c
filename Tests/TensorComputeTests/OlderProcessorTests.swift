import BlockQuantization
import CQuantKernels
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Kernels that this processor would not use, since it has better ones.
@Suite("Products: older processors of a level")
struct OlderProcessorTests {
  @Test(
    "AVX-512 without GFNI gives the same bits", .enabled(if: cdk_avx512_without_gfni() != nil),
    arguments: weightTypes.filter(\.isQuantized),
    [(21, 1), (64, 1), (9, 2), (16, 5)])
  func withoutBitMoves(type: TensorType, shape: (rows: Int, tokens: Int)) throws {
    let kernels = try #require(cdk_avx512_without_gfni())
    let portable = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: 1), level: .portable)
    for columns in type.blockLength == 256 ? [256, 1280, 8960] : [32, 544, 2144] {
      let x = activations(shape.tokens, columns, seed: UInt64(columns + shape.rows))
      for matrix in [
        StoredMatrix(type, rows: shape.rows, columns: columns, seed: UInt64(columns)),
        StoredMatrix(anyBytes: type, rows: shape.rows, columns: columns, seed: UInt64(columns)),
      ] {
        let expected = try portable.product(matrix, x, tokens: shape.tokens)
        let found = product(kernels.pointee, matrix, x, tokens: shape.tokens)
        #expect(firstDifference(expected, found) == nil, "[\(shape.rows), \(columns)]")
      }
    }
  }

  /// `[tokens, rows]` by the kernels themselves.
  private func product(
    _ kernels: cdk_kernels, _ matrix: StoredMatrix, _ x: [Float], tokens: Int
  ) -> [Float] {
    let (columns, isSuper) = (matrix.columns, matrix.type.blockLength == 256)
    let quantize = isSuper ? kernels.quantize_256 : kernels.quantize_32
    let y = UnsafeMutableBufferPointer<Float>.allocate(capacity: tokens * matrix.rows)
    var owned: [UnsafeMutableRawPointer] = []
    defer {
      y.deallocate()
      for pointer in owned { pointer.deallocate() }
    }
    func room<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
      let pointer = UnsafeMutablePointer<T>.allocate(capacity: count)
      owned.append(UnsafeMutableRawPointer(pointer))
      return pointer
    }
    let rows = (0..<tokens).map { token in
      let (codes, biased) = (room(Int8.self, columns), room(UInt8.self, columns))
      let (sums, scales) = (room(Int16.self, columns), room(Float.self, columns))
      quantize?(Array(x[token * columns..<(token + 1) * columns]), columns, codes, biased, sums, scales)
      return cdk_token(
        codes: codes, biased: biased, sums: sums, scales: scales,
        y: y.baseAddress.map { $0 + token * matrix.rows })
    }
    matrix.bytes.withUnsafeBytes { bytes in
      rows.withUnsafeBufferPointer { rows in
        let band = cdk_band(
          type: Int32(matrix.type.rawValue), weights: bytes.baseAddress,
          row_bytes: matrix.bytes.count / matrix.rows, first_row: 0, rows: matrix.rows, columns: columns,
          tokens: rows.baseAddress, token_count: tokens, first_step: 0)
        withUnsafePointer(to: kernels) { cdk_multiply_band($0, band) }
      }
    }
    return Array(y)
  }
}
