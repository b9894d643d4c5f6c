import TensorAssembly
import TensorTypes
import TestSupport
import Testing

/// What a feed says, value by value, as its documentation puts it: the plain twin of the assembler.
private struct PlainFeed {
  var feed: TensorFeed
  var rowLength: Int
  /// The values of each source, before scales.
  var sources: [[Float]]
  var scales: [[Float]]

  func value(row: Int, column: Int) -> Float {
    var row = row
    var index = 0
    while row >= feed.runs[index].rowCount {
      row -= feed.runs[index].rowCount
      index += 1
    }
    let run = feed.runs[index]
    var column = column
    if case .blocks(let width, let order) = feed.columns {
      column = order[column / width] * width + column % width
    }
    let place = run.sourceRow(at: row) * rowLength + column
    var value = sources[run.source][place]
    if let scale = run.scale {
      value *=
        scales[scale.source][scale.index(row: run.sourceRow(at: row), column: column, rowLength: rowLength)]
    }
    switch feed.operation {
    case .identity: return value
    case .addOne: return value + 1
    case .negateExponential:
      preconditionFailure("not among the feeds here, since its exponential is not Swift's")
    }
  }

  var rowCount: Int { feed.runs.reduce(0) { $0 + $1.rowCount } }

  var values: [Float] {
    (0..<rowCount).flatMap { row in (0..<rowLength).map { value(row: row, column: $0) } }
  }
}

@Suite struct RowAssemblerTests {
  private static let rowLength = 24
  private static let sourceRows = 32

  /// Small values that bf16 holds exactly.
  private static func values(_ generator: inout SeededGenerator) -> [Float] {
    (0..<(sourceRows * rowLength)).map { _ in Float(Int.random(in: -120...120, using: &generator)) / 64 }
  }

  private static func bytes(_ values: [Float], _ type: ElementType) -> [UInt8] {
    values.flatMap { value -> [UInt8] in
      switch type {
      case .bf16: withUnsafeBytes(of: UInt16(value.bitPattern >> 16).littleEndian, Array.init)
      case .f64: withUnsafeBytes(of: Double(value).bitPattern.littleEndian, Array.init)
      default: withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
      }
    }
  }

  private static func feed(_ generator: inout SeededGenerator) -> TensorFeed {
    var runs: [RowRun] = []
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      let isPaired = Bool.random(using: &generator)
      let first = Int.random(in: 0..<16, using: &generator)
      // Whole heads of 8 rows where rows are paired.
      let count =
        isPaired ? 8 * Int.random(in: 1...2, using: &generator) : Int.random(in: 1...16, using: &generator)
      runs.append(
        RowRun(
          source: Int.random(in: 0..<2, using: &generator), firstRow: first, rowCount: count,
          order: isPaired ? .pairHalves(headDim: 8) : .identity,
          scale: Int.random(in: 0..<3, using: &generator) == 0
            ? BlockScale(source: 2, blockRows: 5, blockColumns: 7, matrixRows: 16) : nil))
    }
    let columns: ColumnOrder =
      Bool.random(using: &generator)
      ? .identity : .blocks(width: 4, order: Array(0..<6).shuffled(using: &generator))
    return TensorFeed(
      runs: runs, columns: columns, operation: Bool.random(using: &generator) ? .identity : .addOne)
  }

  @Test(arguments: [ElementType.bf16, .f32, .f64])
  func copiesEqualThePlainTwin(_ type: ElementType) throws {
    var generator = SeededGenerator(seed: 11)
    var placed = 0
    for round in 0..<200 {
      let values = [Self.values(&generator), Self.values(&generator)]
      // Two matrices of 16 rows: 4 blocks of 5 rows each, 4 of 7 columns.
      let scales = (0..<32).map { _ in Float(Int.random(in: 1...64, using: &generator)) / 16 }
      let feed = Self.feed(&generator)
      let plain = PlainFeed(feed: feed, rowLength: Self.rowLength, sources: values, scales: [[], [], scales])
      let stored = values.map { Self.bytes($0, type) }
      var table = ScaleTable()
      try Self.bytes(scales, .f32).withUnsafeBytes {
        try table.add(source: 2, encoding: .element(.f32), bytes: $0)
      }
      let first = Int.random(in: 0..<plain.rowCount, using: &generator)
      let rows = first..<Int.random(in: (first + 1)...plain.rowCount, using: &generator)
      let expected = Array(
        plain.values[(rows.lowerBound * Self.rowLength)..<(rows.upperBound * Self.rowLength)])
      try stored[0].withUnsafeBytes { zero in
        try stored[1].withUnsafeBytes { one in
          let sources = feed.runs.map {
            FeedRows.Source(encoding: .element(type), bytes: $0.source == 0 ? zero : one)
          }
          let feedRows = FeedRows(feed, rowLength: Self.rowLength, sources: sources, scales: table)
          let copy = try Self.copy(feedRows, rows)
          #expect(
            copy == Self.bytes(expected, feedRows.copyType == .bf16 ? .bf16 : .f32), "round \(round), \(feed)"
          )
          if let place = feedRows.place(of: rows) {
            placed += 1
            #expect(Array(place.bytes) == Self.bytes(expected, type), "round \(round), \(feed)")
          }
        }
      }
    }
    // Rows without any change are used where they lie, but for a type that matrices cannot have.
    #expect((placed > 0) == (type != .f64))
  }

  private static func copy(_ feedRows: FeedRows, _ rows: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: rows.count * rowLength * feedRows.copyType.blockByteCount)
    try bytes.withUnsafeMutableBytes { try feedRows.copy(rows, into: $0) }
    return bytes
  }

  @Test func aBadValueIsFoundInAnyStep() throws {
    // Longer than one step, so that the bad value lies in a later one.
    let rowLength = 1000
    var values = [Float](repeating: 0.5, count: 100 * rowLength)
    values[77 * rowLength + 13] = .infinity
    let stored = values.flatMap { withUnsafeBytes(of: Double($0).bitPattern.littleEndian, Array.init) }
    let feed = TensorFeed(runs: [
      RowRun(source: 0, firstRow: 90, rowCount: 10), RowRun(source: 0, firstRow: 0, rowCount: 100),
    ])
    var bytes = [UInt8](repeating: 0, count: 105 * rowLength * 4)
    let error = #expect(throws: BadValue.self) {
      try stored.withUnsafeBytes { source in
        let sources = feed.runs.map { _ in FeedRows.Source(encoding: .element(.f64), bytes: source) }
        let rows = FeedRows(feed, rowLength: rowLength, sources: sources, scales: ScaleTable())
        try bytes.withUnsafeMutableBytes { try rows.copy(5..<110, into: $0) }
      }
    }
    #expect(error?.row == 77 + 5 && error?.column == 13 && error?.value == .infinity)
    #expect(error?.origin == .source)
  }

  @Test func anOperationThatLeavesTheRangeIsToldApart() throws {
    let stored = [Float(1), 100, 2].flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
    let feed = TensorFeed(
      runs: [RowRun(source: 0, firstRow: 0, rowCount: 3)], operation: .negateExponential)
    var bytes = [UInt8](repeating: 0, count: 12)
    let error = #expect(throws: BadValue.self) {
      try stored.withUnsafeBytes { source in
        let sources = [FeedRows.Source(encoding: .element(.f32), bytes: source)]
        let rows = FeedRows(feed, rowLength: 1, sources: sources, scales: ScaleTable())
        try bytes.withUnsafeMutableBytes { try rows.copy(0..<3, into: $0) }
      }
    }
    #expect(error?.row == 1 && error?.origin == .operation)
  }
}
