import TensorAssembly
import TensorTypes
import TestSupport
import Testing

/// Rows that are columns of their source, against a plain index computation.
@Suite("Rows that are columns of the source")
struct ColumnRunTests {
  /// Sources, scales and a feed of them.
  private struct Case {
    var type: ElementType
    var rowLength: Int
    var feed: TensorFeed
    /// The bytes of each source: 0 of the type, 1 as well, 2 the scales.
    var sources: [[UInt8]]

    var rowCount: Int { feed.runs.reduce(0) { $0 + $1.rowCount } }

    private func position(row: Int, column: Int) -> (run: RowRun, element: Int) {
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
      if case .columns(let firstElement, let stride, let step) = run.order {
        return (run, firstElement + column * stride + row * step)
      }
      return (run, (run.firstRow + row) * rowLength + column)
    }

    /// The stored bytes of a value.
    func code(row: Int, column: Int) -> ArraySlice<UInt8> {
      let (run, element) = position(row: row, column: column)
      let size = type.bitCount / 8
      return sources[run.source][(element * size)..<((element + 1) * size)]
    }

    /// A value, with scale and operation.
    func value(row: Int, column: Int) -> Float {
      let (run, element) = position(row: row, column: column)
      var value = ElementCodes.value(type, code(row: row, column: column))
      if let scale = run.scale {
        var length = rowLength
        if case .columns(_, let stride, _) = run.order { length = stride }
        let index = scale.index(row: element / length, column: element % length, rowLength: length)
        value *= ElementCodes.value(.f32, sources[2][(4 * index)..<(4 * index + 4)])
      }
      return feed.operation == .addOne ? value + 1 : value
    }
  }

