internal import BlockQuantization
internal import CheckpointConversion
internal import Dispatch
internal import FileBytes
internal import GGUFFormat
internal import Synchronization
internal import TensorTypes

/// Compares every weight of a file with the source that it is said to come from.
///
/// Tiles of the source stream through the converter's own code; each is quantized again, compared with the file byte
/// by byte, and both are decoded and compared value by value. Memory is that of the tiles in flight.
struct SourceComparer {
  let set: GGUFSplitSet
  let source: SourcePlan
  let importance: SourceImportance?
  let threadCount: Int
  let onProgress: (@Sendable (_ done: Int, _ total: Int) -> Void)?
  let isCancelled: @Sendable () -> Bool

  /// What was seen of one tensor.
  struct Tally {
    var pair: SourcePlan.Pair
    var whole: ComparisonPart
    var matrices: [ComparisonPart]
  }

  /// Source bytes of everything that is compared.
  private var totalByteCount: Int {
    source.pairs.reduce(0) { $0 + source.plan.tensors[$1.planned].sourceByteCount }
  }

  /// Reads everything once.
  ///
  /// - Returns: The sums for each pair of tensors, and the bytes of all buffers.
  /// - Throws: Errors of reading either side, `ConversionError` for bad weights in the source.
  func run(rows: PlanRows) throws -> (tallies: [Tally], bufferByteCount: Int) {
    let plan = rows.plan
    let longestRow = plan.tensors.lazy.map(\.rowLength).max() ?? 0
    let threads = max(1, threadCount)
    let comparers = (0..<threads).map { _ in UncheckedBox(RowComparer(longestRow: longestRow)) }
    var slots = [Int](repeating: -1, count: plan.tensors.count)
    for (slot, pair) in source.pairs.enumerated() { slots[pair.planned] = slot }
    let parts = source.pairs.map { _ in MutexBox([ComparisonPart]()) }
    let covered = try source.pairs.map { try importance?.covers($0, source.plan) ?? false }
    let done = Atomic<Int>(0)
    let total = totalByteCount
    let requests = source.pairs.map {
      PlanRows.Request(tensor: $0.planned, rows: 0..<plan.tensors[$0.planned].rowCount)
    }
    let pairs = source.pairs
    let fixedSlots = slots
    try rows.stream(requests, threadCount: threads, isCancelled: isCancelled) {
      thread, index, firstRow, bytes in
      let slot = fixedSlots[index]
      let made = try compare(
        comparers[thread].value, pairs[slot], plan.tensors[index], usesImportance: covered[slot],
        firstRow: firstRow, bytes: bytes)
      parts[slot].value.withLock { $0 += made }
      let rowCount = made.isEmpty ? 0 : bytes.count / plan.tensors[index].rowByteCount
      let size = plan.tensors[index].sourceByteCount / max(1, plan.tensors[index].rowCount) * rowCount
      onProgress?(done.wrappingAdd(size, ordering: .relaxed).newValue, total)
    }
    let tallies = zip(source.pairs, parts).map { pair, box in
      tally(pair, box.value.withLock { $0 }, rowsPerMatrix: plan.tensors[pair.planned].rowsPerMatrix)
    }
    return (
      tallies,
      rows.bufferByteCount(threadCount: threads) + threads * RowComparer.byteCount(longestRow: longestRow)
    )
  }

  /// Compares the rows of one tile, cut so that each piece lies in one matrix.
  private func compare(
    _ comparer: RowComparer, _ pair: SourcePlan.Pair, _ planned: PlannedTensor, usesImportance: Bool,
    firstRow: Int, bytes: UnsafeRawBufferPointer
  ) throws -> [ComparisonPart] {
    let info = pair.tensor.info
    let rowLength = planned.rowLength
    let givenRowBytes = planned.rowByteCount
    let fileRowBytes = rowLength / info.type.blockLength * info.type.blockByteCount
    let rowCount = bytes.count / max(1, givenRowBytes)
    let step = max(1, RowComparer.valuesPerStep / max(1, rowLength))
    var parts: [ComparisonPart] = []
    var row = 0
    var weights: (matrix: Int, values: [Float]?) = (-1, nil)
    while row < rowCount {
      let absolute = firstRow + row
      let matrix = absolute / planned.rowsPerMatrix
      if usesImportance, weights.matrix != matrix {
        let values = try importance?.weights(of: planned, matrix: matrix)
        weights = (matrix, values)
      }
      let place = pair.tensor.bytes(fromRow: absolute, rowByteCount: fileRowBytes)
      let count = min(
        step, rowCount - row, (matrix + 1) * planned.rowsPerMatrix - absolute, place.rowCount)
      let target = UnsafeMutableRawBufferPointer(rebasing: comparer.fileBytes[0..<(count * fileRowBytes)])
      try set.files[pair.tensor.shard].file.read(at: place.position, into: target)
      let given = UnsafeRawBufferPointer(
        rebasing: bytes[(row * givenRowBytes)..<((row + count) * givenRowBytes)])
      let part = comparer.compare(
        type: info.type, rowLength: rowLength, rowCount: count, firstRow: absolute, given: given,
        givenType: planned.type, importance: weights.values)
      if let last = parts.last, last.firstRow / planned.rowsPerMatrix == matrix {
        parts[parts.count - 1].add(part)
      } else {
        parts.append(part)
      }
      row += count
    }
    return parts
  }

  /// Adds parts up in the order of their rows, so that threads have no influence on the last digits.
  private func tally(_ pair: SourcePlan.Pair, _ parts: [ComparisonPart], rowsPerMatrix: Int) -> Tally {
    var whole = ComparisonPart(firstRow: 0)
    var matrices: [ComparisonPart] = []
    var current = -1
    for part in parts.sorted(by: { $0.firstRow < $1.firstRow }) {
      whole.add(part)
      let matrix = part.firstRow / rowsPerMatrix
      if matrix == current, !matrices.isEmpty {
        matrices[matrices.count - 1].add(part)
      } else {
        matrices.append(part)
        current = matrix
      }
    }
    return Tally(pair: pair, whole: whole, matrices: matrices)
  }
}

/// A value that one thread at a time uses, by construction.
struct UncheckedBox<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}
