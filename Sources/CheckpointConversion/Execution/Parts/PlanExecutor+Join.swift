package import FileBytes
internal import Synchronization

extension PlanExecutor {
  /// Makes complete outputs of what the parts of a run have made.
  ///
  /// Checks that every part is there and of this very job, reads back all rows and compares them with the journals, writes
  /// the headers, and gives the outputs their names. Killed at any moment, it can be run again.
  ///
  /// - Parameters:
  ///   - options: How it is done.
  ///   - command: The command that makes a part, for messages of programs that have one.
  /// - Returns: What became of every output.
  /// - Throws: ``ConversionError`` with `partsMissing`, naming every part that is not complete, or `otherParts`;
  ///   `ResumeLogError` for journals of other jobs; `FileError`. Nothing is changed then.
  package func join(_ options: ExecutionOptions, command: ((RunPart) -> String)? = nil) throws
    -> ExecutionSummary
  {
    let count = try partCount()
    let shares = PartShares(outputs, count: count)
    let finished = outputs.indices.filter { outputs[$0].isJoined }
    let wanted = outputs.indices.filter { !finished.contains($0) }
    let all = PartJournals(outputs: outputs, shares: shares, indices: Array(outputs.indices))
    try refuseExisting(wanted.map { outputs[$0] }, options)
    var problems: [RunPart: Wording] = [:]
    var journals: [[Journal]] = []
    for index in outputs.indices {
      var own: [Journal] = []
      for part in RunPart.all(of: count) {
        let path = outputs[index].journalPath(of: part)
        guard FileSystem.isFile(path) else {
          if wanted.contains(index), !shares.isEmpty(part, output: index) {
            problems[part] = problems[part] ?? "was not begun"
          }
          continue
        }
        do {
          own.append(
            try Journal(
              path: path, fingerprint: all.fingerprint(index, part), words: .journal, isShared: true,
              onWait: options.onWait))
        } catch let error as ResumeLogError where error.code == .inUse {
          problems[part] = "is still going on (\(error.fault.found))"
        }
      }
      journals.append(own)
    }
    for index in wanted {
      for part in RunPart.all(of: count) where problems[part] == nil {
        let share = try missingShare(index, part, journals[index].flatMap(\.existing), shares)
        if share > 0 { problems[part] = "lacks \(Self.percent(share)) of its rows" }
      }
    }
    try refuse(problems, of: count, command)
    if !options.force {
      for index in wanted { try outputs[index].takeBackRenamed() }
    }
    let total = wanted.reduce(0) { $0 + outputs[$1].plan.tensorByteCount }
    let checked = Atomic<Int>(0)
    var writers: [Int: OutputWriter] = [:]
    for index in wanted {
      let writer = try OutputWriter(
        outputs[index], joining: journals[index], options,
        onVerified: { byteCount in
          let done = checked.wrappingAdd(byteCount, ordering: .relaxed).newValue
          options.onProgress?(
            ExecutionProgress(doneByteCount: done, totalByteCount: total, resumedByteCount: 0))
        })
      writer.stopFlushing()
      writers[index] = writer
      for part in RunPart.all(of: count) {
        let missing = outputs[index].plan.tensors.indices.reduce(0) { sum, tensor in
          let own = shares.rows(of: part, output: index, tensor: tensor)
          return sum + writer.missing(own, of: tensor).reduce(0) { $0 + $1.count }
        }
        if missing > 0 {
          problems[part] = "has \(missing) rows that are not in the file as its journal says"
        }
      }
    }
    try refuse(problems, of: count, command)
    let states = try outputs.indices.map { index in
      guard let writer = writers[index] else {
        return ExecutionSummary.Output(plan: outputs[index].plan, state: .kept)
      }
      let losses = try writer.lostWeights(refuses: options.refusesLosses)
      try writer.finish()
      return ExecutionSummary.Output(
        plan: outputs[index].plan, state: .made, resumedByteCount: writer.resumedByteCount, losses: losses)
    }
    for journal in journals.joined() { journal.remove() }
    let work = WorkUnion(outputs)
    return ExecutionSummary(
      outputs: states, sourceByteCount: work.sourceByteCount, resumedByteCount: work.sourceByteCount,
      bufferByteCount: 0, sharing: Sharing([], of: work))
  }

  /// How many parts the journals say there are.
  private func partCount() throws -> Int {
    let first = outputs[0]
    var found: [(output: PreparedConversion, part: RunPart)] = []
    for output in outputs { found += output.partsWithJournal.map { (output, $0) } }
    for output in outputs where !output.isJoined { try output.refuseJournal(wanted: "parts to join") }
    guard let any = found.first else {
      if outputs.contains(where: \.isComplete) {
        throw ConversionError(
          .outputExists,
          Fault(
            file: first.path, expected: "parts to join",
            found: "no journal of a part, and a file of this name",
            remedy: "it may have been joined before; pouch-validate checks it"))
      }
      throw ConversionError(
        .partsMissing,
        Fault(
          file: first.path, expected: "parts to join", found: "no journal of a part",
          remedy:
            "make them with \(.part) 1/N to \(.part) N/N, each with the same settings and the same output")
      )
    }
    if let other = found.first(where: { $0.part.count != any.part.count }) {
      throw other.output.otherParts(
        expected: "parts of one number", found: "part \(any.part) and of part \(other.part)")
    }
    return any.part.count
  }

  /// The share of a part's rows that no journal knows.
  private func missingShare(
    _ output: Int, _ part: RunPart, _ records: [TileRecord], _ shares: PartShares
  ) throws -> Double {
    var known: [Int: [Range<Int>]] = [:]
    for record in records {
      guard record.firstRow >= 0, record.rowCount > 0 else { continue }
      let (end, overflow) = record.firstRow.addingReportingOverflow(record.rowCount)
      if !overflow { known[record.tensor, default: []].append(record.firstRow..<end) }
    }
    known = known.mapValues { $0.merged() }
    var (missing, all) = (0, 0)
    for (tensor, planned) in outputs[output].plan.tensors.enumerated() {
      let own = shares.rows(of: part, output: output, tensor: tensor)
      all += own.reduce(0) { $0 + $1.count } * planned.rowLength
      missing += own.subtracting(known[tensor] ?? []).reduce(0) { $0 + $1.count } * planned.rowLength
    }
    return all > 0 ? Double(missing) / Double(all) : 0
  }

  private func refuse(
    _ problems: [RunPart: Wording], of count: Int, _ command: ((RunPart) -> String)?
  ) throws {
    guard !problems.isEmpty else { return }
    let sorted = problems.sorted { $0.key.number < $1.key.number }
    throw ConversionError(
      .partsMissing,
      Fault(
        file: outputs[0].path, subject: "\(.join)", expected: "\(count) complete parts",
        found: "\(count - problems.count)",
        problems: sorted.map { part, problem in
          "part \(part) \(problem)" + (command.map { ": \($0(part))" } ?? "")
        },
        remedy: command == nil
          ? "make these parts, in any order or at the same time, then join again"
          : "run these commands, in any order or at the same time, then join again"))
  }

  /// Hundredths of a percent, rounded up, so that what is missing is never 0.
  private static func percent(_ share: Double) -> String {
    let hundredths = max(1, Int((share * 10_000).rounded(.up)))
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) %"
  }
}
