import BlockQuantization
import TensorAssembly
import TensorTypes
import TestSupport
import Testing

/// Rows that MLX stores in groups: codes, scales and biases apart.
@Suite struct GroupRowsTests {
  private static let (rowLength, rowCount) = (256, 6)

  @Test("Rows are the products and sums of what they are stored as", arguments: GroupFormat.all)
  func rows(format: GroupFormat) throws {
    var generator = SeededGenerator(seed: UInt64(format.bits * format.groupSize))
    let values = (0..<(Self.rowCount * Self.rowLength)).map { _ in
      Float.random(in: -1...1, using: &generator)
    }
    let parts = PlainGroups.quantize(format, type: .f32, values: values)
    let expected = PlainGroups.dequantize(format, type: .f32, parts)
    let scaleType: ElementType =
      switch format.mode {
      case .affine: .f32
      case .mxfp4: .f8E8M0
      case .nvfp4: .f8E4M3
      }
    let scale = BlockScale(
      source: 1, blockRows: 1, blockColumns: format.groupSize, matrixRows: Self.rowCount,
      bias: format.hasBiases ? 2 : nil)
    // Rows in an order of their own, and from the middle on.
    let run = RowRun(source: 0, firstRow: 2, rowCount: 4, order: .pairHalves(headDim: 4), scale: scale)
    let feed = TensorFeed(runs: [run])
    let wanted = (1..<4).flatMap { row -> [Float] in
      let first = run.sourceRow(at: row) * Self.rowLength
      return Array(expected[first..<(first + Self.rowLength)])
    }
    let made = try parts.codes.withUnsafeBytes { codes in
      try parts.scales.withUnsafeBytes { scales in
        try parts.biases.withUnsafeBytes { biases in
          let source = FeedRows.Source(
            encoding: .codes(format.mode == .affine ? .integers(bits: format.bits) : .e2m1), bytes: codes,
            scales: StoredRows.Scales(
              type: scaleType, bytes: scales, biases: format.hasBiases ? biases : nil))
          let rows = FeedRows(feed, rowLength: Self.rowLength, sources: [source], scales: ScaleTable())
          #expect(rows.sourceBytes(of: 0..<4).count == (format.hasBiases ? 3 : 2))
          guard rows.copyType == .f32 else {
            #expect(rows.copyType == .mxfp4 && format.mode == .mxfp4)
            return wanted
          }
          var made = [Float](repeating: 0, count: wanted.count)
          try made.withUnsafeMutableBytes { try rows.copy(1..<4, into: $0) }
          return made
        }
      }
    }
    #expect(made == wanted)
  }
}
