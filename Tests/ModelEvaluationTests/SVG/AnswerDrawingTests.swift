import FileBytes
import Foundation
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TestSupport
import Testing
import TextTokenizers

/// Answers that are drawn together, and answers that are gone on with, are those that each prompt gets alone.
@Suite("drawing answers together")
struct AnswerDrawingTests {
  private static let sample = RepositoryFiles.sample
  private static let limit = 40

  private let folder: TemporaryFolder
  private let prompts: PromptSet
  private let model: LoadedModel
  private let tokenizer: Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    let lines = [
      "a heron on a scooter", "three blue squares", "a clock at ten past ten", "a cat", "two rings",
      "a red flag",
    ].enumerated().map { #"{"id": "p\#($0)", "prompt": "Draw \#($1) as SVG."}"# }
    prompts = try PromptSet(
      paths: [try folder.write("prompts.jsonl", Array((lines.joined(separator: "\n") + "\n").utf8))],
      limit: nil)
    model = try LoadedModel.open(path: Self.sample, isLate: true)
    tokenizer = try Tokenizer(metadata: try model.metadata())
  }

  private func options(_ request: MeasuringPlan.Request, allowed: Int? = nil, samples: Int = 1)
    -> SVGRunOptions
  {
    var options = SVGRunOptions()
    options.tokenLimit = Self.limit
    options.sampleCount = samples
    options.threads = 2
    options.request = request
    options.limits = MeasuringPlan.Limits(allowed: allowed)
    options.secondsBetweenSaves = 0
    return options
  }

  private func runner(_ out: String, _ options: SVGRunOptions, given: GivenAnswers? = nil) throws -> SVGRunner
  {
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    let base = SVGContestant(
      label: "base", kind: .base, mode: .fast, model: model, tokenizer: tokenizer, identity: "b")
    let floor = SVGContestant(
      label: "floor", kind: .floor, mode: .fast, model: model, tokenizer: tokenizer, identity: "b")
    return try SVGRunner(
      prompts: prompts, contestants: [base, floor], folder: out, options: options, given: given,
      version: "1", force: false)
  }

  private func answers(_ runner: SVGRunner) -> [[Int32]] {
    runner.contestants.indices.flatMap { contestant in
      prompts.prompts.indices.flatMap { prompt in
        (0...runner.options.sampleCount).map { variant in
          guard let answer = runner.answer(of: contestant, prompt: prompt, variant: variant) else {
            return [-1]
          }
          return answer.tokens + [answer.isFinished ? 1 : 0]
        }
      }
    }
  }