  private static func makeCase(
    _ type: ElementType, isScaled: Bool, blockSize: Int, _ generator: inout SeededGenerator
  ) -> Case {
    // Rows beyond the pieces in which columns are moved, and beyond a step.
    let rowLength = Int.random(
      in: 1...(Int.random(in: 0..<8, using: &generator) == 0 ? 700 : 40), using: &generator)
    let stride = Int.random(
      in: 1...(Int.random(in: 0..<8, using: &generator) == 0 ? 300 : 40), using: &generator)
    // A stack of matrices of `rowLength` rows: source rows of `stride` values.
    let matrixCount = Int.random(in: 1...3, using: &generator)
    // Runs start and end anywhere in the matrices whose rows share scales.
    let rowCount = matrixCount * rowLength
    let matrixRows =
      Bool.random(using: &generator) ? rowLength : Int.random(in: 1...rowCount, using: &generator)
    let scale =
      isScaled
      ? BlockScale(source: 2, blockRows: blockSize, blockColumns: blockSize, matrixRows: matrixRows) : nil
    var runs: [RowRun] = []
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      if Bool.random(using: &generator) {
        let matrix = Int.random(in: 0..<matrixCount, using: &generator)
        let first = Int.random(in: 0..<stride, using: &generator)
        let step = Int.random(in: 1...3, using: &generator)
        runs.append(
          RowRun(
            source: 0, firstRow: 0,
            rowCount: Int.random(in: 1...((stride - first - 1) / step + 1), using: &generator),
            order: .columns(
              firstElement: matrix * rowLength * stride + first, stride: stride, step: step), scale: scale))
      } else {
        let first = Int.random(in: 0..<20, using: &generator)
        runs.append(
          RowRun(source: 1, firstRow: first, rowCount: Int.random(in: 1...(20 - first), using: &generator)))
      }
    }
    var columns = ColumnOrder.identity
    if rowLength % 4 == 0, Bool.random(using: &generator) {
      columns = .blocks(width: 4, order: Array(0..<(rowLength / 4)).shuffled(using: &generator))
    }
    func elements(_ count: Int) -> [UInt8] {
      (0..<count).flatMap { _ in ElementCodes.random(type, &generator) }
    }
    let blocks = { ($0 + blockSize - 1) / blockSize }
    let scales = (0..<((rowCount + matrixRows - 1) / matrixRows * blocks(matrixRows) * blocks(stride)))
      .flatMap { _ in
        ElementCodes.f32(Float(Int.random(in: 1...64, using: &generator)) / 16)
      }
    return Case(
      type: type, rowLength: rowLength,
      feed: TensorFeed(
        runs: runs, columns: columns,
        operation: Int.random(in: 0..<4, using: &generator) == 0 ? .addOne : .identity),
      sources: [elements(matrixCount * rowLength * stride), elements(20 * rowLength), scales])
  }

  private static func copy(_ test: Case, _ rows: Range<Int>) throws -> (type: TensorType, bytes: [UInt8]) {
    var table = ScaleTable()
    try test.sources[2].withUnsafeBytes { try table.add(source: 2, encoding: .element(.f32), bytes: $0) }
    return try test.sources[0].withUnsafeBytes { zero in
      try test.sources[1].withUnsafeBytes { one in
        let feedRows = FeedRows(
          test.feed, rowLength: test.rowLength,
          sources: test.feed.runs.map {
            FeedRows.Source(encoding: .element(test.type), bytes: $0.source == 0 ? zero : one)
          }, scales: table)
        if test.feed.runs.contains(where: { $0.order != .identity }), test.feed.runs.count == 1 {
          #expect(feedRows.place(of: rows) == nil)
        }
        var bytes = [UInt8](
          repeating: 0, count: rows.count * test.rowLength * feedRows.copyType.blockByteCount)
        try bytes.withUnsafeMutableBytes { try feedRows.copy(rows, into: $0) }
        return (feedRows.copyType, bytes)
      }
    }
  }

  static let types: [ElementType] = [.bf16, .f16, .f32, .f64, .f8E4M3, .f8E5M2]

  @Test("values are those of a plain index computation", arguments: types, [nil, 128, 5])
  func values(type: ElementType, blockSize: Int?) throws {
    var generator = SeededGenerator(seed: UInt64(type.bitCount * 1000 + (blockSize ?? 0)))
    var moved = 0
    for round in 0..<150 {
      let test = Self.makeCase(
        type, isScaled: blockSize != nil, blockSize: blockSize ?? 128, &generator)
      let first = Int.random(in: 0..<test.rowCount, using: &generator)
      let rows = first..<Int.random(in: (first + 1)...test.rowCount, using: &generator)
      let (copyType, bytes) = try Self.copy(test, rows)
      var expected: [UInt8] = []
      for row in rows {
        for column in 0..<test.rowLength {
          expected +=
            copyType == .f32
            ? ElementCodes.f32(test.value(row: row, column: column))
            : Array(test.code(row: row, column: column))
        }
      }
      if copyType != .f32 { moved += 1 }
      let difference = zip(bytes, expected).enumerated().first { $0.element.0 != $0.element.1 }
      #expect(
        bytes.count == expected.count && difference == nil,
        "round \(round), byte \(difference?.offset ?? -1), rows of \(test.rowLength), \(test.feed)")
    }
    // 16-bit values that only change their places keep their type.
    #expect((moved > 0) == ([.bf16, .f16].contains(type)))
  }

  @Test("16-bit values are moved bit for bit, whatever they are", arguments: [ElementType.bf16, .f16])
  func anyBits(type: ElementType) throws {
    let (rowLength, stride) = (300, 70)
    var generator = SeededGenerator(seed: 3)
    let source = (0..<(2 * rowLength * stride)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let test = Case(
      type: type, rowLength: rowLength,
      feed: TensorFeed(runs: [
        RowRun(source: 0, firstRow: 0, rowCount: 50, order: .columns(firstElement: 11, stride: stride))
      ]), sources: [source, [], []])
    let (copyType, bytes) = try Self.copy(test, 3..<47)
    #expect(copyType == (type == .bf16 ? .bf16 : .f16))
    let expected = (3..<47).flatMap { row in (0..<rowLength).flatMap { test.code(row: row, column: $0) } }
    #expect(bytes == expected)
  }

  @Test("a bad value is found with its row")
  func badValue() throws {
    let (rowLength, stride) = (500, 90)
    var source = [UInt8](repeating: 0, count: rowLength * stride * 8)
    let bits = withUnsafeBytes(of: Double.infinity.bitPattern.littleEndian, Array.init)
    let element = 321 * stride + 75
    source.replaceSubrange((element * 8)..<(element * 8 + 8), with: bits)
    let run = RowRun(source: 0, firstRow: 0, rowCount: 85, order: .columns(firstElement: 5, stride: stride))
    let test = Case(
      type: .f64, rowLength: rowLength, feed: TensorFeed(runs: [run]), sources: [source, [], []])
    let error = #expect(throws: BadValue.self) { try Self.copy(test, 2..<85) }
    #expect(error?.row == 68 && error?.column == 321 && error?.value == .infinity)
    let place = run.sourcePlace(row: 70, column: 321, rowLength: rowLength)
    #expect(place.row == 321 && place.column == 75)
  }

  @Test("blocks are not taken apart")
  func blocks() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.exitStatus]) {
      let bytes = [UInt8](repeating: 0, count: 34 * 64)
      bytes.withUnsafeBytes {
        let run = RowRun(source: 0, firstRow: 0, rowCount: 32, order: .columns(firstElement: 0, stride: 32))
        _ = FeedRows(
          TensorFeed(runs: [run]), rowLength: 64,
          sources: [FeedRows.Source(encoding: .block(.q8_0), bytes: $0)], scales: ScaleTable())
      }
    }
    // A trap, not an error that was thrown.
    guard case .signal = result?.exitStatus else {
      Issue.record("\(String(describing: result?.exitStatus))")
      return
    }
  }

  @Test("columns of other source rows are a mistake of the caller")
  func wrapping() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.exitStatus]) {
      _ = RowRun(source: 0, firstRow: 0, rowCount: 6, order: .columns(firstElement: 27, stride: 16))
    }
    // A trap, not an error that was thrown.
    guard case .signal = result?.exitStatus else {
      Issue.record("\(String(describing: result?.exitStatus))")
      return
    }
  }
}
