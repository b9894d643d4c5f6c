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
  ///
  /// - Parameters:
  ///   - records: The records.
  ///   - plan: The plan.
  ///   - outputs: The partial files; `nil` for those that nothing is wanted of.
  ///   - threadCount: Threads that read.
  ///   - onVerified: Called with the bytes of every record, from any thread.
  /// - Throws: `FileError`.
  init(
    records: [TileRecord], plan: ConversionPlan, outputs: [WritableFile?], threadCount: Int,
    onVerified: @Sendable (_ byteCount: Int) -> Void = { _ in }
  ) throws {
    let isVerified = try parallelMap(count: records.count, threadCount: threadCount) { index in
      let record = records[index]
      let isVerified = try Self.verify(record, plan: plan, outputs: outputs)
      if isVerified { onVerified(record.rowCount * plan.tensors[record.tensor].rowByteCount) }
      return isVerified
    }
    var byTensor: [Int: [Range<Int>]] = [:]
    self.records = Array(Set(zip(records, isVerified).filter(\.1).map(\.0)))
    for record in self.records {
      byTensor[record.tensor, default: []].append(record.firstRow..<(record.firstRow + record.rowCount))
    }
    ranges = byTensor.mapValues { $0.merged() }
  }

  private static func verify(
    _ record: TileRecord, plan: ConversionPlan, outputs: [WritableFile?]
  ) throws -> Bool {
    guard plan.tensors.indices.contains(record.tensor) else { return false }
    let tensor = plan.tensors[record.tensor]
    guard record.rowCount > 0, record.firstRow >= 0, record.rowCount <= tensor.rowCount,
      record.firstRow <= tensor.rowCount - record.rowCount
    else { return false }
    let count = record.rowCount * tensor.rowByteCount
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer { buffer.deallocate() }
    var place = 0
    for part in tensor.parts {
      guard let output = outputs[part.file] else { return false }
      let bytes = UnsafeMutableRawBufferPointer(
        rebasing: buffer[place..<(place + record.rowCount * part.rowByteCount)])
      guard try output.read(at: part.offset + record.firstRow * part.rowByteCount, into: bytes) else {
        return false
      }
      place += bytes.count
    }
    return XXHash64.hash(UnsafeRawBufferPointer(buffer)) == record.hash
  }

  /// Those of some rows of a tensor that are still to be made.
  func missing(_ rows: [Range<Int>], of tensor: Int) -> [Range<Int>] {
    rows.subtracting(ranges[tensor] ?? [])
  }

  /// The number of finished rows of a tensor.
  func finishedRowCount(of tensor: Int) -> Int { (ranges[tensor] ?? []).reduce(0) { $0 + $1.count } }
}
