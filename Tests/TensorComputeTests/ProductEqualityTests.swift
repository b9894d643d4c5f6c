import BlockQuantization
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Results are the same bits for every level, batch size and thread count.
@Suite("Products: the same bits everywhere")
struct ProductEqualityTests {
  /// Columns that the type can have: few and many blocks, more than products of one token take at once, and a length
  /// that is not a multiple of 16.
  private static func columnCounts(_ type: TensorType) -> [Int] {
    switch type.blockLength {
    case 256: [256, 768, 4864]
    case 32: [32, 96, 512, 1120]
    default: [5, 40, 256]
    }
  }

  @Test("Every level equals the portable one", arguments: weightTypes, ComputeMode.allCases)
  func levels(type: TensorType, mode: ComputeMode) throws {
    let pool = WorkerPool(threadCount: 1)
    let portable = MatrixEngine(mode: mode, pool: pool, level: .portable)
    let shapes = [(1, 1), (7, 2), (8, 3), (9, 4), (13, 5), (16, 17), (24, 6), (33, 65)]
    for level in KernelLevel.available where level != .portable {
      let engine = MatrixEngine(mode: mode, pool: pool, level: level)
      for columns in Self.columnCounts(type) {
        for (index, (rows, tokens)) in shapes.enumerated() {
          let seed = UInt64(index + columns)
          let x = activations(tokens, columns, seed: seed)
          for matrix in [
            StoredMatrix(type, rows: rows, columns: columns, seed: seed),
            StoredMatrix(anyBytes: type, rows: rows, columns: columns, seed: seed),
          ] {
            let expected = try portable.product(matrix, x, tokens: tokens)
            let found = try engine.product(matrix, x, tokens: tokens)
            #expect(
              firstDifference(expected, found) == nil, "\(level) [\(rows), \(columns)] times \(tokens) tokens"
            )
          }
        }
      }
    }
  }

  @Test(
    "Few tokens: several tiles in turn, rows longer than a table",
    arguments: weightTypes.filter(\.isQuantized))
  func fewTokens(type: TensorType) throws {
    let pool = WorkerPool(threadCount: 1)
    let portable = MatrixEngine(mode: .fast, pool: pool, level: .portable)
    // Blocks that fill no group of four or eight, in short rows and behind full tables.
    let columnCounts = type.blockLength == 256 ? [512, 1280, 8960] : [544, 2144, 4128]
    for columns in columnCounts {
      for (rows, tokens) in [(23, 2), (61, 1), (100, 1)] {
        let seed = UInt64(rows + columns)
        let x = activations(tokens, columns, seed: seed)
        let matrix = StoredMatrix(anyBytes: type, rows: rows, columns: columns, seed: seed)
        let expected = try portable.product(matrix, x, tokens: tokens)
        for level in KernelLevel.available where level != .portable {
          let engine = MatrixEngine(mode: .fast, pool: pool, level: level)
          let found = try engine.product(matrix, x, tokens: tokens)
          #expect(
            firstDifference(expected, found) == nil, "\(level) [\(rows), \(columns)] times \(tokens) tokens"
          )
        }
      }
    }
  }

  @Test("Extreme codes do not saturate", arguments: weightTypes.filter(\.isQuantized))
  func extremes(type: TensorType) throws {
    let pool = WorkerPool(threadCount: 1)
    let columns = type.blockLength * 2
    for byte in [0x00, 0x7F, 0x80, 0xFF] as [UInt8] {
      // Every byte of the codes at its limit, with the block's scales set to 1.
      let count = 17 * (type.rowByteCount(length: columns) ?? 0)
      var bytes = [UInt8](repeating: byte, count: count)
      for block in stride(from: 0, to: count, by: type.blockByteCount) {
        for offset in scaleOffsets(type) {
          bytes[block + offset] = 0x00
          bytes[block + offset + 1] = 0x3C
        }
        if type == .mxfp4 { bytes[block] = 128 }
      }
      let matrix = StoredMatrix(type: type, rows: 17, columns: columns, bytes: bytes)
      let values = matrix.values
      for sign in [Float(1), -1] {
        let x = [Float](repeating: sign * 127, count: 5 * columns)
        for (level, tokens) in KernelLevel.available.flatMap({ [($0, 1), ($0, 5)] }) {
          let y = try MatrixEngine(mode: .fast, pool: pool, level: level).product(
            matrix, Array(x.prefix(tokens * columns)), tokens: tokens)
          for token in 0..<tokens {
            for row in 0..<17 {
              // Codes are exactly ±127 with scale 1 and all sums are small integers, so nothing is rounded.
              let exact = values[row * columns..<(row + 1) * columns].reduce(0) {
                $0 + Double($1) * Double(sign) * 127
              }
              #expect(Double(y[token * 17 + row]) == exact, "\(level) byte \(byte) row \(row)")
            }
          }
        }
      }
    }
  }

  /// Where a block keeps its binary16 scales.
  private func scaleOffsets(_ type: TensorType) -> [Int] {
    switch type {
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    case .mxfp4: []
    default: [0]
    }
  }

  @Test(
    "A token's result does not depend on the batch it is in", arguments: weightTypes, ComputeMode.allCases)
  func batchSize(type: TensorType, mode: ComputeMode) throws {
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 2))
    let matrix = StoredMatrix(type, rows: 21, columns: 512, seed: 5)
    let x = activations(130, 512, seed: 6)
    let whole = try engine.product(matrix, x, tokens: 130)
    for count in [1, 2, 3, 4, 17, 64, 100] {
      for first in [0, 130 - count] {
        let part = try engine.product(matrix, Array(x[first * 512..<(first + count) * 512]), tokens: count)
        #expect(
          firstDifference(Array(whole[first * 21..<(first + count) * 21]), part) == nil,
          "\(count) from \(first)")
      }
    }
  }

  @Test("Results do not depend on the number of threads", arguments: ComputeMode.allCases)
  func threads(mode: ComputeMode) throws {
    let matrix = StoredMatrix(.q4_K, rows: 333, columns: 512, seed: 8)
    for tokens in [1, 30] {
      let x = activations(tokens, 512, seed: 9)
      let single = try MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 1)).product(
        matrix, x, tokens: tokens)
      for count in [2, 3, 7] {
        let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: count))
        let found = try engine.product(matrix, x, tokens: tokens)
        #expect(firstDifference(single, found) == nil)
      }
    }
  }

  @Test("Several matrices of one call equal one call each, with strides", arguments: ComputeMode.allCases)
  func shared(mode: ComputeMode) throws {
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 2))
    let matrices = [TensorType.q4_K, .f32, .q8_0, .q6_K, .bf16].enumerated().map { index, type in
      StoredMatrix(type, rows: 11 + index, columns: 256, seed: UInt64(index))
    }
    // x: [6, 256] in rows of 300; every y: [6, rows] in rows of 40.
    let x = activations(6, 300, seed: 1)
    let dense = (0..<6).flatMap { x[$0 * 300..<$0 * 300 + 256] }
    let out = UnsafeMutablePointer<Float>.allocate(capacity: 5 * 240)
    defer { out.deallocate() }
    out.initialize(repeating: -7, count: 5 * 240)
    try x.withUnsafeBufferPointer { input in
      let from = try #require(input.baseAddress)
      let weights = try matrices.map { try $0.weights() }
      engine.multiply(
        weights, x: from, tokens: 6, xStride: 300, into: (0..<5).map { out + $0 * 240 },
        yStrides: [40, 40, 40, 40, 40])
    }
    for (index, matrix) in matrices.enumerated() {
      let expected = try engine.product(matrix, dense, tokens: 6)
      for token in 0..<6 {
        let row = (0..<matrix.rows).map { out[index * 240 + token * 40 + $0] }
        #expect(firstDifference(Array(expected[token * matrix.rows..<(token + 1) * matrix.rows]), row) == nil)
        #expect(out[index * 240 + token * 40 + matrix.rows] == -7, "wrote behind a row")
      }
    }
  }
}
