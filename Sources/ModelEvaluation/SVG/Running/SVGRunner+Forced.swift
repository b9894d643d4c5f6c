internal import ReferenceRuntime

extension SVGRunner {
  /// An answer of the base that some contestants have not read yet.
  private struct Reading {
    /// The number of the prompt.
    var prompt: Int
    var answer: [Int32]
    var hash: UInt64
    /// Contestants, by number.
    var missing: [Int]
  }

  /// Has the contestants read the base's answers, as far as they have not.
  func runForced(_ progress: inout Progress, length: Int, _ onProgress: (Progress) -> Bool) throws -> Bool {
    var readings: [Reading] = []
    for number in ownPrompts {
      let prompt = prompts.prompts[number]
      guard let answer = records[0].answer(prompt.id, variant: 0) else { continue }
      let hash = Self.hash(answer.tokens)
      let missing = contestants.indices.dropFirst().filter {
        records[$0].forced(prompt.id, answerHash: hash) == nil
      }
      let known = contestants.count - 1 - missing.count
      progress.done += known
      progress.resumed += known
      if !missing.isEmpty {
        readings.append(Reading(prompt: number, answer: answer.tokens, hash: hash, missing: missing))
      }
    }
    guard let longest = readings.map({ input(of: $0).count }).max() else { return true }
    let used = [0] + Set(readings.flatMap(\.missing)).sorted()
    let plan = try plan(used, answers: readings.count, longest: longest)
    let forcing = TeacherForcing(contestants[0].tokenizer)
    switch plan.schedule {
    case .windows: return try runInTurn(readings, forcing, &progress, length: length, onProgress)
    case .layers(let size, let groupOptions):
      var groups: [Int: GroupSession] = [:]
      for index in used {
        groups[index] = GroupSession(
          model: contestants[index].model, contextLength: length, mode: contestants[index].mode,
          threads: options.threads, cacheType: contestants[index].cacheType, options: groupOptions)
      }
      for start in stride(from: 0, to: readings.count, by: size) {
        let some = Array(readings[start..<min(start + size, readings.count)])
        guard try runTogether(some, groups, forcing, &progress, onProgress) else { return false }
      }
      return true
    }
  }

  /// The order of answers and layers for some contestants, by number; `others` is the least that other work needs.
  func plan(_ used: [Int], answers: Int, longest: Int, others: Int = 0) throws -> MeasuringPlan {
    let models = used.map { contestants[$0].model }
    let evaluation = EvaluationOptions(mode: options.mode, threads: options.threads)
    let least = MeasuringPlan.Least(models, length: longest, options: evaluation, held: options.limits.held)
    return try MeasuringPlan(
      models, windowCount: answers, length: longest, options: evaluation, request: options.request,
      limits: options.limits, least: least.atLeast(others))
  }

  private func input(of reading: Reading) -> [Int32] {
    TeacherForcing.input(prompt: promptTokens[reading.prompt], answer: reading.answer)
  }

  /// One answer after the other.
  private func runInTurn(
    _ readings: [Reading], _ forcing: TeacherForcing, _ progress: inout Progress, length: Int,
    _ onProgress: (Progress) -> Bool
  ) throws -> Bool {
    var sessions: [Session?] = contestants.map { _ in nil }
    for reading in readings {
      progress.task = "all models read the base's answer to \(prompts.prompts[reading.prompt].id)"
      guard onProgress(progress) else { return false }
      for index in [0] + reading.missing where sessions[index] == nil {
        sessions[index] = try makeSession(contestants[index], length: length)
      }
      guard let base = sessions[0] else { continue }
      try score(
        reading, forcing, base: .single(base),
        tested: reading.missing.compactMap { sessions[$0] }.map { .single($0) })
      progress.done += reading.missing.count
    }
    return true
  }

  /// Several answers layer by layer, one contestant after the other.
  private func runTogether(
    _ readings: [Reading], _ groups: [Int: GroupSession], _ forcing: TeacherForcing,
    _ progress: inout Progress,
    _ onProgress: (Progress) -> Bool
  ) throws -> Bool {
    for group in groups.values { group.releaseOutput() }
    var members: [Int: [Int]] = [:]
    for index in groups.keys.sorted() {
      let own = readings.indices.filter { index == 0 || readings[$0].missing.contains(index) }
      guard !own.isEmpty, let group = groups[index] else { continue }
      let label = contestants[index].label
      let isWhole = try group.run(
        own.map { input(of: readings[$0]) },
        onStep: { step in
          progress.task =
            "\(label) reads \(own.count) answers of the base, layer \(step.layer + 1) of \(step.layerCount)"
          return onProgress(progress)
        })
      guard isWhole else { return false }
      members[index] = own
    }
    for (number, reading) in readings.enumerated() {
      guard onProgress(progress) else { return false }
      func reader(_ index: Int) -> TeacherForcing.Reader? {
        guard let group = groups[index], let place = members[index]?.firstIndex(of: number) else {
          return nil
        }
        return .group(group, sequence: place)
      }
      guard let base = reader(0) else { continue }
      try score(reading, forcing, base: base, tested: reading.missing.compactMap(reader))
      progress.done += reading.missing.count
    }
    return true
  }

  private func score(
    _ reading: Reading, _ forcing: TeacherForcing, base: TeacherForcing.Reader,
    tested: [TeacherForcing.Reader]
  ) throws {
    let scores = try forcing.run(
      prompt: promptTokens[reading.prompt], answer: reading.answer, base: base, tested: tested)
    let id = prompts.prompts[reading.prompt].id
    for (index, score) in zip(reading.missing, scores) {
      try records[index].append(.forced(ForcedRecord(prompt: id, answerHash: reading.hash, score: score)))
    }
  }
}
