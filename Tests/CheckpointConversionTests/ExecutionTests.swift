import BlockQuantization
import CheckpointConversion
import FileBytes
import Foundation
import GGUFFormat
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

@Suite struct ExecutionTests {
  let folder: TemporaryFolder
  let source: String

  init() throws {
    folder = try TemporaryFolder()
    source = try TinyGGUF().write(to: folder)
  }

  private func request(_ output: String, _ mix: StockMix = .q4_K_M) -> ConversionRequest {
    var request = ConversionRequest(source: source, outputType: .mix(mix))
    request.outputPath = folder.path(output)
    return request
  }

  @Test func theBytesAreThoseOfTheQuantizerRowByRow() throws {
    let prepared = try ConversionPlanner.prepareGGUF(request("a.gguf"))
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    let written = try GGUFFile(path: folder.path("a.gguf"))
    let bytes = try contents(folder.path("a.gguf"))
    #expect(written.tensors.count == 8)
    #expect(Set(written.tensors.map(\.type)).isSuperset(of: [.q4_K, .q6_K, .f32]))
    for tensor in written.tensors where tensor.type != .f32 {
      let values = TinyGGUF().values(of: tensor.name, count: tensor.elementCount)
      var expected = [UInt8](repeating: 0, count: tensor.byteCount)
      values.withUnsafeBufferPointer { rows in
        expected.withUnsafeMutableBytes {
          BlockQuantizer.quantize(
            tensor.type, rows: rows, rowLength: tensor.ggmlShape[0], importance: nil, into: $0)
        }
      }
      let start = written.position(of: tensor)
      #expect(Array(bytes[start..<(start + tensor.byteCount)]) == expected, "\(tensor.name)")
    }
  }

  @Test(arguments: [(1, 512 << 20), (2, 512 << 20), (5, 4 << 20), (1, 1 << 20), (3, 3 << 20)])
  func theBytesDoNotDependOnThreadsOrMemory(threads: Int, memory: Int) throws {
    let reference = try ConversionPlanner.prepareGGUF(request("reference.gguf"))
    _ = try reference.executor.run(ExecutionOptions(threadCount: 2))
    let prepared = try ConversionPlanner.prepareGGUF(request("b.gguf"))
    let summary = try prepared.executor.run(ExecutionOptions(threadCount: threads, maxMemory: memory))
    #expect(summary.bufferByteCount <= memory)
    #expect(try contents(folder.path("b.gguf")) == contents(folder.path("reference.gguf")))
  }

