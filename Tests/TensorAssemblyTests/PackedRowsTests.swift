import TensorAssembly
import TensorTypes
import TestSupport
import Testing

/// A source of codes with scales by row, made at random, with its values computed one by one.
private struct PackedSource {
  var encoding: SourceEncoding
  var rowLength: Int
  var rowCount: Int
  var scaleType: ElementType
  var group: Int
  var common: (value: Float, divides: Bool)?
  var codes: [UInt8]
  var scales: [UInt8]

  init(
    _ encoding: SourceEncoding, rowLength: Int, rowCount: Int, scaleType: ElementType, group: Int,
    common: (value: Float, divides: Bool)? = nil, _ generator: inout SeededGenerator
  ) {
    self.encoding = encoding
    self.rowLength = rowLength
    self.rowCount = rowCount
    self.scaleType = scaleType
    self.group = group
    self.common = common
    codes = (0..<(rowCount * rowLength * Self.bits(encoding) / 8)).map { _ in
      let byte = UInt8.random(in: 0...255, using: &generator)
      // No NaN among 8-bit floats.
      return encoding == .element(.f8E4M3) ? byte & 0xBF : byte
    }
    let count = rowCount * ((rowLength + group - 1) / group)
    scales = (0..<count).flatMap { _ -> [UInt8] in
      switch scaleType {
      case .f8E8M0: [UInt8.random(in: 100...150, using: &generator)]
      case .f8E4M3: [UInt8.random(in: 1..<0x7F, using: &generator)]
      case .bf16: [UInt8.random(in: 0...255, using: &generator), 0x3C]
      default: ElementCodes.f32(Float.random(in: 0.001...1, using: &generator))
      }
    }
  }

  private static func bits(_ encoding: SourceEncoding) -> Int {
    switch encoding {
    case .codes(let codes): codes == .offset8 ? 8 : 4
    default: 8
    }
  }

  /// The value of a code, as its format's documentation puts it.
  private func code(_ index: Int) -> Float {
    switch encoding {
    case .codes(.offset8): return Float(codes[index]) - 128
    case .element(.i8): return Float(Int8(bitPattern: codes[index]))
    case .element: return ElementCodes.value(.f8E4M3, [codes[index]])
    default: break
    }
    let nibble = Int(codes[index / 2] >> (index % 2 == 0 ? 0 : 4)) & 15
    guard encoding == .codes(.e2m1) else { return Float(nibble) - 8 }
    // A sign, two bits of exponent with bias 1, one bit of fraction.
    let (exponent, fraction) = (nibble >> 1 & 3, Float(nibble & 1) / 2)
    let magnitude = exponent == 0 ? fraction : (1 + fraction) * Float(1 << (exponent - 1))
    return nibble < 8 ? magnitude : -magnitude
  }

  func scale(_ index: Int) -> Float {
    switch scaleType {
    case .f8E8M0: Float(sign: .plus, exponent: Int(scales[index]) - 127, significand: 1)
    case .f8E4M3: ElementCodes.value(.f8E4M3, [scales[index]])
    case .bf16: ElementCodes.value(.bf16, scales[(2 * index)..<(2 * index + 2)])
    default: ElementCodes.value(.f32, scales[(4 * index)..<(4 * index + 4)])
    }
  }

  func value(row: Int, column: Int) -> Float {
    var factor = scale(row * ((rowLength + group - 1) / group) + column / group)
    if let common { factor = common.divides ? factor / common.value : factor * common.value }
    return code(row * rowLength + column) * factor
  }

  func block() -> BlockScale {
    BlockScale(
      source: 1, blockRows: 1, blockColumns: group, matrixRows: rowCount,
      common: common.map { BlockScale.Common(source: 2, divides: $0.divides) })
  }

