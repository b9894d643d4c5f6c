internal import Foundation
internal import ReferenceRuntime
internal import SVGAnalysis
internal import TextTokenizers

/// Compares models with the base on the base's own answers, in lock-step.
struct TeacherForcing {
  let tokenizer: Tokenizer
  let digits: DigitTokens

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    digits = DigitTokens(tokenizer)
  }

  /// Runs one forward pass of each model over prompt and answer.
  ///
  /// - Parameters:
  ///   - prompt: The prompt's tokens, at least one.
  ///   - answer: The base's answer.
  ///   - base: A session of the base.
  ///   - tested: Sessions of the tested models, with the same vocabulary.
  /// - Returns: A score for each tested model.
  /// - Throws: `RuntimeError`; ``EvaluationError`` with `nonFinite`.
  func run(prompt: [Int32], answer: [Int32], base: Session, tested: [Session]) throws -> [ForcedScore] {
    var scores = tested.map { _ in ForcedScore() }
    guard !answer.isEmpty, !tested.isEmpty else { return scores }
    let facts = AnswerTokens(answer, tokenizer)
    let vocabulary = base.model.vocabularySize
    let room = max(1, (64 << 20) / (4 * max(vocabulary, 1)))
    for session in [base] + tested {
      session.reset()
      if prompt.count > 1 {
        try session.evaluate(tokens: Array(prompt.dropLast()), logits: .none, body: { _, _ in })
      }
    }
    // The last token of the prompt predicts the first of the answer; the last of the answer predicts nothing.
    let input = prompt.suffix(1) + answer.dropLast()
    for start in stride(from: 0, to: answer.count, by: room) {
      let piece = start..<min(start + room, answer.count)
      let tokens = Array(input.dropFirst(piece.lowerBound).prefix(piece.count))
      let expected = try base.evaluate(tokens: tokens, logits: .all)
      for (number, session) in tested.enumerated() {
        let found = try session.evaluate(tokens: tokens, logits: .all)
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
