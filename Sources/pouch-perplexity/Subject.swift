import CommandSupport
import FileBytes
import ModelEvaluation
import ReferenceRuntime
import TensorCompute
import TextTokenizers

/// A model that is measured, with the windows it will read.
struct Subject {
  var path: String
  var model: LoadedModel
  var tokenizer: Tokenizer
  /// Tokens of the whole text.
  var tokenCount: Int
  var windows: TokenWindows
  /// How keys and values are kept.
  var cache = CacheType.f32

  /// What reports call the model.
  var title: String { RemoteFiles.title(of: path) }

  /// The title, and the cache where it is not the usual one.
  var name: String { cache == .f32 ? title : "\(title) with a cache of \(cache)" }

  /// The arithmetic of taking windows through the model, and of their logits.
  func work(windows count: Int, _ mode: ComputeMode) -> Double {
    model.work(tokens: count * windows.length, logits: 0, mode: mode) + logitWork(mode, windows: count)
  }

  /// The arithmetic of the logits of windows.
  func logitWork(_ mode: ComputeMode, windows count: Int = 1) -> Double {
    model.work(tokens: 0, logits: count * windows.scoredPerWindow, mode: mode)
  }
}

extension TokenWindows {
  /// Windows that an earlier run has not finished.
  func left(_ state: RunState?, part: Int = 0) -> Int {
    (0..<count).count { state?.isRecorded(part: part, window: number($0)) != true }
  }
}

extension MeasuringPlan {
  /// Whether windows go in groups.
  var isLayered: Bool { schedule != .windows }
}

extension MeasuringPlan.Request {
  init(_ flag: ScheduleFlag) {
    switch flag {
    case .auto: self = .auto
    case .layers: self = .layers
    case .windows: self = .windows
    }
  }
}

extension Command {
  /// How models are run, in an order of windows and layers.
  func options(_ schedule: WindowSchedule = .windows, cache: CacheType = .f32) -> EvaluationOptions {
    EvaluationOptions(
      mode: mode.mode, threads: threads, cacheType: cache, batchLength: batchSize, schedule: schedule)
  }

  /// The cache that is measured beside that of f32; `nil` when none is asked for.
  func wantedCache() throws -> CacheType? {
    let (key, value) = try cache.types()
    let type = CacheType(key: key, value: value)
    return type == .f32 ? nil : type
  }

  /// The tested models; each also with the cache that is asked for, right behind itself.
  func subjects(_ text: EvaluationText) throws -> [Subject] {
    let cache = try wantedCache()
    return try model.flatMap { try pair(try subject($0, text), cache) }
  }

  /// A model, and the same with another cache.
  func pair(_ subject: Subject, _ cache: CacheType?) throws -> [Subject] {
    guard let cache else { return [subject] }
    try cache.check(subject.model)
    var other = subject
    other.cache = cache
    return [subject, other]
  }
  var limit: Int? { chunks < 0 ? nil : chunks }

  /// Opens a model and reads its tokenizer.
  func open(_ path: String) throws -> MeasuredModel {
    let opened = try MeasuredModel(path: path)
    for warning in opened.model.warnings { Standard.error("Warning: \(warning)") }
    return opened
  }

  func readText() throws -> EvaluationText {
    if let text { return try EvaluationText(path: text) }
    return try EvaluationText.builtin()
  }

  /// Opens a model, cuts the text into windows, and makes sure that it can read them.
  func subject(_ path: String, _ text: EvaluationText) throws -> Subject {
    let opened = try open(path)
    let cut = WindowCut(
      length: contextSize, stride: pplStride > 0 ? pplStride : nil, skip: fromChunk, limit: limit)
    let (windows, tokenCount) = try opened.windows(of: text, cut)
    return Subject(
      path: path, model: opened.model, tokenizer: opened.tokenizer, tokenCount: tokenCount, windows: windows)
  }

  func check(_ model: LoadedModel, _ windows: TokenWindows) throws {
    try WindowEvaluator.checkContext(model, windows.length)
    try WindowEvaluator.check(model, windows)
  }

  /// Prints what is measured and how, once for all models that read the same tokens.
  func printProtocol(_ text: EvaluationText, _ subjects: [Subject]) {
    Standard.error(
      "text \(text.path): \(text.byteCount) bytes, xxh64 \(text.hashText)"
        + (text.licence.map { "; \($0)" } ?? ""))
    let isShared = subjects.allSatisfy { $0.windows == subjects[0].windows }
    for subject in isShared ? Array(subjects.prefix(1)) : subjects {
      Standard.error(
        (isShared ? "" : "\(subject.name): ")
          + "\(subject.tokenCount) tokens; \(subject.windows.protocolText)"
          + (fromChunk > 0 ? ", the first being number \(fromChunk + 1); " : "; ")
          + "mode \(mode.rawValue)")
    }
  }