  /// The rows of a feed, with scales beside them or in a table.
  func copy(_ feed: TensorFeed, _ rows: Range<Int>, byRow: Bool) throws -> (type: TensorType, bytes: [UInt8])
  {
    var table = ScaleTable()
    if !byRow {
      try scales.withUnsafeBytes { try table.add(source: 1, encoding: .element(scaleType), bytes: $0) }
    }
    if let common {
      try ElementCodes.f32(common.value).withUnsafeBytes {
        try table.add(source: 2, encoding: .element(.f32), bytes: $0)
      }
    }
    return try codes.withUnsafeBytes { codes in
      try scales.withUnsafeBytes { scales in
        let source = FeedRows.Source(
          encoding: encoding, bytes: codes,
          scales: byRow ? StoredRows.Scales(type: scaleType, bytes: scales) : nil)
        let feedRows = FeedRows(
          feed, rowLength: rowLength, sources: feed.runs.map { _ in source }, scales: table)
        #expect(feedRows.place(of: rows) == nil)
        let rowBytes = rowLength / feedRows.copyType.blockLength * feedRows.copyType.blockByteCount
        var bytes = [UInt8](repeating: 0, count: rows.count * rowBytes)
        try bytes.withUnsafeMutableBytes { try feedRows.copy(rows, into: $0) }
        return (feedRows.copyType, bytes)
      }
    }
  }
}

@Suite struct PackedRowsTests {
  private static func order(_ number: Int, rowCount: Int) -> (order: RowOrder, first: Int, count: Int) {
    switch number {
    case 0: (.identity, 3, rowCount - 3)
    case 1: (.pairHalves(headDim: 8), 0, rowCount)
    case 2: (.every(step: 2), 0, rowCount / 2)
    default: (.every(step: 2), 1, rowCount / 2)
    }
  }

  @Test(arguments: [
    (SourceEncoding.codes(.offset4), ElementType.bf16), (.codes(.offset8), .bf16), (.codes(.e2m1), .f8E4M3),
    (.codes(.e2m1), .f8E8M0), (.element(.i8), .f32), (.element(.f8E4M3), .f32),
  ])
  func rowsEqualThePlainTwin(_ encoding: SourceEncoding, _ scaleType: ElementType) throws {
    var generator = SeededGenerator(seed: 3)
    for round in 0..<80 {
      let rowLength = [64, 96, 40, 320].randomElement(using: &generator) ?? 64
      let group = [8, 16, 32, 24, rowLength].randomElement(using: &generator) ?? 32
      let common: (Float, Bool)? = round % 3 == 0 ? nil : (0.37 + Float(round), round % 3 == 1)
      let source = PackedSource(
        encoding, rowLength: rowLength, rowCount: 32, scaleType: scaleType, group: group, common: common,
        &generator)
      let (order, first, count) = Self.order(round % 4, rowCount: 32)
      let blocks = Array(0..<(rowLength / 8)).shuffled(using: &generator)
      let feed = TensorFeed(
        runs: [
          RowRun(source: 0, firstRow: first, rowCount: count, order: order, scale: source.block()),
          RowRun(source: 0, firstRow: 5, rowCount: 2, scale: source.block()),
        ],
        columns: round % 5 == 0 ? .blocks(width: 8, order: blocks) : .identity)
      let lower = Int.random(in: 0..<count, using: &generator)
      let rows = lower..<Int.random(in: (lower + 1)...(count + 2), using: &generator)
      let expected = rows.flatMap { row -> [Float] in
        let from = row < count ? feed.runs[0].sourceRow(at: row) : 5 + row - count
        return (0..<rowLength).map { column in
          let place = round % 5 == 0 ? blocks[column / 8] * 8 + column % 8 : column
          return source.value(row: from, column: place)
        }
      }
      for byRow in [true, false] {
        let (type, bytes) = try source.copy(feed, rows, byRow: byRow)
        guard type == .f32 else {
          #expect(byRow && type == .mxfp4 && group == 32 && scaleType == .f8E8M0 && common == nil)
          #expect(Self.decoded(bytes) == expected, "round \(round)")
          continue
        }
        #expect(bytes == expected.flatMap(ElementCodes.f32), "round \(round), \(feed)")
      }
    }
  }

