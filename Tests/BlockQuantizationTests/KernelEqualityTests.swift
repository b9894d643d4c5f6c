import BlockQuantization
import TensorTypes
import TestSupport
import Testing

@Suite("Kernels against the readable definition")
struct KernelEqualityTests {
  /// Three rows of three super-blocks fill no number of lanes evenly.
  static let rowLength = 768
  static let rowCount = 3

  @Test("Every level gives the same bytes", arguments: blockTypes, ValueDistribution.allCases)
  func sameBytes(type: TensorType, distribution: ValueDistribution) {
    var generator = SeededGenerator(
      seed: UInt64(type.rawValue) << 8 | UInt64(distribution.rawValue.utf8.count))
    let rows = distribution.values(Self.rowCount * Self.rowLength, &generator)
    for kind in WeightDistribution.chosen(for: distribution) {
      let importance = kind.weights(Self.rowLength, &generator)
      let expected = PlainBlockQuantizer.quantize(
        type, rows: rows, rowLength: Self.rowLength, importance: importance)
      for level in KernelLevel.available {
        let bytes = kernelBytes(type, rows, rowLength: Self.rowLength, importance: importance, level: level)
        let difference = firstDifference(expected, bytes)
        #expect(difference == nil, "\(level), weights \(kind), block of \(type.blockByteCount) bytes")
      }
    }
  }

  @Test("Any number of blocks", arguments: blockTypes)
  func awkwardCounts(type: TensorType) {
    var generator = SeededGenerator(seed: 99)
    for rowCount in [1, 2, 5, 8, 17, 33] {
      let rows = ValueDistribution.normal.values(rowCount * type.blockLength, &generator)
      let importance = WeightDistribution.random.weights(type.blockLength, &generator)
      for weights in [nil, importance] {
        let expected = PlainBlockQuantizer.quantize(
          type, rows: rows, rowLength: type.blockLength, importance: weights)
        for level in KernelLevel.available {
          let bytes = kernelBytes(type, rows, rowLength: type.blockLength, importance: weights, level: level)
          #expect(firstDifference(expected, bytes) == nil, "\(level), \(rowCount) rows")
        }
      }
    }
  }

  @Test("Work can be cut between rows", arguments: blockTypes)
  func cutting(type: TensorType) {
    var generator = SeededGenerator(seed: 5)
    let rows = ValueDistribution.wideBlocks.values(7 * 512, &generator)
    let importance = WeightDistribution.withZeros.weights(512, &generator)
    let whole = kernelBytes(type, rows, rowLength: 512, importance: importance, level: .current)
    let parts = (0..<7).flatMap {
      kernelBytes(
        type, Array(rows[$0 * 512..<($0 + 1) * 512]), rowLength: 512, importance: importance, level: .current)
    }
    #expect(firstDifference(whole, parts) == nil)
  }

  @Test("Decoding gives the same floats", arguments: blockTypes)
  func sameValues(type: TensorType) {
    var generator = SeededGenerator(seed: UInt64(type.rawValue))
    // Random bytes reach every code, every scale, and scales that are not finite.
    let bytes = (0..<type.blockByteCount * 40).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let expected = PlainBlockQuantizer.dequantize(type, bytes: bytes).map {
      $0.isNaN ? 0x7FC0_0000 : $0.bitPattern
    }
    for level in KernelLevel.available {
      let values = kernelValues(type, bytes, rowLength: type.blockLength, level: level)
      #expect(
        firstDifference(expected, values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern }) == nil, "\(level)")
    }
  }

  /// Decoding undoes encoding up to the error of a uniform quantizer.
  ///
  /// A uniform quantizer of step s has errors up to s / 2. `steps` is how many steps span the range of a block;
  /// twice the error that this predicts leaves room for scales that are themselves quantized.
  @Test(
    "Decoded values are near the originals",
    arguments: [
      (TensorType.q8_0, 255), (.q4_0, 15), (.q4_1, 15), (.q5_0, 31), (.q5_1, 31), (.q2_K, 3), (.q3_K, 7),
      (.q4_K, 15), (.q5_K, 31), (.q6_K, 63), (.iq4_nl, 10), (.iq4_xs, 10), (.mxfp4, 6),
    ] as [(TensorType, Float)])
  func roundTrip(type: TensorType, steps: Float) {
    var generator = SeededGenerator(seed: 3)
    let rows = ValueDistribution.normal.values(4 * 512, &generator)
    let bytes = kernelBytes(type, rows, rowLength: 512, level: .current)
    let values = kernelValues(type, bytes, rowLength: 512, level: .current)
    let squares = zip(rows, values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    // 32 normal values span about 4.5 on average; a uniform error has the standard deviation step / sqrt(12).
    let expected = 5.5 / steps / Float(12).squareRoot()
    #expect((squares / Float(rows.count)).squareRoot() < 2 * expected)
  }
}
