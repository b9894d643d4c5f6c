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
    var codes = [Int8](repeating: 0, count: tokens * columns)
    var biased = [UInt8](repeating: 0, count: tokens * columns)
    var sums = [Int16](repeating: 0, count: tokens * columns / 256 * 24 + tokens * columns / 32)
    var scales = [Float](repeating: 0, count: tokens * columns / 32)
    var y = [Float](repeating: -7, count: tokens * matrix.rows)
    let (groupsPerToken, sumsPerToken) =
      isSuper ? (columns / 256, columns / 256 * 24) : (columns / 32, columns / 32)
    codes.withUnsafeMutableBufferPointer { codes in
      biased.withUnsafeMutableBufferPointer { biased in
        sums.withUnsafeMutableBufferPointer { sums in
          scales.withUnsafeMutableBufferPointer { scales in
            y.withUnsafeMutableBufferPointer { y in
              let rows = (0..<tokens).map { token in
                let row = cdk_token(
                  codes: codes.baseAddress.map { UnsafePointer($0 + token * columns) },
                  biased: biased.baseAddress.map { UnsafePointer($0 + token * columns) },
                  sums: sums.baseAddress.map { UnsafePointer($0 + token * sumsPerToken) },
                  scales: scales.baseAddress.map { UnsafePointer($0 + token * groupsPerToken) },
                  y: y.baseAddress.map { $0 + token * matrix.rows })
                x.withUnsafeBufferPointer {
                  (isSuper ? kernels.quantize_256 : kernels.quantize_32)?(
                    $0.baseAddress.map { $0 + token * columns }, columns,
                    UnsafeMutablePointer(mutating: row.codes), UnsafeMutablePointer(mutating: row.biased),
                    UnsafeMutablePointer(mutating: row.sums), UnsafeMutablePointer(mutating: row.scales))
                }
                return row
              }
              matrix.bytes.withUnsafeBytes {
                kernels.multiply_integer?(
                  Int32(matrix.type.rawValue), $0.baseAddress, matrix.bytes.count / matrix.rows, 0,
                  matrix.rows,
                  columns, rows, tokens)
              }
            }
          }
        }
      }
    }
    return y
  }
}
