internal import FileBytes
internal import SVGAnalysis

/// One entry of an ``AnswerLog``.
///
/// Content: u8 0 for an answer, 1 for a forced score, 2 for a part of an unfinished answer; the prompt's id as u32 byte count and text; then of an answer u32
/// variant, u8 whether it is finished, f64 seconds, u32 number of tokens, i32 tokens; of a forced score u64 hash of the
/// base's answer, u32 number of classes, per class its name, u64 tokens, f64 divergence, f64 surprise gap, u64 flips; and
/// of coordinates u64 tokens, f64 error, f64 the base's error, f64 shift; of a part u32 variant, u32 place of its first
/// token, f64 seconds of the answer so far, u32 number of tokens, i32 tokens.
enum AnswerLogRecord: ResumeRecord {
  case answer(AnswerRecord)
  case forced(ForcedRecord)
  case part(AnswerPart)

  init?(decoding cursor: inout ByteCursor) {
    guard let kind: UInt8 = cursor.read(), let prompt = cursor.readText() else { return nil }
    switch kind {
    case 0:
      guard let answer = Self.answer(prompt, &cursor) else { return nil }
      self = .answer(answer)
    case 1:
      guard let hash: UInt64 = cursor.read(), let score = Self.score(&cursor) else { return nil }
      self = .forced(ForcedRecord(prompt: prompt, answerHash: hash, score: score))
    case 2:
      guard let part = Self.part(prompt, &cursor) else { return nil }
      self = .part(part)
    default: return nil
    }
  }

  private static func answer(_ prompt: String, _ cursor: inout ByteCursor) -> AnswerRecord? {
    guard let variant: UInt32 = cursor.read(), let isFinished: UInt8 = cursor.read(),
      let seconds = cursor.readDouble(), let tokens = cursor.readTokens()
    else { return nil }
    return AnswerRecord(
      prompt: prompt, variant: Int(variant), tokens: tokens, isFinished: isFinished != 0, seconds: seconds)
  }

  private static func part(_ prompt: String, _ cursor: inout ByteCursor) -> AnswerPart? {
    guard let variant: UInt32 = cursor.read(), let first: UInt32 = cursor.read(),
      let seconds = cursor.readDouble(), let tokens = cursor.readTokens()
    else { return nil }
    return AnswerPart(
      prompt: prompt, variant: Int(variant), firstToken: Int(first), tokens: tokens, seconds: seconds)
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
      bytes.appendTokens(answer.tokens)
    case .part(let part):
      bytes.append(2)
      bytes.appendText(part.prompt)
      bytes.appendLittleEndian(UInt32(clamping: part.variant))
      bytes.appendLittleEndian(UInt32(clamping: part.firstToken))
      bytes.appendLittleEndian(part.seconds.bitPattern)
      bytes.appendTokens(part.tokens)
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
  fileprivate mutating func readTokens() -> [Int32]? {
    guard let count: UInt32 = read(), remaining / 4 >= count else { return nil }
    return (0..<count).compactMap { _ in read(Int32.self) }
  }
}

extension [UInt8] {
  fileprivate mutating func appendTokens(_ tokens: [Int32]) {
    appendLittleEndian(UInt32(clamping: tokens.count))
    for token in tokens { appendLittleEndian(token) }
  }
}