  /// What a session draws for each prompt alone.
  private func expected() throws -> [[Int32]] {
    let tokens = try prompts.prompts.map {
      try tokenizer.encode(
        [ChatMessage(role: "user", content: $0.prompt)], template: #require(try tokenizer.readChatTemplate()),
        thinking: .off, date: Tokenizer.steadyDate, timeZone: Tokenizer.steadyTimeZone)
    }
    let stop = tokenizer.stopTokens(try #require(try tokenizer.readChatTemplate()))
    let length = (tokens.map(\.count).max() ?? 0) + Self.limit
    return try [CacheType.f32, .f16].flatMap { cache in
      let session = try Session(
        model: model, contextLength: length, mode: .fast, threads: 1, cacheType: cache)
      return try tokens.flatMap { prompt in
        try (0...1).map { variant in
          var sampling = SamplingOptions()
          if variant == 0 {
            (sampling.temperature, sampling.topK) = (0, 1)
          } else {
            (sampling.temperature, sampling.seed) = (0.8, 1)
          }
          session.reset()
          let report = try TextGeneration(sampling: sampling, tokenLimit: Self.limit, stopTokens: stop)
            .run(prompt: prompt, session: session) { _ in true }
          return report.tokens + [report.stopReason == .endOfGeneration ? 1 : 0]
        }
      }
    }
  }

  @Test("in every order and memory")
  func orders() throws {
    let expected = try expected()
    // The least is what a limit of nothing is refused with.
    let refusal = #expect(throws: EvaluationError.self) {
      try runner(folder.path("refused"), options(.layers, allowed: 0)).run { _ in true }
    }
    let least = try #require(
      refusal?.fault.expected.description.firstMatch(of: /at least ([0-9]+) bytes/).flatMap { Int($0.1) })
    let tries: [(MeasuringPlan.Request, Int?)] = [
      (.windows, nil), (.auto, nil), (.layers, nil), (.layers, least), (.layers, least + (8 << 20)),
    ]
    var plans: [DrawingPlan] = []
    for (number, (request, allowed)) in tries.enumerated() {
      let runner = try runner(folder.path("out\(number)"), options(request, allowed: allowed))
      var plan: DrawingPlan?
      #expect(
        try runner.run { progress in
          if let drawing = progress.drawing, plan == nil { plan = drawing.plan }
          return true
        })
      plans.append(try #require(plan))
      #expect(answers(runner) == expected, "\(request) \(allowed ?? -1)")
    }
    #expect(plans[0].answerCount == 1 && plans[0].kept == .all)
    #expect(plans[1].answerCount == 12 && plans[1].kept == .all && plans[1].readByteCount == 0)
    #expect(plans[3].answerCount <= plans[4].answerCount && plans[3].memoryByteCount <= least)
    // With no room to spare weights are read in each step.
    let smallest = DrawingPlan(
      model, answerCount: 12, contextLength: Self.limit,
      options: EvaluationOptions(mode: .fast, threads: 2), request: .layers,
      limits: MeasuringPlan.Limits(allowed: 0))
    #expect(smallest.answerCount == 1 && smallest.readByteCount > 0 && smallest.memoryByteCount <= least)
    #expect(plans[4].answerCount > 1 && plans[4].memoryByteCount <= least + (8 << 20))
  }

  @Test("after a kill a run goes on within answers")
  func resume() throws {
    let whole = try runner(folder.path("whole"), options(.auto))
    #expect(try whole.run { _ in true })
    let expected = answers(whole)
    for (number, (request, kill)) in [
      (MeasuringPlan.Request.auto, 30), (.auto, 60), (.windows, 25), (.windows, 150),
    ].enumerated() {
      // What is on disk in the middle of a run is what a kill leaves.
      let (out, copy) = (folder.path("killed\(number)"), folder.path("copy\(number)"))
      var calls = 0
      let killed = try runner(out, options(request))
      _ = try killed.run { progress in
        calls += 1
        if calls == kill { try? FileManager.default.copyItem(atPath: out, toPath: copy) }
        return calls < kill
      }
      // Other groups than before.
      let resumed = try runner(copy, options(request == .auto ? .windows : .auto))
      var shares: [Double] = []
      #expect(
        try resumed.run { progress in
          if let drawing = progress.drawing { shares.append(drawing.startedShare) }
          return true
        })
      #expect(answers(resumed) == expected, "killed after \(kill)")
      // The plan is told first; then, before any step, there is what was drawn before the kill.
      #expect(shares[0] == 0 && shares[1] > 0)
    }
  }

  @Test("answers of another run are taken as they are, and nothing is drawn")
  func given() throws {
    let there = try runner(folder.path("there"), options(.auto))
    #expect(try there.run { _ in true })
    let here = try runner(
      folder.path("here"), options(.auto), given: .run(folder: folder.path("there")))
    var hasDrawn = false
    #expect(
      try here.run { progress in
        hasDrawn = hasDrawn || progress.drawing != nil
        return true
      })
    #expect(!hasDrawn)
    #expect(answers(here) == answers(there))
    #expect(here.origins[0] == folder.path("there") + "/base.journal" && here.notes.isEmpty)
    // A run that is not at its end is no source.
    let part = try runner(folder.path("part"), options(.auto))
    var calls = 0
    _ = try part.run { _ in
      calls += 1
      return calls < 20
    }
    let error = #expect(throws: EvaluationError.self) {
      try runner(folder.path("here2"), options(.auto), given: .run(folder: folder.path("part")))
    }
    #expect(error?.code == .answersMismatch && error?.fault.expected == "12 answers")
    #expect(!FileManager.default.fileExists(atPath: folder.path("here2") + "/base.journal"))
  }
}
