import Foundation
import ReferenceRuntime
import TestSupport
import Testing

@Suite struct GenerationTests {
  private func generate(
    _ session: Session, _ prompt: [Int32], limit: Int?, stop: Set<Int32> = [],
    receive: (Int32) -> Bool = { _ in true }
  ) throws -> GenerationReport {
    var options = SamplingOptions()
    options.temperature = 0
    return try TextGeneration(sampling: options, tokenLimit: limit, stopTokens: stop)
      .run(prompt: prompt, session: session, receive: receive)
  }

  /// Greedy tokens by evaluating everything anew for each.
  private func reference(_ model: LoadedModel, _ prompt: [Int32], count: Int) throws -> [Int32] {
    var tokens = prompt
    for _ in 0..<count {
      let session = try Session(model: model, contextLength: 64, threads: 1)
      tokens.append(Sampler.greedy(try session.evaluate(tokens: tokens).values))
    }
    return Array(tokens.dropFirst(prompt.count))
  }

  @Test(arguments: ["qwen3_5_moe", "qwen3_next", "mixtral"])
  func cachedDecodingEqualsEvaluatingAnew(_ family: String) throws {
    let golden = try GoldenModel(family)
    let model = try LoadedModel.open(path: golden.folder)
    let prompt = Array(golden.tokens.prefix(9))
    let session = try Session(model: model, contextLength: 64, threads: 2)
    let report = try generate(session, prompt, limit: 12)
    #expect(report.tokens == (try reference(model, prompt, count: 12)))
    #expect(report.stopReason == .length)
    #expect(report.promptTokenCount == 9 && report.decodedTokenCount == 11)
  }

  @Test func generationStopsForEveryReason() throws {
    let golden = try GoldenModel("qwen3")
    let model = try LoadedModel.open(path: golden.folder)
    let prompt = Array(golden.tokens.prefix(4))
    func session(_ length: Int) throws -> Session {
      try Session(model: model, contextLength: length, threads: 1)
    }
    let free = try generate(try session(64), prompt, limit: 8)
    let stop = try #require(free.tokens.last)
    let first = try #require(free.tokens.firstIndex(of: stop))
    let stopped = try generate(try session(64), prompt, limit: 8, stop: [stop])
    #expect(stopped.stopReason == .endOfGeneration)
    #expect(stopped.tokens == Array(free.tokens[..<first]))
    let full = try generate(try session(7), prompt, limit: nil)
    #expect(full.stopReason == .contextFull)
    // The token after the last position is drawn, and not evaluated.
    #expect(full.tokens == Array(free.tokens.prefix(4)))
    let interrupted = try generate(try session(64), prompt, limit: 8) { _ in false }
    #expect(interrupted.stopReason == .interrupted && interrupted.tokens.count == 1)
    let nothing = try generate(try session(64), prompt, limit: 0)
    #expect(nothing.tokens.isEmpty && nothing.stopReason == .length)
  }

  @Test func logitsAreWrittenAsNumPyArray() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("logits.npy")
    let writer = try FloatTableWriter(path: path, rowCount: 2, rowLength: 3)
    let rows: [Float] = [1, -2, 0.5, 4, 5, 6]
    try rows[0..<3].withUnsafeBufferPointer { try writer.append($0) }
    #expect(!FileManager.default.fileExists(atPath: path))
    try rows[3...].withUnsafeBufferPointer { try writer.append($0) }
    try writer.finish()
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(Array(bytes[0..<8]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
    let headerLength = Int(bytes[8]) + Int(bytes[9]) << 8
    #expect((10 + headerLength) % 64 == 0)
    let header = String(decoding: bytes[10..<(10 + headerLength)], as: UTF8.self)
    #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"))
    #expect(header.hasSuffix("\n"))
    #expect(try GoldenModel.floats(URL(fileURLWithPath: path)).suffix(6) == rows[...])
  }
}
