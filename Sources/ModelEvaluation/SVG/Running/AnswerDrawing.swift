internal import Dispatch
internal import FileBytes
internal import ReferenceRuntime

/// An answer that is to be drawn.
struct MissingAnswer: Hashable {
  /// The number of the prompt.
  var prompt: Int
  /// 0 for the greedy answer, then the number of the seeded draw.
  var variant: Int
}

/// Draws missing answers of one contestant, several at a time, token by token.
///
/// Each answer is the one that its prompt gets alone. When an answer ends, the next one takes its place. What is drawn of
/// unfinished answers is kept now and then, and gone on with: their tokens are evaluated like those of a prompt.
final class AnswerDrawing {
  /// An answer that is being drawn.
  private struct Active {
    var missing: MissingAnswer
    var sequence: Int
    var sampler: Sampler
    /// Tokens that were not evaluated yet.
    var next: [Int32]
    var tokens: [Int32]
    var seconds: Double
    /// Tokens that are in the log.
    var savedCount: Int
  }

  let plan: DrawingPlan
  private let contestant: SVGContestant
  private let prompts: [DrawingPrompt]
  private let promptTokens: [[Int32]]
  private let options: SVGRunOptions
  private let log: AnswerLog
  private let stopTokens: Set<Int32>
  private let decoder: GroupDecoder
  private var waiting: ArraySlice<MissingAnswer>
  private var active: [Active] = []
  private let total: Int
  private var lastSave = DispatchTime.now().uptimeNanoseconds
  private var lastQuestion: UInt64 = 0
  /// Of steps without prompts.
  private var (stepCount, stepSeconds) = (0, 0.0)
  /// Of the last step with prompts.
  private var promptSeconds: Double?

  /// Answers that are finished.
  private(set) var finishedCount = 0

  init(
    _ missing: [MissingAnswer], of contestant: SVGContestant, prompts: [DrawingPrompt],
    promptTokens: [[Int32]], options: SVGRunOptions, contextLength: Int, plan: DrawingPlan, log: AnswerLog
  ) throws {
    self.plan = plan
    self.contestant = contestant
    self.prompts = prompts
    self.promptTokens = promptTokens
    self.options = options
    self.log = log
    waiting = missing[...]
    total = missing.count
    stopTokens = try contestant.stopTokens(usesChatTemplate: options.usesChatTemplate)
    decoder = try GroupDecoder(
      model: contestant.model, contextLength: contextLength, mode: contestant.mode, threads: options.threads,
      cacheType: contestant.cacheType, kept: plan.kept)
  }

  /// Draws everything.
  ///
  /// - Parameter goesOn: Called now and then; `false` ends the work, and what is drawn is kept.
  /// - Returns: Whether all answers are finished.
  /// - Throws: `RuntimeError`, `FileError`.
  func run(_ goesOn: () -> Bool) throws -> Bool {
    while !active.isEmpty || !waiting.isEmpty {
      try fill()
      do {
        guard goesOn(), try step(goesOn) else {
          try save()
          return false
        }
      } catch {
        try? save()
        throw error
      }
      let seconds = Double(DispatchTime.now().uptimeNanoseconds - lastSave) / 1e9
      if seconds >= options.secondsBetweenSaves { try save() }
    }
    return true
  }

  /// What is drawn of unfinished answers, counted in answers that are as long as they may be.
  var startedShare: Double {
    Double(active.reduce(0) { $0 + $1.tokens.count }) / Double(max(1, options.tokenLimit))
  }

  /// The most seconds to go, at the speed of the steps so far; `nil` before that is known.
  ///
  /// Where weights are read in each step, a step with prompts takes no less than others, and is enough to go by.
  var secondsLeft: Double? {
    let isRead = plan.readByteCount > 0
    let mean = stepCount >= (isRead ? 1 : 3) ? stepSeconds / Double(stepCount) : nil
    guard let perStep = mean ?? (isRead ? promptSeconds : nil) else { return nil }
    let left = active.map { options.tokenLimit - $0.tokens.count }
    let all = left.reduce(waiting.count * options.tokenLimit, +)
    let steps = max((all + plan.answerCount - 1) / plan.answerCount, left.max() ?? 0)
    return perStep * Double(steps)
  }

  /// What is being drawn.
  var task: String {
    guard plan.answerCount == 1 || total == 1, let one = active.first?.missing else {
      return "\(contestant.label) draws \(active.count) answers at a time"
    }
    return "\(contestant.label) draws \(prompts[one.prompt].id)"
      + (one.variant > 0 ? ", draw \(one.variant)" : "")
  }

