import CheckpointConversion
import FileBytes
import Foundation
import ImportanceData
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

/// The files of a run with several outputs are those of runs with one.
@Suite("Many outputs")
struct ManyOutputsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tiny(_ change: (inout ConversionRequest) throws -> Void = { _ in }) throws -> ManyOutputs {
    var request = ConversionRequest(source: try TinyGGUF().write(to: folder), outputType: .auto)
    request.writesProvenance = true
    try change(&request)
    return ManyOutputs(request, in: folder)
  }

  /// Sources and what is chosen for them; the index comes from the test's arguments.
  private static let sourceCount = 7
  private func source(_ index: Int) throws -> (outputs: ManyOutputs, mixes: [StockMix]) {
    let quantized: [StockMix] = [
      .q2_K, .q3_K_S, .q3_K_M, .q3_K_L, .q4_0, .q4_K_S, .q4_K_M, .q5_K_S, .q5_K_M, .q6_K, .q8_0, .iq4_XS,
      .iq4_NL,
    ]
    let all: [StockMix] = quantized + [.bf16, .f16, .f32, .mxfp4_MOE]
    func checkpoint(_ change: (inout TinyCheckpoint) -> Void = { _ in }) throws -> ManyOutputs {
      var tiny = TinyCheckpoint(expertWidth: 64)
      change(&tiny)
      var request = ConversionRequest(source: try tiny.write(in: folder), outputType: .auto)
      request.writesProvenance = true
      return ManyOutputs(request, in: folder)
    }
    switch index {
    case 0: return (try tiny(), all)
    case 1:
      let data = try ManyOutputs.writeImportance(to: folder)
      return (try tiny { $0.importancePath = data }, all)
    case 2:
      let data = try ManyOutputs.writeImportance(to: folder)
      return (
        try tiny {
          $0.importancePath = data
          $0.blindExperts = .layerMean
          $0.mixOptions.outputTensorType = .q8_0
        }, quantized
      )
    case 3:
      // Blocks of a source that some outputs copy and others decode.
      var q8 = ConversionRequest(source: try TinyGGUF().write(to: folder), outputType: .mix(.q8_0))
      q8.outputPath = folder.path("q8.gguf")
      _ = try ConversionPlanner.prepareGGUF(q8).executor.run(ExecutionOptions(threadCount: 1))
      var request = ConversionRequest(source: folder.path("q8.gguf"), outputType: .auto)
      request.mixOptions.allowRequantize = true
      return (ManyOutputs(request, in: folder), quantized + [.copy])
    case 4: return (try checkpoint(), all)
    case 5:
      // A matrix of f32 among others of bf16: rounded to f16 for one output, to bf16 for others, to nothing for f32.
      return (
        try checkpoint { checkpoint in
          checkpoint.change("model.layers.0.self_attn.q_proj.weight") { tensor in
            tensor.type = "F32"
            var generator = SeededGenerator(seed: 5)
            tensor.bytes = (0..<(tensor.bytes.count / 2)).flatMap { _ in
              ElementCodes.f32(Float.random(in: -0.25...0.25, using: &generator))
            }
          }
        }, all
      )
    default:
      let plain = try checkpoint()
      var stored = try StoredCheckpoint(folder: plain.request.source)
      _ = stored.store(as: .fp8Rows)
      let fp8 = try TemporaryFolder()
      var request = plain.request
      request.source = try stored.write(in: folder, name: "fp8-\(fp8.url.lastPathComponent)")
      return (ManyOutputs(request, in: folder), all)
    }
  }

  @Test("every set of outputs has the bytes of single runs", arguments: 0..<sourceCount)
  func randomSets(index: Int) throws {
    let (many, mixes) = try source(index)
    var generator = SeededGenerator(seed: UInt64(100 + index))
    for round in 0..<max(2, fuzzRounds(6)) {
      var many = many
      if many.isCheckpoint || round % 3 == 2 {
        var request = many.request
        if round % 3 == 2 { request.splitMaxTensorCount = 5 }
        many = ManyOutputs(request, in: try TemporaryFolder())
      }
      var choices = mixes.shuffled(using: &generator).prefix(Int.random(in: 2...6, using: &generator))
        .map(OutputChoice.mix)
      if round % 2 == 1 {
        choices.insert(OutputChoice(try RecipeLibrary.recipe("q5_k_m")), at: 0)
        // Its name differs from the mix's in case alone.
        choices.removeAll { $0.recipe == nil && $0.type == .mix(.q5_K_M) }
      }
      let place = "many-\(round)"
      let threads = Int.random(in: 1...3, using: &generator)
      var options = ExecutionOptions(threadCount: threads)
      // The least memory, and somewhat more.
      let limit = try leastMemory(PlanExecutor(try many.prepare(choices, in: place)), threads)
      options.maxMemory = limit + Int.random(in: 0...200_000, using: &generator)
      let executor = PlanExecutor(try many.prepare(choices, in: place))
      let summary = try executor.run(options)
      #expect(summary.bufferByteCount <= options.maxMemory)
      #expect(summary.outputs.allSatisfy { $0.isMade } && summary.failure == nil)
      try many.expectFiles(try many.expected(choices), in: place, "round \(round): \(choices.map(\.type))")
    }
  }

  /// The limit that an executor asks for when it gets too little.
  private func leastMemory(_ executor: PlanExecutor, _ threads: Int) throws -> Int {
    let error = #expect(throws: ConversionError.self) {
      try executor.run(ExecutionOptions(threadCount: threads, maxMemory: 1000))
    }
    #expect(error?.code == .memoryLimitTooSmall)
    let words = try #require(error?.fault.expected.description.split(separator: " "))
    return try #require(words.compactMap { Int($0) }.first)
  }

  @Test("sharing counts each type of a tensor once, and what single runs would do")
  func sharing() throws {
    let many = try tiny()
    let prepared = try many.prepare([.mix(.q4_K_M), .mix(.q6_K), .mix(.bf16), .mix(.q4_K_S)])
    var searched: [String: Int] = [:]
    var wanted = 0
    for tensor in prepared.flatMap(\.plan.tensors) where tensor.type.isQuantized {
      searched[tensor.name + tensor.type.name] = tensor.elementCount
      wanted += tensor.elementCount
    }
    let options = ExecutionOptions(threadCount: 2, maxMemory: 4 << 20)
    let sharing = try PlanExecutor(prepared).sharing(without: [], options)
    #expect(sharing.searchedWeights == searched.values.reduce(0, +) && sharing.wantedWeights == wanted)
    let read = TinyGGUF().tensors.reduce(0) { $0 + $1.shape.reduce(1, *) * ($1.type == .f32 ? 4 : 2) }
    #expect(sharing.readBytes == read && sharing.wantedBytes == 4 * read)
    #expect(sharing.searchedWeights < sharing.wantedWeights)
    #expect(try PlanExecutor(prepared).run(options).sharing == sharing)
  }

  @Test(
    "a run that is stopped again and again, with other limits, ends with the same bytes",
    arguments: [(0, 40), (1, 40), (4, 4)])
  func resumed(index: Int, tilesPerRun: Int) throws {
    let (many, _) = try source(index)
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.bf16), .mix(.q6_K), .mix(.q3_K_L)]
    let expected = try many.expected(choices)
    let executor = PlanExecutor(try many.prepare(choices))
    let limit = try leastMemory(executor, 1)
    var resumedByteCount = 0
    for attempt in 1... {
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        threadCount: 1, maxMemory: limit + 30_000 * (attempt % 3),
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= tilesPerRun })
      do {
        resumedByteCount = try executor.run(options).resumedByteCount
        break
      } catch let error as ConversionError {
        #expect(error.code == .interrupted)
      } catch let error as ResumeLogError {
        // A process that another test starts holds the lock until it runs its program.
        #expect(error.code == .inUse)
      }
      try #require(attempt < 300)
    }
    #expect(resumedByteCount > 0)
    try many.expectFiles(expected)
  }

  /// Runs until some tiles are done, then stops.
  private func interrupt(_ executor: PlanExecutor, after count: Int = 3) throws {
    let tiles = Atomic<Int>(0)
    let options = ExecutionOptions(
      threadCount: 1, maxMemory: try leastMemory(executor, 1) + 100_000,
      onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
      isCancelled: { tiles.load(ordering: .relaxed) >= count })
    let error = #expect(throws: ConversionError.self) { try executor.run(options) }
    #expect(error?.code == .interrupted)
  }

  @Test("runs of one and of several outputs continue each other")
  func mixedRuns() throws {
    let many = try tiny()
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0), .mix(.q6_K)]
    let expected = try many.expected(choices)
    let prepared = try many.prepare(choices)
    // Each has other rows when all of them begin together.
    try interrupt(prepared[0].executor, after: 2)
    try interrupt(prepared[2].executor, after: 4)
    try interrupt(PlanExecutor(prepared), after: 5)
    let alone = try prepared[2].executor.run(ExecutionOptions(threadCount: 1))
    #expect(alone.resumedByteCount > 0)
    let summary = try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 2))
    #expect(summary.outputs.map { $0.isKept } == [false, false, true])
    try many.expectFiles(expected)
  }

  @Test("an output that is removed is made again alone, the others are kept")
  func removed() throws {
    let many = try tiny { $0.splitMaxTensorCount = 4 }
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0), .mix(.bf16)]
    let executor = PlanExecutor(try many.prepare(choices))
    _ = try executor.run(ExecutionOptions(threadCount: 2))
    let files = try many.found()
    #expect(files.count == 6)
    // All are there: nothing is made, as with one output.
    let error = #expect(throws: ConversionError.self) { try executor.run(ExecutionOptions(threadCount: 2)) }
    #expect(error?.code == .outputExists && error?.fault.found.contains("as do 5 more") == true)
    let prepared = try many.prepare(choices)
    for file in prepared[1].plan.files { FileSystem.remove(file.path) }
    let summary = try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 2))
    #expect(summary.outputs.map { $0.isKept } == [true, false, true] && summary.paths.count == 2)
    // Q8_0 alone is searched, once.
    #expect(summary.sharing.searchedWeights == summary.sharing.wantedWeights)
    #expect(summary.sharing.readBytes == summary.sharing.wantedBytes)
    try many.expectFiles(files)
  }

  @Test("a file in the way that is not proven to be of the same plan is refused, and nothing is written")
  func inTheWay() throws {
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0)]
    func refused(_ many: ManyOutputs, _ what: Comment) throws {
      let before = try many.found()
      let error = #expect(throws: ConversionError.self, what) {
        try PlanExecutor(try many.prepare(choices)).run(ExecutionOptions(threadCount: 1))
      }
      #expect(error?.code == .outputExists, what)
      try many.expectFiles(before, what)
    }
    let many = try tiny()
    let prepared = try many.prepare(choices)
    _ = try prepared[1].executor.run(ExecutionOptions(threadCount: 1))
    let good = try contents(prepared[1].path)
    let file = URL(fileURLWithPath: prepared[1].path)
    // Another size; another header.
    try Data(good.dropLast()).write(to: file)
    try refused(many, "shorter")
    var bad = good
    bad[300] ^= 1
    try Data(bad).write(to: file)
    try refused(many, "other header")
    // Of another training with the same shapes.
    var other = TinyGGUF()
    other.seed = 2
    try Data(good).write(to: file)
    _ = try other.write(to: folder)
    try refused(many, "other source")
    // Without its origin a file proves nothing.
    _ = try TinyGGUF().write(to: folder)
    let bare = try tiny { $0.writesProvenance = false }
    FileSystem.remove(file.path)
    _ = try bare.prepare(choices)[1].executor.run(ExecutionOptions(threadCount: 1))
    try refused(bare, "no provenance")
    // --force replaces everything.
    let summary = try PlanExecutor(try bare.prepare(choices)).run(
      ExecutionOptions(threadCount: 1, force: true))
    #expect(summary.paths.count == 2)
  }

  @Test("a run that ended between renaming and removing journals is finished", arguments: [false, true])
  func renamed(provenance: Bool) throws {
    let many = try tiny { $0.writesProvenance = provenance }
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0), .mix(.q6_K)]
    let expected = try many.expected(choices)
    let prepared = try many.prepare(choices)
    // Journals as they are when nothing but the renaming is left.
    var options = ExecutionOptions(threadCount: 1)
    let seen = Mutex<[String: [UInt8]]>([:])
    options.onProgress = { progress in
      guard progress.doneByteCount == progress.totalByteCount else { return }
      for output in prepared {
        let bytes = try? contents(output.journalPath)
        seen.withLock { $0[output.journalPath] = bytes }
      }
    }
    _ = try PlanExecutor(prepared).run(options)
    for (path, bytes) in seen.withLock({ $0 }) { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    try FileSystem.rename(prepared[2].path, to: prepared[2].path + ".partial")
    let summary = try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 1))
    #expect(summary.resumedByteCount == prepared[0].plan.sourceByteCount)
    try many.expectFiles(expected)
  }

  @Test("two outputs of one name are a usage error")
  func equalNames() throws {
    let many = try tiny()
    for choices in [
      [OutputChoice.mix(.q4_K_M), .mix(.q8_0), .mix(.q4_K_M)],
      [.mix(.q5_K_M), OutputChoice(try RecipeLibrary.recipe("q5_k_m"))],
    ] {
      let error = #expect(throws: ConversionError.self) { try many.prepare(choices) }
      #expect(error?.code == .badOption && error?.faultClass == .usage)
    }
    var request = many.request
    request.outputPath = folder.path("one.gguf")
    let error = #expect(throws: ConversionError.self) {
      try ConversionPlanner.prepareGGUF(request, outputs: [.mix(.q4_K_M), .mix(.q8_0)])
    }
    #expect(error?.fault.remedy.contains("{ftype}") == true)
  }
}
