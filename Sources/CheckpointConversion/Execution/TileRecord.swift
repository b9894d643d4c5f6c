internal import FileBytes

/// Rows that are in the partial file, as the journal keeps them.
///
/// Content, all u64 little-endian: tensor index, first row, row count, XXH64 of the stored bytes, rows that became zeros
/// (high half) and rows that were zeros (low half), the largest magnitude that was lost as f32 (low half). The hash says
/// whether the bytes are there: they are read back and compared before a record is believed.
struct TileRecord: ResumeRecord, Hashable {
  var tensor: Int
  var firstRow: Int
  var rowCount: Int
  var hash: UInt64
  /// What became of these rows.
  var losses: RowLosses

  init(tensor: Int, firstRow: Int, rowCount: Int, hash: UInt64, losses: RowLosses) {
    self.tensor = tensor
    self.firstRow = firstRow
    self.rowCount = rowCount
    self.hash = hash
    self.losses = losses
  }

  init?(decoding cursor: inout ByteCursor) {
    guard let tensor = cursor.read(UInt64.self).flatMap(Int.init(exactly:)),
      let firstRow = cursor.read(UInt64.self).flatMap(Int.init(exactly:)),
      let rowCount = cursor.read(UInt64.self).flatMap(Int.init(exactly:)), let hash: UInt64 = cursor.read(),
      let lost: UInt64 = cursor.read(), let largest: UInt64 = cursor.read()
    else { return nil }
    self.init(
      tensor: tensor, firstRow: firstRow, rowCount: rowCount, hash: hash,
      losses: RowLosses(counts: lost, largest: largest))
  }

  func encode(into bytes: inout [UInt8]) {
    let (counts, largest) = losses.words
    for word in [UInt64(tensor), UInt64(firstRow), UInt64(rowCount), hash, counts, largest] {
      bytes.appendLittleEndian(word)
    }
  }
}

/// The record of finished tiles that lets a killed conversion continue.
typealias Journal = ResumeLog<TileRecord>

extension ResumeLogWords {
  /// How messages speak of a conversion's journal.
  static let journal = ResumeLogWords(name: "journal", startOver: "use \(.overwrites) to start over")
}
