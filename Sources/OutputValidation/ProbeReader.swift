internal import BlockQuantization
internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import Synchronization
internal import TensorTypes

/// Single rows of a file and of its source, for trying explanations.
struct ProbeReader {
  /// A row of a planned tensor.
  struct Row: Hashable {
    var tensor: Int
    var row: Int
  }

  let set: GGUFSplitSet
  let rows: PlanRows
  let threadCount: Int
  let isCancelled: @Sendable () -> Bool

  /// The values of rows as the source gives them.
  func expected(_ wanted: Set<Row>) throws -> [Row: [Float]] {
    let found = MutexBox([Row: [Float]]())
    let requests = wanted.sorted { ($0.tensor, $0.row) < ($1.tensor, $1.row) }.map {
      PlanRows.Request(tensor: $0.tensor, rows: $0.row..<($0.row + 1))
    }
    guard !requests.isEmpty else { return [:] }
    let plan = rows.plan
    try rows.stream(requests, threadCount: threadCount, isCancelled: isCancelled) { _, index, row, bytes in
      let tensor = plan.tensors[index]
      var values = [Float](repeating: 0, count: tensor.rowLength)
      guard BlockQuantizer.canDequantize(tensor.type) else { return }
      values.withUnsafeMutableBufferPointer {
        BlockQuantizer.dequantize(tensor.type, bytes: bytes, rowLength: tensor.rowLength, into: $0)
      }
      found.value.withLock { $0[Row(tensor: index, row: row)] = values }
    }
    return found.value.withLock { $0 }
  }

  /// The values of one row of the file; `nil` for types that cannot be decoded.
  func stored(_ tensor: PlacedTensor, row: Int) throws -> [Float]? {
    let type = tensor.info.type
    let length = max(1, tensor.info.ggmlShape.first ?? 1)
    guard BlockQuantizer.canDequantize(type), let byteCount = type.rowByteCount(length: length) else {
      return nil
    }
    let bytes = try set.files[tensor.shard].file.bytes(
      at: tensor.bytes(fromRow: row, rowByteCount: byteCount).position, count: byteCount)
    var values = [Float](repeating: 0, count: length)
    bytes.withUnsafeBytes { bytes in
      values.withUnsafeMutableBufferPointer {
        BlockQuantizer.dequantize(type, bytes: bytes, rowLength: length, into: $0)
      }
    }
    return values
  }

  /// How well `found` matches `expected`.
  static func fit(_ expected: [Float], _ found: [Float]) -> BlockChecks.Sums {
    var sums = BlockChecks.Sums()
    for (x, y) in zip(expected, found) where y.isFinite {
      let (a, b) = (Double(x), Double(y))
      sums.xx += a * a
      sums.yy += b * b
      sums.xy += a * b
      sums.ee += (a - b) * (a - b)
    }
    return sums
  }
}
