import BlockQuantization
import CQuantKernels
import TensorCompute
import TensorTypes
import TestSupport
import Testing

/// Threads' shares of products, and what threads take of each other's.
@Suite("Products: shares of threads")
struct BandShareTests {
  /// Several matrices of different types and lengths, and tokens as kernels want them.
  private final class Work {
    var bands: [cdk_band] = []
    var stepCount: UInt32 = 0
    let output: UnsafeMutableBufferPointer<Float>
    private var matrices: [StoredMatrix] = []
    private var owned: [UnsafeMutableRawPointer] = []

    init(_ kernels: cdk_kernels, parts: [(type: TensorType, rows: Int, tokens: Int)], columns: Int) {
      output = .allocate(capacity: parts.reduce(0) { $0 + $1.rows * $1.tokens })
      output.initialize(repeating: .nan)
      var place = 0
      for (index, part) in parts.enumerated() {
        let matrix = StoredMatrix(part.type, rows: part.rows, columns: columns, seed: UInt64(index + 1))
        matrices.append(matrix)
        let x = activations(part.tokens, columns, seed: UInt64(index + 70))
        let tokens = room(cdk_token.self, part.tokens)
        for token in 0..<part.tokens {
          let (codes, biased) = (room(Int8.self, columns), room(UInt8.self, columns))
          let (sums, scales) = (room(Int16.self, columns), room(Float.self, columns))
          let quantize = part.type.blockLength == 256 ? kernels.quantize_256 : kernels.quantize_32
          quantize?(Array(x[token * columns..<(token + 1) * columns]), columns, codes, biased, sums, scales)
          tokens[token] = cdk_token(
            codes: codes, biased: biased, sums: sums, scales: scales,
            y: output.baseAddress.map { $0 + place + token * part.rows })
        }
        let bytes = room(UInt8.self, matrix.bytes.count)
        bytes.update(from: matrix.bytes, count: matrix.bytes.count)
        bands.append(
          cdk_band(
            type: Int32(part.type.rawValue), weights: bytes, row_bytes: matrix.bytes.count / part.rows,
            first_row: 0, rows: part.rows, columns: columns, tokens: tokens, token_count: part.tokens,
            first_step: stepCount))
        stepCount += cdk_steps_of(part.rows, part.tokens)
        place += part.rows * part.tokens
      }
    }

    deinit {
      output.deallocate()
      for pointer in owned { pointer.deallocate() }
    }

    private func room<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
      let pointer = UnsafeMutablePointer<T>.allocate(capacity: count)
      owned.append(UnsafeMutableRawPointer(pointer))
      return pointer
    }

    /// The results as numbers that can be compared, with shares that end at `ends`, done in the order of `turns`.
    func results(_ kernels: cdk_kernels, ends: [UInt32], turns: [Int]) -> [UInt32] {
      output.update(repeating: .nan)
      let stride = Int(CDK_SHARE_STRIDE)
      var shares = [UInt64](repeating: 0, count: ends.count * stride)
      for share in ends.indices {
        shares[share * stride] = cdk_share(share == 0 ? 0 : ends[share - 1], ends[share])
      }
      for turn in turns { kernels.multiply_bands?(bands, &shares, ends.count, turn) }
      return output.map(\.bitPattern)
    }
  }

  /// Rows that are whole steps, whole tiles, and neither; few tokens and many.
  private static let parts: [(type: TensorType, rows: Int, tokens: Int)] = [
    (.q4_K, 100, 1), (.q6_K, 24, 1), (.q4_K, 7, 2), (.q8_0, 65, 1), (.q4_K, 40, 3), (.q5_0, 48, 2),
    (.iq4_xs, 1, 1), (.q4_K, 160, 1),
  ]

  @Test(
    "whoever does the steps, in whatever order, results are the same",
    arguments: (0..<Int32(CQK_LEVEL_COUNT)).filter { cqk_level_available($0) }, [256, 768])
  func anyOrder(level: Int32, columns: Int) throws {
    let kernels = try #require(cdk_kernels_of(level)).pointee
    let portable = try #require(cdk_kernels_of(Int32(CQK_LEVEL_PORTABLE))).pointee
    let definition = Work(portable, parts: Self.parts, columns: columns)
    let expected = definition.results(portable, ends: [definition.stepCount], turns: [0])
    #expect(!expected.contains { Float(bitPattern: $0).isNaN })
    let work = Work(kernels, parts: Self.parts, columns: columns)
    var random = SeededGenerator(seed: UInt64(columns))
    #expect(work.results(kernels, ends: [work.stepCount], turns: [0]) == expected)
    for count in 1...6 {
      // Shares may be empty; the first one to come does its own and takes all others.
      let ends =
        (1..<max(count, 1)).map { _ in UInt32(truncatingIfNeeded: random.next() % UInt64(work.stepCount + 1))
        }
        .sorted() + [work.stepCount]
      for turns in [Array(0..<count), (0..<count).reversed()] {
        #expect(
          work.results(kernels, ends: ends, turns: turns) == expected, "shares end at \(ends), turns \(turns)"
        )
      }
    }
  }

  @Test("threads that take from each other do every step once", arguments: [2, 3, 5])
  func threads(count: Int) throws {
    let matrices = (0..<9).map { StoredMatrix(.q4_K, rows: 50 + 31 * $0, columns: 256, seed: UInt64($0)) }
    let x = activations(1, 256, seed: 3)
    func products(_ threads: Int) throws -> [[UInt32]] {
      let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: threads))
      let outputs = matrices.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0.rows) }
      defer { for output in outputs { output.deallocate() } }
      for output in outputs { output.initialize(repeating: .nan) }
      let weights = try matrices.map { try $0.weights() }
      try x.withUnsafeBufferPointer { x in
        engine.multiply(
          weights, x: try #require(x.baseAddress), tokens: 1, into: outputs.compactMap(\.baseAddress))
      }
      return outputs.map { $0.map(\.bitPattern) }
    }
    let expected = try products(1)
    for _ in 0..<20 { #expect(try products(count) == expected) }
  }
}
