internal import Foundation
internal import ReferenceRuntime
internal import SVGAnalysis
internal import TextTokenizers

/// Compares models with the base on the base's own answers.
struct TeacherForcing {
  let tokenizer: Tokenizer
  let digits: DigitTokens

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    digits = DigitTokens(tokenizer)
  }

  /// A model that reads a prompt and an answer.
  enum Reader {
    /// Piece by piece.
    case single(Session)
    /// As a sequence of a group that has gone through all layers.
    case group(GroupSession, sequence: Int)

    var model: LoadedModel {
      switch self {
      case .single(let session): session.model
      case .group(let session, _): session.model
      }
    }
  }

  /// The tokens that are read: the last one of the prompt predicts the first of the answer, the last one of the answer
  /// predicts nothing.
  static func input(prompt: [Int32], answer: [Int32]) -> [Int32] { prompt + answer.dropLast() }

  /// Compares what each model expects at every token of an answer.
  ///
  /// - Parameters:
  ///   - prompt: The prompt's tokens, at least one.
  ///   - answer: The base's answer.
  ///   - base: The base.
  ///   - tested: The tested models, with the same vocabulary.
  /// - Returns: A score for each tested model.
  /// - Throws: `RuntimeError`; ``EvaluationError`` with `nonFinite`.
  func run(prompt: [Int32], answer: [Int32], base: Reader, tested: [Reader]) throws -> [ForcedScore] {
    var scores = tested.map { _ in ForcedScore() }
    guard !answer.isEmpty, !tested.isEmpty else { return scores }
    let facts = AnswerTokens(answer, tokenizer)
    let vocabulary = base.model.vocabularySize
    let room = max(1, (64 << 20) / (4 * max(vocabulary, 1)))
    for case .single(let session) in [base] + tested {
      session.reset()
      if prompt.count > 1 {
        try session.evaluate(tokens: Array(prompt.dropLast()), logits: .none, body: { _, _ in })
      }
    }
    let input = Self.input(prompt: prompt, answer: answer)
    for start in stride(from: 0, to: answer.count, by: room) {
      let piece = start..<min(start + room, answer.count)
      let positions = (prompt.count - 1 + piece.lowerBound)..<(prompt.count - 1 + piece.upperBound)
      func logits(_ reader: Reader) throws -> LogitsBuffer {
        switch reader {
        case .single(let session): try session.evaluate(tokens: Array(input[positions]), logits: .all)
        case .group(let session, let sequence):
          try session.logits(sequence: sequence, positions: positions)
        }
      }
      let expected = try logits(base)
      for (number, reader) in tested.enumerated() {
        let found = try logits(reader)
        try expected.values.withUnsafeBufferPointer { p in
          try found.values.withUnsafeBufferPointer { q in
            for row in 0..<piece.count {
              let range = (row * vocabulary)..<((row + 1) * vocabulary)
              try add(
                UnsafeBufferPointer(rebasing: p[range]), UnsafeBufferPointer(rebasing: q[range]),
                position: piece.lowerBound + row, answer, facts, &scores[number])
            }
          }
        }
      }
    }
    return scores
  }

  private func add(
    _ p: UnsafeBufferPointer<Float>, _ q: UnsafeBufferPointer<Float>, position: Int, _ answer: [Int32],
    _ facts: AnswerTokens, _ score: inout ForcedScore
  ) throws {
    let found = try BaseDistribution.logits(p).score(q, target: Int(answer[position]))
    var sums = ForcedSums()
    sums.count = 1
    // Rounding can leave a divergence a little below zero.
    sums.divergence = max(0, Double(found.divergence))
    sums.surpriseGap = Double(found.surprise) - Double(found.baseSurprise)
    sums.flips = found.isSameTop ? 0 : 1
    score.classes[facts.classes[position], default: ForcedSums()].add(sums)
    guard let place = facts.places[position] else { return }
    let (pSummary, qSummary) = (try LogitSummary(p), try LogitSummary(q))
    func probabilities(_ row: UnsafeBufferPointer<Float>, _ summary: LogitSummary) -> [Double] {
      digits.tokens.map { Double(exp(summary.logProbability(row[$0.id]))) }
    }
    score.coordinates.add(
      digits.score(
        p: probabilities(p, pSummary), q: probabilities(q, qSummary),
        changes: digits.changes(place, size: facts.size)))
  }
}