  /// Begins answers as long as there is room.
  private func fill() throws {
    var rows = active.reduce(0) { $0 + $1.next.count }
    while active.count < plan.answerCount, let missing = waiting.first {
      let part = log.part(prompts[missing.prompt].id, variant: missing.variant)
      let tokens = promptTokens[missing.prompt] + (part?.tokens ?? [])
      guard active.isEmpty || rows + tokens.count <= DrawingPlan.promptRows else { return }
      waiting.removeFirst()
      rows += tokens.count
      var sampler = Sampler(options: options.sampling(missing.variant))
      for token in promptTokens[missing.prompt] { sampler.accept(token) }
      for token in part?.tokens ?? [] { sampler.replay(token) }
      active.append(
        Active(
          missing: missing, sequence: try decoder.begin(), sampler: sampler, next: tokens,
          tokens: part?.tokens ?? [], seconds: part?.seconds ?? 0, savedCount: part?.tokens.count ?? 0))
    }
  }

  /// Draws a token of each answer; false when the work was ended.
  private func step(_ goesOn: () -> Bool) throws -> Bool {
    let start = DispatchTime.now().uptimeNanoseconds
    var drawn: [Int32] = []
    let isWhole = try decoder.evaluate(
      active.map { GroupDecoder.Input(sequence: $0.sequence, tokens: $0.next) },
      onLayer: { _ in
        let now = DispatchTime.now().uptimeNanoseconds
        guard now - lastQuestion > 100_000_000 else { return true }
        lastQuestion = now
        return goesOn()
      }
    ) { first, rows in drawn += sample(first, rows) }
    guard isWhole else { return false }
    let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    if active.allSatisfy({ $0.next.count == 1 }) {
      stepCount += 1
      stepSeconds += seconds
    } else {
      promptSeconds = seconds
    }
    for index in active.indices { active[index].seconds += seconds / Double(active.count) }
    var left: [Active] = []
    for (var answer, token) in zip(active, drawn) {
      let isFinished = stopTokens.contains(token)
      if !isFinished {
        answer.sampler.accept(token)
        answer.tokens.append(token)
        answer.next = [token]
      }
      if isFinished || answer.tokens.count >= options.tokenLimit {
        try finish(answer, isFinished: isFinished)
      } else {
        left.append(answer)
      }
    }
    active = left
    return true
  }

  private func finish(_ answer: Active, isFinished: Bool) throws {
    try log.append(
      .answer(
        AnswerRecord(
          prompt: prompts[answer.missing.prompt].id, variant: answer.missing.variant, tokens: answer.tokens,
          isFinished: isFinished, seconds: answer.seconds)))
    decoder.end(answer.sequence)
    finishedCount += 1
  }

  /// Draws the next tokens of some answers from their logits.
  private func sample(_ first: Int, _ rows: UnsafeBufferPointer<Float>) -> [Int32] {
    let vocabulary = contestant.model.vocabularySize
    let samplers = active[first..<(first + rows.count / vocabulary)].map(\.sampler)
    // The rows are read alone, and outlive the call.
    nonisolated(unsafe) let rows = rows
    // Threads are worth it for large vocabularies alone.
    let threads = rows.count >= 1 << 18 ? max(1, options.threads ?? Processor.threadCount) : 1
    let results = parallelMap(count: samplers.count, threadCount: threads) { row in
      var sampler = samplers[row]
      let logits = UnsafeBufferPointer(rebasing: rows[(row * vocabulary)..<((row + 1) * vocabulary)])
      return (token: sampler.sample(logits), sampler: sampler)
    }
    for (row, result) in results.enumerated() { active[first + row].sampler = result.sampler }
    return results.map(\.token)
  }

  /// Keeps what is drawn of unfinished answers.
  private func save() throws {
    for index in active.indices where active[index].tokens.count > active[index].savedCount {
      let answer = active[index]
      try log.append(
        .part(
          AnswerPart(
            prompt: prompts[answer.missing.prompt].id, variant: answer.missing.variant,
            firstToken: answer.savedCount, tokens: Array(answer.tokens[answer.savedCount...]),
            seconds: answer.seconds)))
      active[index].savedCount = answer.tokens.count
    }
    lastSave = DispatchTime.now().uptimeNanoseconds
  }
}
