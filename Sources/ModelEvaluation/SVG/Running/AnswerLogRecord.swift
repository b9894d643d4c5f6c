internal import FileBytes
internal import SVGAnalysis

/// One entry of an ``AnswerLog``.
///
/// Content: u8 0 for an answer, 1 for a forced score; the prompt's id as u32 byte count and text; then of an answer u32
/// variant, u8 whether it is finished, f64 seconds, u32 number of tokens, i32 tokens; of a forced score u64 hash of the
/// base's answer, u32 number of classes, per class its name, u64 tokens, f64 divergence, f64 surprise gap, u64 flips; and
/// of coordinates u64 tokens, f64 error, f64 the base's error, f64 shift.
enum AnswerLogRecord: ResumeRecord {
  case answer(AnswerRecord)
  case forced(ForcedRecord)

  init?(decoding cursor: inout ByteCursor) {
    guard let kind: UInt8 = cursor.read(), let prompt = cursor.readText() else { return nil }
    switch kind {
    case 0:
      guard let answer = Self.answer(prompt, &cursor) else { return nil }
      self = .answer(answer)
    case 1:
      guard let hash: UInt64 = cursor.read(), let score = Self.score(&cursor) else { return nil }
      self = .forced(ForcedRecord(prompt: prompt, answerHash: hash, score: score))
    default: return nil
    }
  }

  private static func answer(_ prompt: String, _ cursor: inout ByteCursor) -> AnswerRecord? {
    guard let variant: UInt32 = cursor.read(), let isFinished: UInt8 = cursor.read(),
      let seconds = cursor.readDouble(), let count: UInt32 = cursor.read(),
      cursor.remaining / 4 >= count
    else { return nil }
    let tokens = (0..<count).compactMap { _ in cursor.read(Int32.self) }
    return AnswerRecord(
      prompt: prompt, variant: Int(variant), tokens: tokens, isFinished: isFinished != 0, seconds: seconds)
  }

  private static func score(_ cursor: inout ByteCursor) -> ForcedScore? {
    guard let count: UInt32 = cursor.read() else { return nil }
    var score = ForcedScore()
    for _ in 0..<count {
      guard let kind = cursor.readText().flatMap(SVGTokenClass.init), let tokens = cursor.readCount(),
        let divergence = cursor.readDouble(), let gap = cursor.readDouble(), let flips = cursor.readCount()
      else { return nil }
      var sums = ForcedSums()
      (sums.count, sums.divergence, sums.surpriseGap, sums.flips) = (tokens, divergence, gap, flips)
      score.classes[kind] = sums
    }
    guard let tokens = cursor.readCount(), let error = cursor.readDouble(),
      let baseError = cursor.readDouble(), let shift = cursor.readDouble()
    else { return nil }
    var sums = CoordinateSums()
    (sums.count, sums.error, sums.baseError, sums.shift) = (tokens, error, baseError, shift)
    score.coordinates = sums
    return score
  }

  func encode(into bytes: inout [UInt8]) {
    switch self {
    case .answer(let answer):
      bytes.append(0)
      bytes.appendText(answer.prompt)
      bytes.appendLittleEndian(UInt32(clamping: answer.variant))
      bytes.append(answer.isFinished ? 1 : 0)
      bytes.appendLittleEndian(answer.seconds.bitPattern)
      bytes.appendLittleEndian(UInt32(clamping: answer.tokens.count))
      for token in answer.tokens { bytes.appendLittleEndian(token) }
    case .forced(let record):
      bytes.append(1)
      bytes.appendText(record.prompt)
      bytes.appendLittleEndian(record.answerHash)
      let classes = record.score.classes.sorted { $0.key.rawValue < $1.key.rawValue }
      bytes.appendLittleEndian(UInt32(clamping: classes.count))
      for (kind, sums) in classes {
        bytes.appendText(kind.rawValue)
        bytes.appendLittleEndian(UInt64(clamping: sums.count))
        bytes.appendLittleEndian(sums.divergence.bitPattern)
        bytes.appendLittleEndian(sums.surpriseGap.bitPattern)
        bytes.appendLittleEndian(UInt64(clamping: sums.flips))
      }
      let coordinates = record.score.coordinates
      bytes.appendLittleEndian(UInt64(clamping: coordinates.count))
      for value in [coordinates.error, coordinates.baseError, coordinates.shift] {
        bytes.appendLittleEndian(value.bitPattern)
      }
    }
  }
}

extension ByteCursor {
  fileprivate mutating func readDouble() -> Double? { read(UInt64.self).map(Double.init(bitPattern:)) }
  fileprivate mutating func readCount() -> Int? { read(UInt64.self).flatMap(Int.init(exactly:)) }
}
