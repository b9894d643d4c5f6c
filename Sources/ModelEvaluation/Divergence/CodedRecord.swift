internal import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Log-probabilities of a whole vocabulary as 16-bit codes, the record of llama.cpp's base files.
///
/// ```
/// f32 scale, f32 minimum log-probability, u16 code per token, and one unused u16 for odd vocabularies
/// ln p_i = scale * code_i + minimum
/// ```
/// Probabilities more than 16 nats below the largest are raised to that; steps are at most 16 / 65535 nat.
package struct CodedRecord {
  /// Bytes of a record.
  static func byteCount(vocabularySize: Int) -> Int { 8 + (vocabularySize + 1) / 2 * 4 }

  let scale: Float
  let minimum: Float
  private let codes: UnsafeRawBufferPointer

  /// Reads a record; `bytes` holds all of it.
  package init(_ bytes: UnsafeRawBufferPointer) {
    scale = Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
    minimum = Float(
      bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    codes = UnsafeRawBufferPointer(rebasing: bytes[8...])
  }

  /// Whether the numbers can be log-probabilities.
  var isPossible: Bool {
    scale.isFinite && scale >= 0 && minimum.isFinite && scale * 65535 + minimum <= 1e-2
  }

  @inline(__always)
  private func code(_ index: Int) -> UInt16 {
    UInt16(littleEndian: codes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
  }

  /// The bytes of a record for a row of logits.
  static func encode(_ row: UnsafeBufferPointer<Float>, _ summary: LogitSummary) -> [UInt8] {
    let maximum = summary.maximum
    let minimum = max(row.min() ?? maximum, maximum - 16)
    let scale = (maximum - minimum) / 65535
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount(vocabularySize: row.count))
    bytes.appendLittleEndian(scale.bitPattern)
    bytes.appendLittleEndian((minimum - maximum - Float(summary.logSum)).bitPattern)
    let inverse = scale > 0 ? 1 / scale : 0
    for logit in row {
      // Halves go to even, as the rounding by addition of a large number does in the reference.
      let code: UInt16 = logit > minimum ? UInt16(min(rintf(inverse * (logit - minimum)), 65535)) : 0
      bytes.appendLittleEndian(code)
    }
    if row.count % 2 == 1 { bytes.appendLittleEndian(UInt16(0)) }
    return bytes
  }

  /// `sum of p_i (ln p_i - ln q_i)` over the entries with `ln p_i > -16`, as llama-perplexity computes it.
  ///
  /// - Throws: ``EvaluationError`` with `nonFinite` for the row; the record is checked by the reader.
  func score(_ row: UnsafeBufferPointer<Float>, target: Int) throws -> PositionScore {
    let q = try LogitSummary(row)
    let qOffset = q.maximum + Float(q.logSum)
    var sum = 0.0
    var (best, top) = (-Float.infinity, 0)
    for index in row.indices {
      let logP = scale * Float(code(index)) + minimum
      if logP > best { (best, top) = (logP, index) }
      if logP > -16 { sum += Double(expf(logP) * (logP - row[index] + qOffset)) }
    }
    let divergence = Float(sum)
    return PositionScore(
      surprise: qOffset - row[target], baseSurprise: -(scale * Float(code(target)) + minimum),
      divergence: divergence, divergenceBound: divergence, isSameTop: top == q.top)
  }
}
