import ExampleVerbs
import Foundation
import PouchKit
import Synchronization
import TestSupport
import Testing

@Suite("The verbs of PouchKit on the bundled checkpoint")
struct TourTests {
  private let folder: TemporaryFolder
  private let file: String

  init() throws {
    folder = try TemporaryFolder()
    file = folder.path("pelican.gguf")
  }

  @Test("A plan says the size of the file that it makes, and the file is exactly what its source gives")
  func convertsAndValidates() throws {
    let plan = try convert(RepositoryFiles.sample, to: file)
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)).count == plan.fileByteCount)
    #expect(plan.report.tensors.reduce(0) { $0 + $1.bytes } == plan.plan.tensorByteCount)
    let report = try validate(file, against: RepositoryFiles.sample)
    #expect(report.isSound)
    #expect(report.against?.verdict == .exact)
    #expect(report.mix?.recognised == "Q4_K_M")
    let inspection = try inspect(file)
    #expect(inspection.tensorCount == plan.report.tensors.count)
    #expect(inspection.parameters == plan.report.weights)
  }

  @Test("A file with a changed byte is not what its source gives")
  func findsDamage() throws {
    _ = try convert(RepositoryFiles.sample, to: file)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    bytes[bytes.count - 200] ^= 0x55
    try bytes.write(to: URL(fileURLWithPath: file))
    #expect(try validate(file, against: RepositoryFiles.sample).against?.verdict != .exact)
  }

  @Test("A cancelled run says so, and the same call goes on to the same bytes")
  func resumes() throws {
    let plan = try convert(RepositoryFiles.sample, to: file)
    let other = folder.path("other.gguf")
    let asked = Atomic(0)
    let error = #expect(throws: (any Error).self) {
      try convert(plan, to: other) { asked.add(1, ordering: .relaxed).newValue > 12 }
    }
    #expect((error as? any FaultError)?.fault.found == "an interruption")
    #expect(FileManager.default.fileExists(atPath: other + ".journal"))
    #expect(!FileManager.default.fileExists(atPath: other))
    try convert(plan, to: other) { false }
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: other)) == Data(contentsOf: URL(fileURLWithPath: file)))
  }

  @Test("A GGUF file is a source, too")
  func requantizes() throws {
    try Conversion(of: try Checkpoint(at: RepositoryFiles.sample)).plan().write(to: file)
    let other = folder.path("small.gguf")
    let plan = try Conversion(of: try GGUFModel(at: file), mix: .q4_K_M).plan()
    try plan.write(to: other)
    let report = try Validation(of: try GGUFModel(at: other), against: try GGUFModel(at: file)).run()
    #expect(report.against?.verdict == .exact)
  }

  @Test("Estimates have the size of the file, and more memory than it")
  func estimates() throws {
    let plan = try Conversion(of: try Checkpoint(at: RepositoryFiles.sample), mix: .q4_K_M).plan()
    let report = try Estimation(
      of: try Checkpoint(at: RepositoryFiles.sample), mixes: [.q4_K_M], context: 4096,
      machine: .preset("macbook-32")
    ).run()
    let output = try #require(report.outputs.first)
    #expect(output.fileBytes == plan.fileByteCount)
    #expect(output.memory.allSatisfy { $0.totalBytes > output.tensorBytes })
    #expect(output.fits.allSatisfy { $0.fits })
    #expect(try estimate(RepositoryFiles.sample).contains { $0.hasPrefix("Q8_0") })
    let named = try estimateByName()
    #expect(named.contextLength == 32_768)
    #expect((named.outputs.first?.parameters ?? 0) > 30_000_000_000)
  }

  @Test("A quantized file diverges from its checkpoint, which does not from itself")
  func measures() throws {
    _ = try convert(RepositoryFiles.sample, to: file)
    let divergence = try measure(file, from: RepositoryFiles.sample, windows: 2)
    #expect(divergence.windowCount == 2)
    #expect((0.0001...0.1).contains(divergence.meanDivergence.value))
    let base = try Checkpoint(at: RepositoryFiles.sample)
    let same = try Divergence(of: base, from: base, on: .builtin(), windows: 1).run()
    #expect(same.meanDivergence.value < 1e-6)
    let perplexity = try measure(file, windows: 2)
    #expect(perplexity.windowCount == 2)
    #expect((1...3).contains(perplexity.value))
    var stopped = Perplexity(of: base, on: try .builtin())
    stopped.options.length = 128
    #expect(try stopped.run { done, _ in done < 2 }.windowCount == 2)
  }

  @Test("Threads and a limit of memory change no bits; a limit that nothing can keep is refused")
  func limits() throws {
    let base = try Checkpoint(at: RepositoryFiles.sample)
    var measurement = Perplexity(of: base, on: try .builtin(), windows: 2)
    let plain = try measurement.run()
    measurement.options.memoryLimit = 1
    #expect(fault { _ = try measurement.run() }?.expected.hasPrefix("at least") == true)
    measurement.options.memoryLimit = 2 << 30
    measurement.options.threads = 1
    #expect(try measurement.run() == plain)
  }

  @Test("Answers are the same every time, and come piece by piece")
  func generates() throws {
    _ = try convert(RepositoryFiles.sample, to: file)
    let answer = try generate(file, "Draw a red circle.")
    #expect(answer.report.tokens.count == 24)
    #expect(answer.text.hasPrefix("<svg"))
    #expect(try generate(file, "Draw a red circle.").text == answer.text)
    var generation = try Generation(with: try GGUFModel(at: file))
    generation.sampling.temperature = 0
    var pieces: [String] = []
    let text = try generation.continuation(of: "<svg") { piece in
      pieces.append(piece)
      return pieces.count < 6
    }
    #expect(text.report.stopReason == .interrupted)
    #expect(text.text.hasPrefix(pieces.joined()))
  }

  private func fault(of work: () throws -> Void) -> Fault? {
    do { try work() } catch { return (error as? any FaultError)?.fault }
    return nil
  }

  @Test("What is no model is refused with what it is")
  func refuses() throws {
    let missing = folder.path("nothing")
    #expect(fault { _ = try Checkpoint(at: missing) }?.file == missing)
    #expect(fault { _ = try Checkpoint(at: folder.url.path) }?.file == folder.url.path)
    #expect(fault { _ = try GGUFModel(at: folder.url.path) }?.expected == "a GGUF file")
    #expect(fault { _ = try Recipe.named("q4_k_n") }?.remedy == "did you mean q4_k_m?")
  }
}
