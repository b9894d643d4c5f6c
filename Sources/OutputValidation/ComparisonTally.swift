#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import BlockQuantization
internal import TensorTypes

/// What a comparison saw of some rows of one matrix.
struct ComparisonPart: Sendable {
  /// The row that it starts with, counted over all matrices.
  var firstRow: Int
  var sums = BlockChecks.Sums()
  /// Σ (x − z)², where z is the source quantized here.
  var requantized = 0.0
  var blocks = 0
  var differing = 0
  /// The first block that differs, counted from the start of the tensor; -1 without one.
  var firstDiffering = -1
  /// The block with the largest mean squared error.
  var worstBlock = 0
  var worstError: Float = -1
  /// Blocks whose error is far above that of the source quantized here.
  var spikes: [Int] = []
  var spikeCount = 0
  /// The part of `sums.ee` that is in those blocks.
  var spikeError = 0.0

  mutating func add(_ other: ComparisonPart) {
    sums.add(other.sums)
    requantized += other.requantized
    blocks += other.blocks
    differing += other.differing
    if firstDiffering < 0 { firstDiffering = other.firstDiffering }
    if other.worstError > worstError { (worstError, worstBlock) = (other.worstError, other.worstBlock) }
    if spikes.count < 8 { spikes += other.spikes.prefix(8 - spikes.count) }
    spikeCount += other.spikeCount
    spikeError += other.spikeError
  }

  var relativeError: Double { sums.relativeError }
  var requantizedError: Double { requantized == 0 ? 0 : (requantized / sums.xx).squareRoot() }
  /// The relative error without the blocks that stick out.
  var calmError: Double {
    let rest = max(0, sums.ee - spikeError)
    return rest == 0 ? 0 : (rest / sums.xx).squareRoot()
  }
}

/// Compares rows of a file with rows of the source; one per thread, with buffers of its own.
final class RowComparer {
  /// Values at a time: 64 KiB of f32.
  static let valuesPerStep = 16 * 1024
  /// An error of this many times the expected one, squared, makes a block stick out.
  static let spikeFactor: Float = 25

  let fileBytes: UnsafeMutableRawBufferPointer
  private let expectedBytes: UnsafeMutableRawBufferPointer
  private let source: UnsafeMutableBufferPointer<Float>
  private let stored: UnsafeMutableBufferPointer<Float>
  private let again: UnsafeMutableBufferPointer<Float>
  private let errors: UnsafeMutableBufferPointer<Float>
  private let expectedErrors: UnsafeMutableBufferPointer<Float>

  /// Bytes that a comparer holds.
  static func byteCount(longestRow: Int) -> Int {
    max(valuesPerStep, longestRow) * (3 * 4 + 2 * 4) + longestRow
  }

  init(longestRow: Int) {
    let count = max(Self.valuesPerStep, longestRow)
    fileBytes = .allocate(byteCount: count * 4, alignment: 64)
    expectedBytes = .allocate(byteCount: count * 4, alignment: 64)
    source = .allocate(capacity: count)
    stored = .allocate(capacity: count)
    again = .allocate(capacity: count)
    errors = .allocate(capacity: count / 16 + 1)
    expectedErrors = .allocate(capacity: count / 16 + 1)
  }

  deinit {
    fileBytes.deallocate()
    expectedBytes.deallocate()
    source.deallocate()
    stored.deallocate()
    again.deallocate()
    errors.deallocate()
    expectedErrors.deallocate()
  }

