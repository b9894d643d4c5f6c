internal import ReferenceRuntime

extension SVGRunner {
  /// The most tokens of a prompt and its answer.
  var contextLength: Int { (promptTokens.map(\.count).max() ?? 0) + options.tokenLimit }

  /// The answers of a contestant that are not there.
  func missingAnswers(of index: Int) -> [MissingAnswer] {
    ownPrompts.flatMap { number in
      (0...options.sampleCount).map { MissingAnswer(prompt: number, variant: $0) }
    }.filter { records[index].answer(prompts.prompts[$0.prompt].id, variant: $0.variant) == nil }
  }

  /// The least memory in which all that is missing can be drawn.
  var leastDrawingByteCount: Int {
    contestants.indices.filter { !missingAnswers(of: $0).isEmpty }.map {
      DrawingPlan.least(
        contestants[$0].model, contextLength: contextLength, options: evaluationOptions(of: $0),
        held: options.limits.held)
    }.max() ?? 0
  }

  private func evaluationOptions(of index: Int) -> EvaluationOptions {
    EvaluationOptions(
      mode: contestants[index].mode, threads: options.threads, cacheType: contestants[index].cacheType)
  }

  /// Has a contestant draw what is missing; false when the run was ended.
  func draw(_ index: Int, _ progress: inout Progress, _ onProgress: (Progress) -> Bool) throws -> Bool {
    let missing = missingAnswers(of: index)
    let known = ownPrompts.count * (options.sampleCount + 1) - missing.count
    progress.done += known
    progress.resumed += known
    guard !missing.isEmpty else { return true }
    let plan = DrawingPlan(
      contestants[index].model, answerCount: missing.count, contextLength: contextLength,
      options: evaluationOptions(of: index), request: options.request, limits: options.limits)
    let label = contestants[index].label
    var state = progress
    state.drawing = Progress.Drawing(
      label: label, plan: plan, answerCount: missing.count, tokenLimit: options.tokenLimit)
    state.task = "\(label) draws"
    guard onProgress(state) else { return false }
    let drawing = try AnswerDrawing(
      missing, of: contestants[index], prompts: prompts.prompts, promptTokens: promptTokens, options: options,
      contextLength: contextLength, plan: plan, log: records[index])
    let isWhole = try drawing.run {
      state.done = progress.done + drawing.finishedCount
      state.task = drawing.task
      state.drawing?.startedShare = drawing.startedShare
      state.drawing?.secondsLeft = drawing.secondsLeft
      return onProgress(state)
    }
    progress.done += drawing.finishedCount
    return isWhole
  }
}
