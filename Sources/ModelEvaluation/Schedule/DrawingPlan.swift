internal import FileBytes
package import ReferenceRuntime

/// How many answers a model draws at a time, and what of its weights stays in memory meanwhile.
///
/// Weights are read once in each step for all answers, so that more answers at a time are always less work; what memory
/// they leave keeps weights.
package struct DrawingPlan: Hashable, Sendable {
  /// The most answers at a time: from here on weights are no longer what a step takes its time for.
  static let mostAnswers = 64
  /// The most rows of prompts in one step, if it is not a single prompt.
  static let promptRows = 4096

  /// Answers at a time.
  package var answerCount: Int
  /// What is kept of the weights; the rest is read in each step.
  package var kept: KeptWeights
  /// Bytes of weights that a step reads; where experts are read as they are chosen, what is expected.
  package var readByteCount: Int
  /// The most memory that drawing takes, what the process holds now and weights in use included.
  package var memoryByteCount: Int

  /// Chooses.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - answerCount: Answers to draw.
  ///   - contextLength: The most tokens of a prompt and its answer.
  ///   - options: How the model is run; the schedule in it is not looked at.
  ///   - request: `windows` draws answers one by one, with all weights kept.
  ///   - limits: The memory.
  package init(
    _ model: LoadedModel, answerCount: Int, contextLength: Int, options: EvaluationOptions,
    request: MeasuringPlan.Request, limits: MeasuringPlan.Limits
  ) {
    let needs = Needs(model, contextLength: contextLength, options, held: limits.held)
    let limit = limits.byteCount
    let whole = needs.weights.all.memoryByteCount
    let most = max(1, min(answerCount, Self.mostAnswers))
    if request == .windows || needs.byteCount(answers: 1).clampedSum(whole) <= limit {
      self.answerCount = request == .windows ? 1 : needs.answers(most, in: limit - whole)
      kept = .all
      readByteCount = 0
      memoryByteCount = needs.byteCount(answers: self.answerCount).clampedSum(whole)
      return
    }
    let count = needs.answers(most, in: limit - needs.pairByteCount)
    let taken = needs.byteCount(answers: count).clampedSum(needs.pairByteCount)
    let kept = needs.kept(in: limit - taken)
    self.answerCount = count
    self.kept = kept.weights
    readByteCount = self.kept.readByteCount(of: model, rows: count)
    memoryByteCount = taken.clampedSum(kept.byteCount)
  }

  /// The least memory in which a model can draw.
  static func least(_ model: LoadedModel, contextLength: Int, options: EvaluationOptions, held: Int) -> Int {
    let needs = Needs(model, contextLength: contextLength, options, held: held)
    return needs.byteCount(answers: 1).clampedSum(min(needs.pairByteCount, needs.weights.all.memoryByteCount))
  }

  /// What drawing takes.
  private struct Needs {
    let weights: GroupWeights
    /// Of all answers together.
    private let fixed: Int
    /// Keys, values and states of an answer.
    private let perAnswer: Int
    private let perRow: Int
    private let perLogits: Int
    private let contextLength: Int

    init(_ model: LoadedModel, contextLength: Int, _ options: EvaluationOptions, held: Int) {
      let threads = options.threads ?? Processor.threadCount
      weights = GroupWeights(model)
      let session = RuntimeMemory(
        model.architecture, contextLength: contextLength, batchLength: options.batchLength, threads: threads,
        cacheType: options.cacheType)
      // A batch may be full though no answer is as long.
      let memory = GroupMemory(
        model, contextLength: max(contextLength, options.batchLength),
        options: GroupOptions(batchLength: options.batchLength), threads: threads,
        cacheType: options.cacheType)
      perAnswer = session.map { $0.cacheByteCount.clampedSum($0.stateByteCount) } ?? .max
      perRow = memory?.streamByteCountPerToken ?? 0
      perLogits = 4 * model.vocabularySize + perRow
      self.contextLength = contextLength
      // Samplers sort candidates of 8 bytes.
      fixed = held.clampedSum(memory?.scratchByteCount ?? .max).clampedSum(
        24 * threads * model.vocabularySize)
    }

    /// Memory without weights.
    func byteCount(answers: Int) -> Int {
      let (states, overflow) = perAnswer.multipliedReportingOverflow(by: answers)
      guard !overflow else { return .max }
      let rows = min(answers * contextLength, max(DrawingPlan.promptRows, contextLength))
      return fixed.clampedSum(states).clampedSum(rows * perRow).clampedSum(min(answers, 64) * perLogits)
    }

    /// The most answers in some memory, at least 1.
    func answers(_ most: Int, in limit: Int) -> Int {
      (1...most).last { byteCount(answers: $0) <= limit } ?? 1
    }

    /// One layer computes, the next one is being read; or one of them is the output matrix.
    var pairByteCount: Int {
      let sizes = weights.layers.map(\.memoryByteCount) + [weights.output.memoryByteCount]
      return zip(sizes, sizes.dropFirst() + sizes.prefix(1)).map { $0 + $1 }.max() ?? 0
    }

    /// What can be kept in some memory: the output matrix, then layers from the first one on.
    func kept(in limit: Int) -> (weights: KeptWeights, byteCount: Int) {
      var result = (weights: KeptWeights(layerCount: 0, keepsOutput: false), byteCount: 0)
      guard weights.output.memoryByteCount <= limit else { return result }
      result = (KeptWeights(layerCount: 0, keepsOutput: true), weights.output.memoryByteCount)
      for layer in weights.layers {
        guard result.byteCount.clampedSum(layer.memoryByteCount) <= limit else { break }
        result.weights.layerCount += 1
        result.byteCount += layer.memoryByteCount
      }
      return result
    }
  }
}