  /// The memory that decides the order of windows and layers.
  private var limits: MeasuringPlan.Limits {
    MeasuringPlan.Limits.ofMachine(allowed: measuring.maxMemory?.byteCount)
  }

  /// Chooses the order of windows and layers for models that take turns, and says what it takes.
  ///
  /// - Parameters:
  ///   - models: The models.
  ///   - windows: The windows.
  ///   - left: How many of them are to be measured.
  /// - Returns: The order, and what it takes.
  /// - Throws: `EvaluationError` with `memoryLimit`.
  func plan(_ models: [LoadedModel], _ windows: TokenWindows, left: Int) throws -> MeasuringPlan {
    let plan = try MeasuringPlan(
      models, windowCount: left, length: windows.length, options: options(),
      request: MeasuringPlan.Request(measuring.schedule), limits: limits)
    sayCost(plan, windowCount: left)
    return plan
  }

  /// The plans of models that are measured one after the other: all go layer by layer when one has to.
  ///
  /// - Parameters:
  ///   - subjects: The models.
  ///   - state: What an earlier run made.
  /// - Returns: A plan for each, and the work of all that go layer by layer.
  /// - Throws: `EvaluationError` with `memoryLimit`.
  func plans(_ subjects: [Subject], _ state: RunState?) throws -> (
    plans: [MeasuringPlan], groups: GroupProgress
  ) {
    let left = subjects.enumerated().map { part, subject in subject.windows.left(state, part: part) }
    let limits = limits
    let least = MeasuringPlan.Least.most(
      of: subjects.map {
        MeasuringPlan.Least(
          [$0.model], length: $0.windows.length, options: options(), held: limits.held)
      })
    func make(_ request: ScheduleFlag) throws -> [MeasuringPlan] {
      try zip(subjects, left).map { subject, left in
        try MeasuringPlan(
          [subject.model], windowCount: left, length: subject.windows.length, options: options(),
          request: MeasuringPlan.Request(request), limits: limits, least: least)
      }
    }
    var plans = try make(measuring.schedule)
    if plans.contains(where: \.isLayered), !plans.allSatisfy(\.isLayered) { plans = try make(.layers) }
    var (work, byteCount) = (0.0, 0)
    for (index, plan) in plans.enumerated() {
      sayCost(plan, windowCount: left[index], subjects.count > 1 ? subjects[index].name : nil)
      guard plan.isLayered else { continue }
      work += subjects[index].work(windows: left[index], mode.mode)
      byteCount += plan.readByteCount
    }
    return (plans, GroupProgress(work: work, byteCount: byteCount))
  }

  /// Says what a plan takes, unless an earlier run has done all of it.
  private func sayCost(_ plan: MeasuringPlan, windowCount: Int, _ path: String? = nil) {
    guard windowCount > 0 else { return }
    for line in MeasuringCost(plan, windowCount: windowCount).lines(ByteSize.text) {
      Standard.error((path.map { "\($0): " } ?? "") + line)
    }
  }

  /// Whether windows are kept, or were.
  var keepsState: Bool { resume != nil || !join.isEmpty }

  /// Whether parts are joined, and nothing is measured.
  var isJoining: Bool { !join.isEmpty }

  /// Whether numbers are printed for people.
  var printsNumbers: Bool { !json && part == nil }

  /// The windows of a model that this run measures, of all those of the text.
  func own(_ windows: TokenWindows) throws -> TokenWindows {
    try PartArgument.read(part).map(windows.part) ?? windows
  }

  /// Opens the state of a run, when one is wanted.
  func state(
    _ task: String, _ text: EvaluationText?, _ windows: [TokenWindows], isTogether: Bool = false,
    base: String? = nil, output: String? = nil
  ) throws -> RunState? {
    guard keepsState else { return nil }
    let fingerprint = Fingerprint(
      version: pouchVersionNumber, task: task,
      procedure: windows[0].protocolText + ", mode " + mode.rawValue
        + (try wantedCache().map { ", cache of \($0)" } ?? ""),
      text: text, windows: windows, models: try model.map(ModelFingerprint.ofModel), base: base,
      output: output)
    guard let resume else {
      // Models that read a window together are recorded together.
      return try RunState(
        joining: join, fingerprint: fingerprint, windows: isTogether ? Array(windows.prefix(1)) : windows
      ) { part, path in
        CommandLineText.making(part, ["--resume", path ?? "NEW-STATE"])
      }
    }
    let state = try RunState(path: resume, fingerprint: fingerprint, part: try PartArgument.read(part)) {
      Standard.error("waiting until it is sure that \($0), which began this part, is dead")
    }
    if state.resumedWindowCount > 0 {
      Standard.error("\(resume): \(state.resumedWindowCount) windows are done")
    }
    return state
  }

  /// Refuses to replace a file without `--force`.
  func checkOutput(_ path: String) throws {
    try OutputPlace.check(
      path, subject: "--kl-divergence-base", replaces: force,
      remedy: "read it by adding --kl-divergence, or replace it by adding --force")
  }
}