  /// The values of MXFP4 blocks: an exponent, then codes j and j + 16 in byte j.
  private static func decoded(_ bytes: [UInt8]) -> [Float] {
    let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    return stride(from: 0, to: bytes.count, by: 17).flatMap { block -> [Float] in
      let scale = Float(sign: .plus, exponent: Int(bytes[block]) - 127, significand: 1)
      return (0..<32).map { index in
        let code = Int(bytes[block + 1 + index % 16] >> (index < 16 ? 0 : 4)) & 15
        return (code < 8 ? magnitudes[code] : -magnitudes[code - 8]) * scale
      }
    }
  }

  /// Blocks that llama.cpp's converter made of the same bytes (`transform_nibble_layout` of its gpt-oss model).
  @Test func blocksAreThoseOfTheConverter() throws {
    let codes: [UInt8] = [
      0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF,
    ]
    let run = RowRun(
      source: 0, firstRow: 0, rowCount: 1,
      scale: BlockScale(source: 1, blockRows: 1, blockColumns: 32, matrixRows: 1))
    var block = [UInt8](repeating: 0, count: 17)
    codes.withUnsafeBytes { codes in
      [UInt8(121)].withUnsafeBytes { scale in
        let rows = StoredRows(
          encoding: .codes(.e2m1), bytes: codes, scales: StoredRows.Scales(type: .f8E8M0, bytes: scale))
        block.withUnsafeMutableBytes {
          MXFP4Repacking.repack(0..<1, of: run, from: rows, rowLength: 32, into: $0)
        }
      }
    }
    #expect(
      block == [121, 16, 1, 50, 35, 84, 69, 118, 103, 152, 137, 186, 171, 220, 205, 254, 239])
  }

  @Test func scalesThatAreNoNumbersAreFound() throws {
    var generator = SeededGenerator(seed: 9)
    for scaleType in [ElementType.bf16, .f32, .f8E4M3, .f8E8M0] {
      var source = PackedSource(
        .codes(.e2m1), rowLength: 64, rowCount: 8, scaleType: scaleType, group: 32, &generator)
      // The last byte of the scale in row 5, group 1: the NaN of every one of these types.
      let size = scaleType.bitCount / 8
      let place = (5 * 2 + 1) * size
      source.scales.replaceSubrange(place..<(place + size), with: [UInt8](repeating: 0xFF, count: size))
      let feed = TensorFeed(runs: [RowRun(source: 0, firstRow: 2, rowCount: 6, scale: source.block())])
      let error = #expect(throws: BadValue.self) { try source.copy(feed, 1..<6, byRow: true) }
      #expect(error?.row == 2 && error?.column == 32 && error?.value.isNaN == true, "\(scaleType)")
      let table = #expect(throws: BadValue.self) { try source.copy(feed, 1..<6, byRow: false) }
      #expect(table?.column == 11)
    }
  }

  @Test func rowsOfARangeAreTheirSourceRows() {
    let run = RowRun(source: 0, firstRow: 7, rowCount: 10, order: .every(step: 3))
    #expect(run.sourceRows(holding: 2..<5) == 13..<20)
    #expect(run.sourceRows(holding: 4..<4) == 19..<19)
    let grouped = RowRun(source: 0, firstRow: 4, rowCount: 12, order: .every(step: 8, together: 3))
    #expect((0..<8).map(grouped.sourceRow) == [4, 5, 6, 12, 13, 14, 20, 21])
    #expect(grouped.sourceRows(holding: 1..<7) == 5..<21)
    #expect(grouped.sourceRows(holding: 3..<3) == 12..<12)
    let paired = RowRun(source: 0, firstRow: 8, rowCount: 32, order: .pairHalves(headDim: 16))
    #expect(paired.sourceRows(holding: 3..<17) == 8..<40)
    #expect(RowRun(source: 0, firstRow: 7, rowCount: 10).sourceRows(holding: 2..<5) == 9..<12)
  }
}
