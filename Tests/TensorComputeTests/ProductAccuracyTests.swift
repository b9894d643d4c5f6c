import BlockQuantization
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Results against sums in double precision.
@Suite("Products: accuracy")
struct ProductAccuracyTests {
  /// Each of the 16 partial sums adds columns/16 terms with one rounding each, then four more; half an ulp
  /// (2^-24) of a magnitude that the sum of |w x| bounds.
  private static func exactBound(columns: Int) -> Double { Double(columns / 16 + 4) * 0x1p-24 }

  /// Steps of max|x| / 127 that a result may be off, per norm of its row of weights.
  ///
  /// A code is off by at most half a step; the errors of a row are independent, so about 0.29 steps are to be
  /// expected. Ten times that is not met by chance.
  private static let fastSteps = 2.9

  private func doubleProduct(_ w: [Float], _ x: [Float], rows: Int, columns: Int, tokens: Int) -> (
    sums: [Double], magnitudes: [Double]
  ) {
    var sums: [Double] = []
    var magnitudes: [Double] = []
    for token in 0..<tokens {
      for row in 0..<rows {
        var sum = 0.0
        var magnitude = 0.0
        for c in 0..<columns {
          let term = Double(w[row * columns + c]) * Double(x[token * columns + c])
          sum += term
          magnitude += abs(term)
        }
        sums.append(sum)
        magnitudes.append(magnitude)
      }
    }
    return (sums, magnitudes)
  }

  @Test("Exact mode is within the rounding bound of the sum", arguments: weightTypes)
  func exact(type: TensorType) throws {
    let engine = MatrixEngine(mode: .exact, pool: WorkerPool(threadCount: 2))
    let matrix = StoredMatrix(type, rows: 19, columns: 768, seed: 3)
    let x = activations(4, 768, seed: 4)
    let y = try engine.product(matrix, x, tokens: 4)
    let expected = doubleProduct(matrix.values, x, rows: 19, columns: 768, tokens: 4)
    for i in y.indices {
      let bound = expected.magnitudes[i] * Self.exactBound(columns: 768)
      #expect(abs(Double(y[i]) - expected.sums[i]) <= bound, "element \(i)")
    }
  }

  @Test("Fast mode is within the activations' rounding of the sum", arguments: weightTypes)
  func fast(type: TensorType) throws {
    let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: 2))
    let matrix = StoredMatrix(type, rows: 19, columns: 768, seed: 3)
    let x = activations(4, 768, seed: 4)
    let y = try engine.product(matrix, x, tokens: 4)
    let values = matrix.values
    let expected = doubleProduct(values, x, rows: 19, columns: 768, tokens: 4)
    for token in 0..<4 {
      let step = (x[token * 768..<(token + 1) * 768].map(abs).max() ?? 0) / 127
      for row in 0..<19 {
        let norm = values[row * 768..<(row + 1) * 768].reduce(0.0) { $0 + Double($1) * Double($1) }
          .squareRoot()
        let i = token * 19 + row
        let bound =
          Self.fastSteps * Double(step) * norm + expected.magnitudes[i] * Self.exactBound(columns: 768)
        #expect(abs(Double(y[i]) - expected.sums[i]) <= bound, "element \(i)")
      }
    }
  }

  @Test("A fast product of whole codes is the sum itself", arguments: weightTypes.filter(\.isQuantized))
  func wholeCodes(type: TensorType) throws {
    // Activations that are integers with a largest magnitude of 127 in each group become themselves.
    var random = SeededGenerator(seed: 12)
    let x = (0..<3 * 512).map { $0 % 32 == 7 ? Float(127) : Float(Int(random.next() % 255) - 127) }
    let matrix = StoredMatrix(type, rows: 10, columns: 512, seed: 13)
    let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: 1))
    let y = try engine.product(matrix, x, tokens: 3)
    let expected = doubleProduct(matrix.values, x, rows: 10, columns: 512, tokens: 3)
    // Two roundings per block and one per scale; decoding rounds each value once.
    let bound = Double(2 * 512 / type.blockLength + 3) * 0x1p-24
    for i in y.indices {
      #expect(abs(Double(y[i]) - expected.sums[i]) <= expected.magnitudes[i] * bound, "element \(i)")
    }
  }

  @Test(
    "A NaN or infinity reaches every result of its token and no other", arguments: weightTypes,
    ComputeMode.allCases)
  func notFinite(type: TensorType, mode: ComputeMode) throws {
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 1))
    let matrix = StoredMatrix(type, rows: 9, columns: 512, seed: 21)
    for tokens in [1, 7] {
      for bad in [Float.nan, .infinity, -.infinity] {
        let clean = activations(tokens, 512, seed: 22)
        var x = clean
        x[(tokens - 1) * 512 + 300] = bad
        let y = try engine.product(matrix, x, tokens: tokens)
        let expected = try engine.product(matrix, clean, tokens: tokens)
        #expect(firstDifference(Array(y.dropLast(9)), Array(expected.dropLast(9))) == nil)
        #expect(y.suffix(9).allSatisfy { !$0.isFinite })
        if mode == .fast, type.isQuantized { #expect(y.suffix(9).allSatisfy { $0.isNaN }) }
      }
    }
  }

  @Test("Zeros and denormals give zeros and stay finite", arguments: ComputeMode.allCases)
  func tiny(mode: ComputeMode) throws {
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 1))
    for type in weightTypes {
      let matrix = StoredMatrix(type, rows: 9, columns: 256, seed: 31)
      let zero = try engine.product(matrix, [Float](repeating: 0, count: 4 * 256), tokens: 4)
      #expect(zero.allSatisfy { $0 == 0 })
      let tiny = try engine.product(
        matrix, [Float](repeating: .leastNonzeroMagnitude * 700, count: 4 * 256), tokens: 4)
      #expect(tiny.allSatisfy { abs($0) < 1e-30 })
      let huge = try engine.product(matrix, [Float](repeating: 1e30, count: 4 * 256), tokens: 4)
      #expect(huge.allSatisfy { $0.isFinite })
    }
  }

  @Test("A copied row is the decoded row", arguments: weightTypes)
  func copiedRow(type: TensorType) throws {
    let matrix = StoredMatrix(type, rows: 5, columns: 512, seed: 41)
    let values = matrix.values
    for level in KernelLevel.available {
      let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: 1), level: level)
      for row in 0..<5 {
        var out = [Float](repeating: 0, count: 512)
        let weights = try matrix.weights()
        do {
          out.withUnsafeMutableBufferPointer {
            if let to = $0.baseAddress { engine.copyRow(weights, row: row, into: to) }
          }
        }
        #expect(
          firstDifference(out, Array(values[row * 512..<(row + 1) * 512])) == nil, "\(level) row \(row)")
      }
    }
  }
}
