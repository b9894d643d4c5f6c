internal import FileBytes

/// What a part of a calibration run has finished, as its state keeps it.
///
/// Content of sums: u8 0, u32 window, the matrix's name as u32 byte count and text, u32 columns, u64 place in the file of
/// sums, u64 XXH64 of the bytes there, u32 matrices, and i64 rows that each of them saw. The file of sums holds for each
/// matrix with rows f32 sums of squares, as many as columns; matrices with the same input have the same place. Content of
/// a finished window: u8 1, u32 window, u32 scored positions, f64 surprise of each.
enum WindowSumsRecord: ResumeRecord {
  case sums(WindowSums)
  case finished(window: Int, surprises: [Double])

  init?(decoding cursor: inout ByteCursor) {
    guard let kind: UInt8 = cursor.read(), let window: UInt32 = cursor.read() else { return nil }
    switch kind {
    case 0:
      guard let name = cursor.readText(), let columns: UInt32 = cursor.read(),
        let offset = cursor.read(UInt64.self).flatMap(Int.init(exactly:)), let hash: UInt64 = cursor.read(),
        let matrices: UInt32 = cursor.read(), cursor.remaining == 8 * Int(matrices)
      else { return nil }
      let counts = (0..<matrices).compactMap { _ in cursor.read(UInt64.self).flatMap(Int64.init(exactly:)) }
      guard counts.count == Int(matrices) else { return nil }
      self = .sums(
        WindowSums(
          window: Int(window), name: name, columns: Int(columns), counts: counts, offset: offset, hash: hash))
    case 1:
      guard let count: UInt32 = cursor.read(), cursor.remaining == 8 * Int(count) else { return nil }
      self = .finished(
        window: Int(window),
        surprises: (0..<count).compactMap { _ in cursor.read(UInt64.self).map(Double.init(bitPattern:)) })
    default: return nil
    }
  }

  func encode(into bytes: inout [UInt8]) {
    switch self {
    case .sums(let sums):
      bytes.append(0)
      bytes.appendLittleEndian(UInt32(clamping: sums.window))
      bytes.appendText(sums.name)
      bytes.appendLittleEndian(UInt32(clamping: sums.columns))
      bytes.appendLittleEndian(UInt64(sums.offset))
      bytes.appendLittleEndian(sums.hash)
      bytes.appendLittleEndian(UInt32(clamping: sums.counts.count))
      for count in sums.counts { bytes.appendLittleEndian(UInt64(clamping: count)) }
    case .finished(let window, let surprises):
      bytes.append(1)
      bytes.appendLittleEndian(UInt32(clamping: window))
      bytes.appendLittleEndian(UInt32(clamping: surprises.count))
      for surprise in surprises { bytes.appendLittleEndian(surprise.bitPattern) }
    }
  }
}

/// Where the sums of a window at the input of some matrices are.
struct WindowSums: Hashable, Sendable {
  var window: Int
  var name: String
  var columns: Int
  /// The rows that each matrix saw; those without any have no sums.
  var counts: [Int64]
  var offset: Int
  var hash: UInt64

  /// Bytes of the sums; `nil` for numbers that no file holds.
  var byteCount: Int? {
    let values = columns.multipliedReportingOverflow(by: 4 * counts.count { $0 > 0 })
    guard !values.overflow, !offset.addingReportingOverflow(values.partialValue).overflow else { return nil }
    return values.partialValue
  }
}
