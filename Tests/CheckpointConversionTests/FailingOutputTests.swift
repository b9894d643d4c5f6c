import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

/// What goes wrong with one output of several leaves the others alone.
@Suite("Failing outputs")
struct FailingOutputTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func many(_ tiny: TinyGGUF = TinyGGUF()) throws -> ManyOutputs {
    var request = ConversionRequest(source: try tiny.write(to: folder), outputType: .auto)
    request.writesProvenance = true
    return ManyOutputs(request, in: folder)
  }

  private func code(_ error: (any Error)?) -> ConversionError.Code? { (error as? ConversionError)?.code }

  @Test(
    "an output that cannot be opened, or loses its folder, is made by the next run", arguments: [false, true])
  func unwritable(late: Bool) throws {
    let many = try many()
    let choices: [OutputChoice] = [.mix(.q4_K_M), .mix(.q8_0), .mix(.q6_K)]
    let expected = try many.expected(choices)
    let prepared = try many.prepare(choices)
    let partial = prepared[1].path + ".partial"
    var options = ExecutionOptions(threadCount: 2)
    if late {
      // The partial file goes away while it is written: it cannot get its name.
      options.onProgress = { progress in
        if progress.doneByteCount == progress.totalByteCount { FileSystem.remove(partial) }
      }
    } else {
      try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: true)
    }
    let summary = try PlanExecutor(prepared).run(options)
    #expect(summary.outputs.map { $0.isMade } == [true, false, true])
    #expect(summary.outputs[1].failure is FileError)
    let failure = try #require(summary.failure as? ConversionError)
    #expect(failure.code == .outputsFailed && failure.faultClass == .failed)
    #expect(failure.fault.problems.count == 1 && failure.fault.problems[0].hasPrefix(prepared[1].path))
    #expect(FileSystem.kind(of: prepared[1].path) == .missing)
    if !late { try FileManager.default.removeItem(atPath: partial) }
    let again = try PlanExecutor(try many.prepare(choices)).run(ExecutionOptions(threadCount: 2))
    #expect(again.outputs.map { $0.isKept } == [true, false, true] && again.failure == nil)
    try many.expectFiles(expected)
  }

  @Test("a weight that one type cannot hold is that output's fault; it leaves nothing behind")
  func rejected() throws {
    var tiny = TinyGGUF()
    tiny.poison = ("blk.0.ffn_down_exps.weight", (2 * 96 + 5) * 256 + 17, 1e6)
    let many = try many(tiny)
    let others: [OutputChoice] = [.mix(.bf16), .mix(.f32)]
    let expected = try many.expected(others)
    let summary = try PlanExecutor(try many.prepare([others[0], .mix(.f16), others[1]])).run(
      ExecutionOptions(threadCount: 2))
    #expect(summary.outputs.map { $0.isMade } == [true, false, true])
    #expect(code(summary.outputs[1].failure) == .valueOutOfRange && code(summary.failure) == .outputsFailed)
    try many.expectFiles(expected)
  }

  @Test("a damaged source is the fault of all, said once, and nothing is left")
  func damagedSource() throws {
    var tiny = TinyGGUF()
    tiny.poison = ("blk.0.attn_v.weight", 300, .nan)
    let many = try many(tiny)
    let error = #expect(throws: ConversionError.self) {
      try PlanExecutor(try many.prepare([.mix(.q4_K_M), .mix(.q8_0), .mix(.bf16)])).run(
        ExecutionOptions(threadCount: 2))
    }
    #expect(error?.code == .nonFiniteWeight && error?.faultClass == .rejected)
    try many.expectFiles([:])
  }

  @Test("outputs that lose weights are refused one by one, and finished by a run that accepts it")
  func losses() throws {
    var tiny = TinyGGUF()
    // Too small for scales of f16, not for bf16.
    tiny.scaled = ("blk.0.attn_v.weight", 0..<(128 * 256), 0x1p-40)
    let many = try many(tiny)
    let choices: [OutputChoice] = [.mix(.bf16), .mix(.q4_K_M)]
    let expected = try many.expected(choices)
    var options = ExecutionOptions(threadCount: 2)
    options.refusesLosses = true
    let summary = try PlanExecutor(try many.prepare(choices)).run(options)
    #expect(summary.outputs.map { $0.isMade } == [true, false])
    #expect(code(summary.failure) == .strictViolation)
    options.refusesLosses = false
    let again = try PlanExecutor(try many.prepare(choices)).run(options)
    #expect(again.outputs.map { $0.isKept } == [true, false])
    #expect(again.resumedByteCount == again.sourceByteCount && again.outputs[1].losses.count == 1)
    try many.expectFiles(expected)
  }

  @Test("a journal of another job is refused before anything is written")
  func otherJournal() throws {
    let many = try many()
    let prepared = try many.prepare([.mix(.q4_K_M), .mix(.q8_0)])
    // An interrupted run of another mix under the second name.
    var request = many.request
    request.outputType = .mix(.q6_K)
    request.outputPath = prepared[1].path
    let tiles = Atomic<Int>(0)
    let options = ExecutionOptions(
      threadCount: 1, onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
      isCancelled: { tiles.load(ordering: .relaxed) >= 1 })
    let interrupted = #expect(throws: ConversionError.self) {
      try ConversionPlanner.prepareGGUF(request).executor.run(options)
    }
    #expect(interrupted?.code == .interrupted)
    let before = try many.found()
    #expect(before.count == 2)
    let error = #expect(throws: ResumeLogError.self) {
      try PlanExecutor(prepared).run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .otherJob && error?.fault.file == prepared[1].journalPath)
    try many.expectFiles(before)
  }
}
