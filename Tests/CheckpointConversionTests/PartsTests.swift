import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

/// Outputs that are made in parts and joined are those of one run.
@Suite("Parts of conversions")
struct PartsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tiny(_ change: (inout ConversionRequest) throws -> Void = { _ in }) throws -> ManyOutputs {
    var request = ConversionRequest(source: try TinyGGUF().write(to: folder), outputType: .auto)
    try change(&request)
    return ManyOutputs(request, in: folder)
  }

  /// Sources with rows in their own order, in pairs of halves, with scales, and with importance data.
  private func source(_ index: Int) throws -> ManyOutputs {
    switch index {
    case 0: return try tiny()
    case 1:
      let data = try ManyOutputs.writeImportance(to: folder)
      return try tiny { $0.importancePath = data }
    case 2:
      return ManyOutputs(
        ConversionRequest(source: try TinyCheckpoint(expertWidth: 64).write(in: folder), outputType: .auto),
        in: folder)
    default:
      var stored = try StoredCheckpoint(folder: try TinyCheckpoint(expertWidth: 64).write(in: folder))
      _ = stored.store(as: .fp8Rows)
      return ManyOutputs(
        ConversionRequest(source: try stored.write(in: folder, name: "fp8"), outputType: .auto), in: folder)
    }
  }

  /// Runs one part.
  @discardableResult
  private func run(
    _ part: RunPart, of prepared: [PreparedConversion], threads: Int = 1,
    _ change: (inout ExecutionOptions) -> Void = { _ in }
  ) throws -> ExecutionSummary {
    var options = ExecutionOptions(threadCount: threads)
    options.part = part
    change(&options)
    return try retrying { try PlanExecutor(prepared).run(options) }
  }

  /// Does something again while a lock is held: a process that another test starts holds it until it runs its program.
  private func retrying<Result>(_ body: () throws -> Result) throws -> Result {
    for _ in 0..<50 {
      do {
        return try body()
      } catch let error as ResumeLogError where error.code == .inUse {
        usleep(20_000)
      }
    }
    return try body()
  }

  private func part(_ number: Int, _ count: Int) throws -> RunPart {
    try #require(RunPart(number: number, count: count))
  }

  private func join(_ prepared: [PreparedConversion]) throws -> ExecutionSummary {
    for _ in 0..<20 {
      do {
        return try PlanExecutor(prepared).join(ExecutionOptions(threadCount: 2)) { "make \($0)" }
      } catch let error as ConversionError
        where error.fault.problems.contains(where: { $0.contains("is still going on") })
      {
        usleep(20_000)
      }
    }
    return try PlanExecutor(prepared).join(ExecutionOptions(threadCount: 2)) { "make \($0)" }
  }

  private func joinError(_ prepared: [PreparedConversion]) throws -> Fault {
    let error = #expect(throws: ConversionError.self) { try join(prepared) }
    #expect(error?.code == .partsMissing && error?.faultClass == .failed)
    return try #require(error?.fault)
  }

  @Test(
    "in any order, with any threads and memory, one and several outputs, whole and split",
    arguments: 0..<4, [1, 2, 3, 7])
  func joined(index: Int, count: Int) throws {
    let base = try source(index)
    var generator = SeededGenerator(seed: UInt64(10 * count + index))
    for round in 0..<3 {
      var request = base.request
      if round > 0 { request.splitMaxTensorCount = 3 }
      let many = ManyOutputs(request, in: try TemporaryFolder())
      let choices: [OutputChoice] =
        round == 1 ? [.mix(.q4_K_M)] : [.mix(.q4_K_M), .mix(.bf16), .mix(.q6_K)]
      let prepared = try many.prepare(choices)
      for part in RunPart.all(of: count).shuffled(using: &generator) {
        let summary = try run(part, of: prepared, threads: Int.random(in: 1...3, using: &generator)) {
          $0.maxMemory = Int.random(in: 8_000_000...20_000_000, using: &generator)
        }
        #expect(summary.outputs.allSatisfy { $0.isPart } && summary.paths.isEmpty)
      }
      #expect(prepared.flatMap(\.plan.files).allSatisfy { !FileSystem.isFile($0.path) })
      let summary = try join(prepared)
      #expect(summary.outputs.allSatisfy { $0.isMade } && summary.failure == nil)
      try many.expectFiles(try many.expected(choices), "round \(round)")
    }
  }

  @Test("columns of a source are cut where tiles may end", arguments: [false, true])
  func columns(isCompressed: Bool) throws {
    let made = try ColumnPlan(ColumnPlan.Storage(isCompressed: isCompressed), in: folder)
    let options = ExecutionOptions(threadCount: 2)
    _ = try ColumnPlan.run(made.columns, options)
    let path = try #require(made.columns.files.first?.path)
    let expected = try contents(path)
    FileSystem.remove(path)
    let executor = ColumnPlan.executor(made.columns)
    for part in RunPart.all(of: 3) {
      var options = options
      options.part = part
      _ = try executor.run(options)
    }
    _ = try executor.join(options)
    #expect(try contents(path) == expected)
  }

  @Test("every row is one part's, and parts cost the same", arguments: [1, 2, 3, 7, 50])
  func shares(count: Int) throws {
    var request = ConversionRequest(source: try TinyGGUF().write(to: folder), outputType: .auto)
    for isSplit in [false, true] {
      if isSplit { request.splitMaxTensorCount = 1 }
      let many = ManyOutputs(request, in: try TemporaryFolder())
      let prepared = try many.prepare([.mix(.q4_K_M), .mix(.q8_0), .mix(.bf16)])
      let shares = PartShares(prepared, count: count)
      for (output, conversion) in prepared.enumerated() {
        for (tensor, planned) in conversion.plan.tensors.enumerated() {
          let ranges = RunPart.all(of: count).flatMap {
            shares.rows(of: $0, output: output, tensor: tensor)
          }
          #expect(ranges.reduce(0) { $0 + $1.count } == planned.rowCount, "\(planned.name)")
          #expect(ranges.merged() == [0..<planned.rowCount], "\(planned.name)")
          for part in RunPart.all(of: count)
          where !shares.rows(of: part, output: output, tensor: tensor).isEmpty {
            #expect(shares.files(of: part, output: output).contains(planned.file))
          }
        }
        if isSplit {
          let files = RunPart.all(of: count).flatMap { shares.files(of: $0, output: output) }
          #expect(files.sorted() == Array(conversion.plan.files.indices))
        }
      }
      let mean = shares.costs.reduce(0, +) / Double(count)
      // Pieces of work are what cannot be divided: tiles of 4 KiB, or shards.
      if !isSplit, count < 10 {
        #expect(shares.costs.allSatisfy { abs($0 - mean) < 0.1 * mean }, "\(shares.costs)")
      }
    }
  }

  @Test("quantizing counts, not bytes alone")
  func work() throws {
    // Half of the source is copied, half of it searched.
    var tiny = TinyGGUF()
    tiny.tensors = [
      ("token_embd.weight", [256, 2048], .bf16), ("blk.0.ffn_gate_exps.weight", [256, 512, 4], .bf16),
    ]
    var request = ConversionRequest(source: try tiny.write(to: folder), outputType: .auto)
    request.mixOptions.tokenEmbeddingType = .bf16
    let many = ManyOutputs(request, in: folder)
    let prepared = try many.prepare([.mix(.q4_K_S)])
    let shares = PartShares(prepared, count: 2)
    let names = prepared[0].plan.tensors.map(\.name)
    let copied = try #require(names.firstIndex(of: "token_embd.weight"))
    let searched = try #require(names.firstIndex(of: "blk.0.ffn_gate_exps.weight"))
    let first = try part(1, 2)
    #expect(shares.rows(of: first, output: 0, tensor: copied) == [0..<2048])
    let own = shares.rows(of: first, output: 0, tensor: searched).reduce(0) { $0 + $1.count }
    #expect((600..<1024).contains(own), "\(own) of 2048 rows")
  }

  @Test("a part that is stopped again and again goes on from its own journal; the others lose nothing")
  func resumed() throws {
    let many = try source(2)
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0)]
    let prepared = try many.prepare(choices)
    try run(try part(1, 2), of: prepared)
    let other = try contents(prepared[0].path + ".part-1-of-2.journal")
    var resumedByteCount = 0
    for attempt in 1... {
      let tiles = Atomic<Int>(0)
      do {
        let summary = try run(try part(2, 2), of: prepared) { options in
          options.maxMemory = 3_000_000
          options.onProgress = { _ in tiles.wrappingAdd(1, ordering: .relaxed) }
          options.isCancelled = { tiles.load(ordering: .relaxed) >= 2 }
        }
        resumedByteCount = summary.resumedByteCount
        break
      } catch let error as ConversionError {
        #expect(error.code == .interrupted)
        // A later one may be stopped when nothing but its end is left.
        guard attempt == 1 else { continue }
        let fault = try joinError(prepared)
        #expect(fault.problems.count == 1 && fault.problems[0].hasPrefix("part 2/2 lacks "))
        #expect(fault.problems[0].hasSuffix(": make 2/2"))
      }
      try #require(attempt < 300)
    }
    #expect(resumedByteCount > 0)
    #expect(try contents(prepared[0].path + ".part-1-of-2.journal") == other)
    _ = try join(prepared)
    try many.expectFiles(try many.expected(choices))
  }

  @Test("parts that were not begun are named with the commands that make them")
  func missing() throws {
    let many = try tiny()
    let prepared = try many.prepare([.mix(.q4_K_M)])
    let none = try joinError(prepared)
    #expect(none.found == "no journal of a part" && none.remedy.contains("parts 1/N"))
    try run(try part(3, 4), of: prepared)
    let before = try many.found()
    let fault = try joinError(prepared)
    #expect(
      fault.problems == [1, 2, 4].map { "part \($0)/4 was not begun: make \($0)/4" }, "\(fault.problems)")
    try many.expectFiles(before)
  }

  @Test("bytes that are not those of the journal are found, and made again by the part they belong to")
  func damaged() throws {
    let many = try tiny()
    let choices = [OutputChoice.mix(.q4_K_M)]
    let prepared = try many.prepare(choices)
    for part in RunPart.all(of: 2) { try run(part, of: prepared) }
    let tensor = try #require(prepared[0].plan.tensors.last { $0.rowCount > 1 })
    let file = try WritableFile(path: prepared[0].path + ".partial", mode: .keep)
    try [UInt8](repeating: 0x5A, count: 8).withUnsafeBytes { try file.write($0, at: tensor.offset) }
    let fault = try joinError(prepared)
    #expect(fault.problems.count == 1 && fault.problems[0].contains("not in the file as its journal says"))
    let number = try #require(
      fault.problems[0].description.split(separator: " ").last?.first?.wholeNumberValue)
    try run(try part(number, 2), of: prepared)
    _ = try join(prepared)
    try many.expectFiles(try many.expected(choices))
  }

  @Test("two processes on one part: the second is refused, and the join waits for neither")
  func twice() throws {
    let many = try tiny()
    let prepared = try many.prepare([.mix(.q4_K_M)])
    let seen = Mutex<[String]>([])
    let first = try part(1, 2)
    let joined = Mutex<Fault?>(nil)
    try run(first, of: prepared) { options in
      options.onProgress = { progress in
        guard progress.doneByteCount < progress.totalByteCount, seen.withLock({ $0.isEmpty }) else { return }
        do {
          try self.run(first, of: prepared)
        } catch {
          seen.withLock { $0.append("\((error as? ResumeLogError)?.code == .inUse) \(error)") }
        }
        do { _ = try self.join(prepared) } catch {
          joined.withLock { $0 = (error as? ConversionError)?.fault }
        }
      }
    }
    let refusals = seen.withLock { $0 }
    #expect(refusals.count == 1 && refusals[0].hasPrefix("true "), "\(refusals)")
    #expect(refusals[0].contains("process \(ProcessInfo.processInfo.processIdentifier) on "), "\(refusals)")
    let fault = try #require(joined.withLock { $0 })
    #expect(fault.problems.count == 2 && fault.problems[0].hasPrefix("part 1/2 is still going on"))
    #expect(try many.found().keys.allSatisfy { !$0.hasSuffix(".owner") })
  }

  @Test("parts of other plans, versions, numbers and sets of outputs are refused with the difference")
  func others() throws {
    let many = try tiny { $0.outputType = .mix(.q4_K_M) }
    var request = many.request
    request.outputPath = folder.path("out.gguf")
    let prepared = [try ConversionPlanner.prepareGGUF(request)]
    try run(try part(1, 2), of: prepared)
    func refused(
      _ number: Int, _ count: Int, _ words: String, _ change: (inout ConversionRequest) throws -> Void
    ) throws {
      var other = request
      try change(&other)
      let changed = [try ConversionPlanner.prepareGGUF(other)]
      let error = #expect(throws: ConversionError.self, "\(words)") {
        try run(try part(number, count), of: changed)
      }
      #expect(error?.code == .otherParts && error?.faultClass == .rejected)
      #expect(error?.fault.found.contains(words) == true, "\(error?.fault.found ?? "")")
      let own = changed[0].path + ".part-\(number)-of-\(count).journal"
      #expect(!FileSystem.isFile(own) && !FileSystem.isFile(own + ".owner"))
    }
    let data = try ManyOutputs.writeImportance(to: folder)
    try refused(2, 2, "the output type, flags or output names") { $0.outputType = .mix(.q6_K) }
    try refused(2, 2, "the importance data") { $0.importancePath = data }
    try refused(2, 3, "part 1/2") { _ in }
    // The journal of the part itself.
    var other = request
    other.importancePath = data
    let own = #expect(throws: ResumeLogError.self) {
      try run(try part(1, 2), of: [try ConversionPlanner.prepareGGUF(other)])
    }
    #expect(own?.code == .otherJob && own?.fault.found.contains("the importance data") == true)
    let joined = #expect(throws: ResumeLogError.self) { try join([try ConversionPlanner.prepareGGUF(other)]) }
    #expect(joined?.code == .otherJob)
    // A run without parts, and parts of it.
    let whole = #expect(throws: ConversionError.self) {
      try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 1))
    }
    #expect(whole?.code == .otherParts)
    _ = try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 1, force: true))
    #expect(
      FileSystem.isFile(prepared[0].path) && !FileSystem.isFile(prepared[0].path + ".part-1-of-2.journal"))
  }

  @Test("a part of several outputs does not take up one of fewer")
  func otherSet() throws {
    let many = try tiny()
    let both = try many.prepare([.mix(.q4_K_M), .mix(.q8_0)])
    try run(try part(1, 2), of: both)
    let error = #expect(throws: ConversionError.self) { try run(try part(2, 2), of: [both[0]]) }
    #expect(error?.fault.found.contains("the outputs that are made together") == true)
  }

  @Test(
    "a join that ended while files got their names is finished by the same command", arguments: [0, 1, 2, 3])
  func renamed(count: Int) throws {
    let many = try tiny { $0.splitMaxTensorCount = 3 }
    let choices = [OutputChoice.mix(.q4_K_M)]
    let prepared = try many.prepare(choices)
    for part in RunPart.all(of: 2) { try run(part, of: prepared) }
    let journals = try many.found().filter { $0.key.hasSuffix(".journal") }
    _ = try join(prepared)
    let paths = prepared[0].plan.files.map(\.path)
    try #require(paths.count == 3)
    for path in paths.dropFirst(count) { try FileSystem.rename(path, to: path + ".partial") }
    for (name, bytes) in journals {
      try Data(bytes).write(to: URL(fileURLWithPath: folder.path("many/\(name)")))
    }
    _ = try join(prepared)
    try many.expectFiles(try many.expected(choices))
    // Once more there is nothing to join.
    let error = #expect(throws: ConversionError.self) { try join(prepared) }
    #expect(error?.code == .outputExists)
  }

  @Test("a join that ended while it removed journals is finished by the same command")
  func journalsLeft() throws {
    let many = try tiny()
    let prepared = try many.prepare([.mix(.q4_K_M)])
    for part in RunPart.all(of: 3) { try run(part, of: prepared) }
    let path = prepared[0].path + ".part-3-of-3.journal"
    let journal = try contents(path)
    _ = try join(prepared)
    try Data(journal).write(to: URL(fileURLWithPath: path))
    #expect(try join(prepared).outputs[0].isKept)
    try many.expectFiles(try many.expected([.mix(.q4_K_M)]))
  }

  @Test("another file in the way is kept")
  func inTheWay() throws {
    let many = try tiny()
    let prepared = try many.prepare([.mix(.q4_K_M)])
    for part in RunPart.all(of: 2) { try run(part, of: prepared) }
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: prepared[0].path))
    for error in [
      #expect(throws: ConversionError.self) { try join(prepared) },
      #expect(throws: ConversionError.self) { try run(try part(1, 2), of: prepared) },
    ] { #expect(error?.code == .outputExists) }
    #expect(try contents(prepared[0].path) == [1, 2, 3])
  }

  @Test("more parts than work: what has nothing to do need not be run")
  func emptyParts() throws {
    let many = try tiny { $0.splitMaxTensorCount = 4 }
    let prepared = try many.prepare([.mix(.q4_K_M)])
    let files = prepared[0].plan.files.count
    try #require(files == 2)
    let count = 5
    let outlines = RunPart.all(of: count).map { PlanExecutor(prepared).outline(of: $0) }
    #expect(outlines.filter { $0.share > 0 }.count == files)
    #expect(outlines.flatMap(\.shards).sorted() == prepared[0].plan.files.map(\.path).sorted())
    for outline in outlines where outline.share > 0 { try run(outline.part, of: prepared) }
    _ = try join(prepared)
    try many.expectFiles(try many.expected([.mix(.q4_K_M)]))
  }

  @Test("shards that parts made in folders of their own are joined in one")
  func folders() throws {
    let base = try tiny { $0.splitMaxTensorCount = 2 }
    let many = ManyOutputs(base.request, in: try TemporaryFolder())
    let prepared = try many.prepare([.mix(.q4_K_M)])
    for part in RunPart.all(of: 3) {
      let own = ManyOutputs(base.request, in: try TemporaryFolder())
      try run(part, of: try own.prepare([.mix(.q4_K_M)]))
      for (name, bytes) in try own.found() {
        #expect(!FileSystem.isFile(many.folder.path("many/\(name)")), "\(name)")
        try Data(bytes).write(to: URL(fileURLWithPath: many.folder.path("many/\(name)")))
      }
    }
    _ = try join(prepared)
    try many.expectFiles(try many.expected([.mix(.q4_K_M)]))
  }
}
