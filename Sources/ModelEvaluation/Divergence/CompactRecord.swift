package import FileBytes

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The largest probabilities of a base model at one position, and what a bound of the divergence needs of the rest.
///
/// ```
/// u16 count, f32 ln p of the actual next token, f32 T, f32 H, count times u32 token, count times f32 ln p
/// T = sum of p_i, H = sum of p_i ln p_i, both over the tokens not listed (the tail)
/// ```
/// Tokens are listed by falling probability, until the tail holds at most ``tailMass`` or the list is full.
///
/// With the tail taken as one event, of probability T under the base and T' under the tested model,
///
///     L = sum over listed p_i (ln p_i - ln q_i) + T (ln T - ln T')
///
/// is a lower bound of the divergence (log-sum inequality). What is missing is
/// `H - T ln T + T ln T' - sum over tail p_i ln q_i`, and the last sum is largest when the least likely tail tokens of
/// the tested model get all the mass they can, which is at most the last listed probability each. That is the
/// upper bound; -ln q is rounded up to quarters of a nat while it is computed.
package struct CompactRecord {
  /// The mass that the tail may keep.
  static let tailMass = 1e-4
  private static let stepsPerNat = 4.0
  private static let stepCount = 256

  var target: Float
  var tail: Float
  var tailEntropy: Float
  var tokens: [Int]
  var logProbabilities: [Float]

  /// Lists at most `limit` tokens of a row of logits.
  init(_ row: UnsafeBufferPointer<Float>, _ summary: LogitSummary, target: Int, limit: Int) {
    self.target = summary.logProbability(row[target])
    let offset = summary.maximum + Float(summary.logSum)
    // Beyond 14 nats there are many tokens and less than a millionth of the mass each: left to the tail.
    var candidates = row.indices.filter { row[$0] - offset > -14 || $0 == summary.top }
    candidates.sort { row[$0] == row[$1] ? $0 < $1 : row[$0] > row[$1] }
    let total = row.reduce(0.0) { $0 + Double(expf($1 - offset)) }
    var listed = 0.0
    var count = 0
    while count < min(candidates.count, limit), count == 0 || total - listed > Self.tailMass {
      listed += Double(expf(row[candidates[count]] - offset))
      count += 1
    }
    tokens = Array(candidates[..<count])
    logProbabilities = tokens.map { row[$0] - offset }
    var (mass, entropy) = (0.0, 0.0)
    let members = Set(tokens)
    for index in row.indices where !members.contains(index) {
      let logP = row[index] - offset
      let probability = Double(expf(logP))
      mass += probability
      if probability > 0 { entropy += probability * Double(logP) }
    }
    (tail, tailEntropy) = (Float(mass), Float(entropy))
  }

  /// The bytes of the record.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(14 + 8 * tokens.count)
    bytes.appendLittleEndian(UInt16(tokens.count))
    for value in [target, tail, tailEntropy] { bytes.appendLittleEndian(value.bitPattern) }
    for token in tokens { bytes.appendLittleEndian(UInt32(token)) }
    for value in logProbabilities { bytes.appendLittleEndian(value.bitPattern) }
    return bytes
  }

  /// Reads a record; `nil` when it ends early or makes no sense for the vocabulary.
  package init?(_ cursor: inout ByteCursor, vocabularySize: Int) {
    func float(_ cursor: inout ByteCursor) -> Float? {
      cursor.read(UInt32.self).map { Float(bitPattern: $0) }
    }
    guard let count = cursor.read(UInt16.self), count > 0, cursor.remaining >= 12 + 8 * Int(count),
      let target = float(&cursor), let tail = float(&cursor), let entropy = float(&cursor),
      target <= 1e-3, target > -.infinity, tail >= 0, tail <= 1.001, entropy <= 1e-3, entropy > -.infinity
    else { return nil }
    (self.target, self.tail, tailEntropy) = (target, tail, entropy)
    tokens = []
    logProbabilities = []
    for _ in 0..<count {
      guard let token = cursor.read(UInt32.self), token < vocabularySize else { return nil }
      tokens.append(Int(token))
    }
    for _ in 0..<count {
      guard let value = float(&cursor), value <= 1e-3, value > -.infinity else { return nil }
      logProbabilities.append(value)
    }
    guard Set(tokens).count == tokens.count else { return nil }
  }

  /// Compares a row of the tested model's logits; the result has a lower and an upper bound of the divergence.
  func score(_ row: UnsafeBufferPointer<Float>, target index: Int) throws -> PositionScore {
    let q = try LogitSummary(row)
    let offset = q.maximum + Float(q.logSum)
    var sum = 0.0
    for (token, logP) in zip(tokens, logProbabilities) {
      sum += Double(expf(logP) * (logP - (row[token] - offset)))
    }
    var gap = 0.0
    if tail > 0, tokens.count < row.count {
      let rest = tailOfTested(row, offset)
      let mass = Double(tail)
      // A tested model whose tail vanishes in f32 still gives it something: the smallest positive number.
      let restMass = max(rest.mass, Double(Float.leastNonzeroMagnitude))
      sum += mass * (log(mass) - log(restMass))
      let worst = worstCase(rest.histogram, largest: rest.largest)
      gap = max(0, Double(tailEntropy) - mass * log(mass) + mass * log(restMass) + worst)
    }
    return PositionScore(
      surprise: offset - row[index], baseSurprise: -target, divergence: Float(sum),
      divergenceBound: Float(sum + gap), isSameTop: tokens[0] == q.top)
  }

  private struct TestedTail {
    var mass = 0.0
    /// Tokens by -ln q in steps of a quarter nat, the last step open.
    var histogram = [Int](repeating: 0, count: CompactRecord.stepCount)
    /// The largest -ln q.
    var largest = 0.0
  }

  private func tailOfTested(_ row: UnsafeBufferPointer<Float>, _ offset: Float) -> TestedTail {
    var tail = TestedTail()
    let members = tokens.sorted()
    var next = 0
    for index in row.indices {
      if next < members.count, members[next] == index {
        next += 1
        continue
      }
      let logQ = row[index] - offset
      tail.mass += Double(expf(logQ))
      let surprise = max(0, -Double(logQ))
      tail.largest = max(tail.largest, surprise)
      tail.histogram[min(Int(min(surprise, 1e6) * Self.stepsPerNat), Self.stepCount - 1)] += 1
    }
    return tail
  }

  /// An upper bound of `-(sum over tail p_i ln q_i)`.
  private func worstCase(_ histogram: [Int], largest: Double) -> Double {
    let share = Double(expf(logProbabilities[logProbabilities.count - 1]))
    var left = Double(tail)
    var result = 0.0
    for step in histogram.indices.reversed() where histogram[step] > 0 && left > 0 {
      let edge = step == Self.stepCount - 1 ? largest : min(largest, Double(step + 1) / Self.stepsPerNat)
      let taken = min(left, Double(histogram[step]) * share)
      result += taken * edge
      left -= taken
    }
    // Only rounding can leave mass that no token takes.
    return result + max(0, left) * largest
  }
}
