internal import FileBytes

/// The rows that an earlier run finished, after their bytes were read back and compared with the journal.
struct FinishedRows: Sendable {
  /// Verified, sorted, disjoint ranges for each tensor index.
  private let ranges: [Int: [Range<Int>]]
  /// The records of these rows, each once: rows that were made again after a power failure have two.
  let records: [TileRecord]

  /// Verifies `records` against the partial files.
  ///
  /// A record whose bytes are not on disk, for example after a power failure, is dropped and its rows are made
  /// again.
  init(records: [TileRecord], plan: ConversionPlan, outputs: [WritableFile], threadCount: Int) throws {
    let isVerified = try parallelMap(count: records.count, threadCount: threadCount) {
      try Self.verify(records[$0], plan: plan, outputs: outputs)
    }
    var byTensor: [Int: [Range<Int>]] = [:]
    self.records = Array(Set(zip(records, isVerified).filter(\.1).map(\.0)))
    for record in self.records {
      byTensor[record.tensor, default: []].append(record.firstRow..<(record.firstRow + record.rowCount))
    }
    ranges = byTensor.mapValues { $0.merged() }
  }

  private static func verify(
    _ record: TileRecord, plan: ConversionPlan, outputs: [WritableFile]
  ) throws -> Bool {
    guard plan.tensors.indices.contains(record.tensor) else { return false }
    let tensor = plan.tensors[record.tensor]
    guard record.rowCount > 0, record.firstRow >= 0, record.rowCount <= tensor.rowCount,
      record.firstRow <= tensor.rowCount - record.rowCount
    else { return false }
    let count = record.rowCount * tensor.rowByteCount
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer { buffer.deallocate() }
    guard
      try outputs[tensor.file].read(
        at: tensor.offset + record.firstRow * tensor.rowByteCount, into: buffer)
    else { return false }
    return XXHash64.hash(UnsafeRawBufferPointer(buffer)) == record.hash
  }

  /// The rows of a tensor that are still to be made.
  func missingRows(of tensor: Int, rowCount: Int) -> [Range<Int>] {
    [0..<rowCount].subtracting(ranges[tensor] ?? [])
  }

  /// The number of finished rows of a tensor.
  func finishedRowCount(of tensor: Int) -> Int { (ranges[tensor] ?? []).reduce(0) { $0 + $1.count } }
}