  /// Compares whole rows; the file's are in ``fileBytes``.
  ///
  /// - Parameters:
  ///   - type: The type in the file.
  ///   - rowLength: Values per row.
  ///   - rowCount: Rows.
  ///   - firstRow: The first of them.
  ///   - given: The source's rows.
  ///   - givenType: The type of `given`: f32, or `type` when the source stores the tensor in the same type.
  ///   - importance: Weights of the columns.
  /// - Returns: What was seen.
  func compare(
    type: TensorType, rowLength: Int, rowCount: Int, firstRow: Int, given: UnsafeRawBufferPointer,
    givenType: TensorType, importance: [Float]?
  ) -> ComparisonPart {
    var part = ComparisonPart(firstRow: firstRow)
    let count = rowLength * rowCount
    let byteCount = type.blockByteCount * (count / type.blockLength)
    let file = UnsafeRawBufferPointer(rebasing: fileBytes[0..<byteCount])
    let isDecodable = BlockQuantizer.canDequantize(type)
    let x: UnsafeBufferPointer<Float>
    if givenType == .f32 {
      // Rows start at multiples of four bytes of an aligned buffer.
      x = given.assumingMemoryBound(to: Float.self)
    } else {
      let values = UnsafeMutableBufferPointer(rebasing: source[0..<count])
      if isDecodable {
        BlockQuantizer.dequantize(givenType, bytes: given, rowLength: rowLength, into: values)
      }
      x = UnsafeBufferPointer(values)
    }
    let expected: UnsafeRawBufferPointer
    if givenType == type {
      expected = given
    } else {
      let target = UnsafeMutableRawBufferPointer(rebasing: expectedBytes[0..<byteCount])
      quantize(type, x, rowLength, importance, target)
      expected = UnsafeRawBufferPointer(target)
    }
    let unit = BlockChecks.blockLength(type)
    part.blocks = BlockChecks.blockCount(type, elementCount: count)
    let firstBlock = firstRow * rowLength / unit
    let isSame = Self.equal(file, expected)
    guard isDecodable else {
      if !isSame { countDiffering(file, expected, type: type, firstBlock: firstBlock, into: &part) }
      return part
    }
    let y = UnsafeMutableBufferPointer(rebasing: stored[0..<count])
    BlockQuantizer.dequantize(type, bytes: file, rowLength: rowLength, into: y)
    let blockErrors = UnsafeMutableBufferPointer(rebasing: errors[0..<part.blocks])
    part.sums = BlockChecks.compare(
      x, UnsafeBufferPointer(y), blockLength: unit, errors: blockErrors)
    if !part.sums.ee.isFinite || !part.sums.yy.isFinite {
      repair(y, x, blockErrors, unit: unit, firstBlock: firstBlock, into: &part)
    }
    for (index, error) in blockErrors.enumerated() where error > part.worstError {
      (part.worstError, part.worstBlock) = (error, firstBlock + index)
    }
    guard !isSame else {
      part.requantized = part.sums.ee
      return part
    }
    let z = UnsafeMutableBufferPointer(rebasing: again[0..<count])
    BlockQuantizer.dequantize(type, bytes: expected, rowLength: rowLength, into: z)
    let expectedBlockErrors = UnsafeMutableBufferPointer(rebasing: expectedErrors[0..<part.blocks])
    part.requantized =
      BlockChecks.compare(
        x, UnsafeBufferPointer(z), blockLength: unit, errors: expectedBlockErrors
      ).ee
    countDiffering(file, expected, type: type, firstBlock: firstBlock, into: &part)
    let blocks = Double(max(1, part.blocks))
    // Quantizing has an error to measure with; types that keep the values have a share of the values.
    let typical =
      type.isQuantized
      ? Self.spikeFactor * Float(part.requantized / blocks)
      : Float(part.sums.xx / blocks * SourceJudge.floatTolerance * SourceJudge.floatTolerance)
    for index in 0..<part.blocks {
      let limit = max(Self.spikeFactor * expectedBlockErrors[index], typical)
      guard blockErrors[index] > limit else { continue }
      part.spikeCount += 1
      part.spikeError += Double(blockErrors[index])
      if part.spikes.count < 8 { part.spikes.append(firstBlock + index) }
    }
    return part
  }

  private func quantize(
    _ type: TensorType, _ rows: UnsafeBufferPointer<Float>, _ rowLength: Int, _ importance: [Float]?,
    _ target: UnsafeMutableRawBufferPointer
  ) {
    if let importance {
      importance.withUnsafeBufferPointer {
        BlockQuantizer.quantize(type, rows: rows, rowLength: rowLength, importance: $0, into: target)
      }
    } else {
      BlockQuantizer.quantize(type, rows: rows, rowLength: rowLength, importance: nil, into: target)
    }
  }

  private static func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count, let p = a.baseAddress, let q = b.baseAddress else { return a.count == b.count }
    return memcmp(p, q, a.count) == 0
  }

  private func countDiffering(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, type: TensorType, firstBlock: Int,
    into part: inout ComparisonPart
  ) {
    let size = type.isQuantized ? type.blockByteCount : type.blockByteCount * BlockChecks.floatBlockLength
    guard let p = a.baseAddress, let q = b.baseAddress else { return }
    for index in 0..<part.blocks {
      let length = min(size, a.count - index * size)
      guard memcmp(p + index * size, q + index * size, length) != 0 else { continue }
      if part.firstDiffering < 0 { part.firstDiffering = firstBlock + index }
      part.differing += 1
    }
  }

  /// Takes blocks with values that are not finite out of the sums and counts them as sticking out.
  private func repair(
    _ y: UnsafeMutableBufferPointer<Float>, _ x: UnsafeBufferPointer<Float>,
    _ blockErrors: UnsafeMutableBufferPointer<Float>, unit: Int, firstBlock: Int,
    into part: inout ComparisonPart
  ) {
    for index in 0..<part.blocks where !blockErrors[index].isFinite {
      for position in (index * unit)..<min((index + 1) * unit, y.count) { y[position] = x[position] }
      part.spikeCount += 1
      if part.spikes.count < 8 { part.spikes.append(firstBlock + index) }
    }
    part.sums = BlockChecks.compare(
      x, UnsafeBufferPointer(y), blockLength: unit, errors: blockErrors)
  }
}