  @Test func aMemoryLimitBelowOneRowIsRefused() throws {
    let prepared = try ConversionPlanner.prepareGGUF(request("c.gguf"))
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 2, maxMemory: 1000))
    }
    #expect(error?.code == .memoryLimitTooSmall)
    #expect(FileSystem.kind(of: folder.path("c.gguf.partial")) == .missing)
  }

  @Test func anInterruptedRunContinuesToTheSameBytes() throws {
    let reference = try ConversionPlanner.prepareGGUF(request("reference.gguf"))
    _ = try reference.executor.run(ExecutionOptions(threadCount: 1))
    let prepared = try ConversionPlanner.prepareGGUF(request("d.gguf"))
    // Small tiles, one more of them in every attempt.
    var resumed = 0
    for attempt in 1... {
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        threadCount: 1, maxMemory: 400_000,
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= 2 })
      do {
        let summary = try prepared.executor.run(options)
        resumed = summary.resumedByteCount
        break
      } catch let error as ConversionError {
        #expect(error.code == .interrupted)
        #expect(FileSystem.kind(of: folder.path("d.gguf")) == .missing)
        #expect(FileSystem.kind(of: folder.path("d.gguf.journal")) == .file)
      }
      try #require(attempt < 100)
    }
    #expect(resumed > 0)
    #expect(try contents(folder.path("d.gguf")) == contents(folder.path("reference.gguf")))
    #expect(FileSystem.kind(of: folder.path("d.gguf.journal")) == .missing)
    #expect(FileSystem.kind(of: folder.path("d.gguf.partial")) == .missing)
  }

  /// Runs until two tiles are done, then stops.
  private func interrupt(_ prepared: PreparedConversion) throws {
    let tiles = Atomic<Int>(0)
    let options = ExecutionOptions(
      threadCount: 1, maxMemory: 400_000,
      onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
      isCancelled: { tiles.load(ordering: .relaxed) >= 2 })
    let error = #expect(throws: ConversionError.self) { try prepared.executor.run(options) }
    #expect(error?.code == .interrupted)
  }

  @Test func damagedPartialBytesAreMadeAgain() throws {
    let reference = try ConversionPlanner.prepareGGUF(request("reference.gguf"))
    _ = try reference.executor.run(ExecutionOptions(threadCount: 1))
    let prepared = try ConversionPlanner.prepareGGUF(request("e.gguf"))
    try interrupt(prepared)
    let partial = folder.path("e.gguf.partial")
    let size = try contents(partial).count
    // A power failure may leave any part of the file as zeros.
    try Data(count: size).write(to: URL(fileURLWithPath: partial))
    let summary = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    #expect(summary.resumedByteCount == 0)
    #expect(try contents(folder.path("e.gguf")) == contents(folder.path("reference.gguf")))
  }

  @Test func aTornJournalRecordIsIgnored() throws {
    let prepared = try ConversionPlanner.prepareGGUF(request("f.gguf"))
    try interrupt(prepared)
    let journal = folder.path("f.gguf.journal")
    let bytes = try contents(journal)
    try Data(bytes.dropLast(13)).write(to: URL(fileURLWithPath: journal))
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    let reference = try ConversionPlanner.prepareGGUF(request("reference.gguf"))
    _ = try reference.executor.run(ExecutionOptions(threadCount: 1))
    #expect(try contents(folder.path("f.gguf")) == contents(folder.path("reference.gguf")))
  }

  @Test func aJournalOfAnotherJobIsRefusedWithTheReason() throws {
    try interrupt(try ConversionPlanner.prepareGGUF(request("g.gguf")))
    let other = try ConversionPlanner.prepareGGUF(request("g.gguf", .q6_K))
    let error = #expect(throws: ResumeLogError.self) {
      try other.executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .otherJob)
    #expect(error?.fault.found.contains("output type") == true)
    // --force starts over.
    _ = try other.executor.run(ExecutionOptions(threadCount: 1, force: true))
    #expect(FileSystem.kind(of: folder.path("g.gguf")) == .file)
  }

  @Test func aChangedSourceIsNoticed() throws {
    try interrupt(try ConversionPlanner.prepareGGUF(request("h.gguf")))
    var other = TinyGGUF()
    other.seed = 2
    _ = try other.write(to: folder)
    let prepared = try ConversionPlanner.prepareGGUF(request("h.gguf"))
    let error = #expect(throws: ResumeLogError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .otherJob)
    #expect(error?.fault.found == "that of another run: the source files changed")
  }

  @Test func anExistingOutputIsKept() throws {
    let path = try folder.write("i.gguf", [1, 2, 3])
    let prepared = try ConversionPlanner.prepareGGUF(request("i.gguf"))
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .outputExists)
    #expect(try contents(path) == [1, 2, 3])
  }

  @Test func theSourceIsNeverTheOutput() throws {
    var request = request("unused")
    request.outputPath = source
    let error = #expect(throws: ConversionError.self) { try ConversionPlanner.prepareGGUF(request) }
    #expect(error?.code == .badOption)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func aWeightThatIsNotFiniteIsNamedWithItsExpertAndRow(value: Float) throws {
    var tiny = TinyGGUF()
    // Expert 2, row 5, column 17 of [256, 96, 4].
    tiny.poison = ("blk.0.ffn_down_exps.weight", (2 * 96 + 5) * 256 + 17, value)
    _ = try tiny.write(to: folder)
    let prepared = try ConversionPlanner.prepareGGUF(request("j.gguf"))
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 2))
    }
    #expect(error?.code == .nonFiniteWeight)
    #expect(error?.fault.subject.contains("blk.0.ffn_down_exps.weight, expert 2, row 5") == true)
    #expect(error?.fault.found.contains("column 17") == true)
    #expect(FileSystem.kind(of: folder.path("j.gguf")) == .missing)
  }

  @Test func aWeightTooLargeForTheScaleIsAnError() throws {
    var tiny = TinyGGUF()
    tiny.poison = ("blk.0.attn_q.weight", 3, 1e38)
    _ = try tiny.write(to: folder)
    let prepared = try ConversionPlanner.prepareGGUF(request("k.gguf"))
    let error = #expect(throws: ConversionError.self) {
      try prepared.executor.run(ExecutionOptions(threadCount: 1))
    }
    #expect(error?.code == .scaleOverflow)
    #expect(error?.fault.subject.contains("blk.0.attn_q.weight, row 0") == true)
  }

  @Test func splitOutputHoldsTheSameTensors() throws {
    let whole = try ConversionPlanner.prepareGGUF(request("whole.gguf"))
    _ = try whole.executor.run(ExecutionOptions(threadCount: 1))
    var split = request("split.gguf")
    split.splitMaxTensorCount = 3
    let prepared = try ConversionPlanner.prepareGGUF(split)
    let summary = try prepared.executor.run(ExecutionOptions(threadCount: 2))
    #expect(summary.paths.count == 3)
    let set = try GGUFSplitSet(path: folder.path("split-00001-of-00003.gguf"))
    let one = try GGUFFile(path: folder.path("whole.gguf"))
    let wholeBytes = try contents(folder.path("whole.gguf"))
    #expect(set.tensors.map(\.info.name) == one.tensors.map(\.name))
    for (part, tensor) in zip(set.tensors, one.tensors) {
      let bytes = try set.files[part.shard].file.bytes(at: part.position, count: part.info.byteCount)
      let start = one.position(of: tensor)
      #expect(bytes == Array(wholeBytes[start..<(start + tensor.byteCount)]), "\(tensor.name)")
    }
    // And back: merging gives the bytes of the whole file's tensors.
    var merge = ConversionRequest(source: folder.path("split-00001-of-00003.gguf"), outputType: .mix(.copy))
    merge.outputPath = folder.path("merged.gguf")
    let merged = try ConversionPlanner.prepareGGUF(merge)
    _ = try merged.executor.run(ExecutionOptions(threadCount: 2))
    #expect(try contents(folder.path("merged.gguf")) == wholeBytes)
  }

  @Test func strictRefusesFallbacks() throws {
    // Rows of 96 do not fit Q4_K.
    let prepared = try ConversionPlanner.prepareGGUF(request("l.gguf"))
    #expect(prepared.plan.notices.contains { $0.subject == "blk.0.ffn_gate_exps.weight" })
    let error = #expect(throws: ConversionError.self) { try prepared.plan.refuseNotices() }
    #expect(error?.code == .strictViolation)
    #expect(error?.faultClass == .strict)
  }

  @Test func requantizingNeedsPermission() throws {
    let first = try ConversionPlanner.prepareGGUF(request("q8.gguf", .q8_0))
    _ = try first.executor.run(ExecutionOptions(threadCount: 1))
    var again = ConversionRequest(source: folder.path("q8.gguf"), outputType: .mix(.q4_K_M))
    again.outputPath = folder.path("m.gguf")
    #expect(throws: RecipeError.self) { try ConversionPlanner.prepareGGUF(again) }
    again.mixOptions.allowRequantize = true
    let prepared = try ConversionPlanner.prepareGGUF(again)
    _ = try prepared.executor.run(ExecutionOptions(threadCount: 1))
    #expect(try GGUFFile(path: folder.path("m.gguf")).tensors.contains { $0.type == .q4_K })
  }
}
