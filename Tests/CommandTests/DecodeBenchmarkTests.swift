import Foundation
import TestSupport
import Testing

@Suite("pouch-bench decode")
struct DecodeBenchmarkTests {
  private let model: RuntimeModel

  init() throws { model = try RuntimeModel() }

  private func bench(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-bench", ["decode"] + arguments)
  }

  @Test("a model is decoded beside reading its weights")
  func json() throws {
    let run = try bench("-m", model.path, "-n", "3", "--repetitions", "2", "-t", "2", "--json")
    try #require(run.status == 0, "\(run.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(report["schema"] as? String == "pouch.benchmark.decode")
    #expect(report["tokens"] as? Int == 3 && report["threads"] as? Int == 2)
    let bytes = try #require(report["activeWeightBytes"] as? Int)
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: model.path)[.size] as? Int)
    #expect(bytes > 0 && bytes < size)
    let shares = try #require(report["sharesOfRepetitions"] as? [Double])
    #expect(shares.count == 2 && shares.allSatisfy { $0 > 0 })
    let bound = try #require(report["boundTokensPerSecond"] as? Double)
    let speed = try #require(report["memoryBytesPerSecond"] as? Double)
    #expect(abs(speed / (bound * Double(bytes)) - 1) < 1e-9)
  }

  @Test("the line names speed, bound and share")
  func line() throws {
    let run = try bench("-m", model.path, "-n", "2", "--repetitions", "1")
    #expect(run.status == 0 && run.output.split(separator: "\n").count == 1)
    for part in ["decoding", "tokens/s", "GB/s", "of that"] { #expect(run.output.contains(part)) }
  }

  @Test("wrong flags and models are refused")
  func refusals() throws {
    try bench().expect(2, "--model")
    for flags in [
      ["-n", "1"], ["-n", "5000"], ["--repetitions", "0"], ["-t", "0"], ["--mode", "quick"], ["--no-such"],
    ] {
      let run = try CommandRun("pouch-bench", ["decode", "-m", model.path] + flags)
      #expect(run.status == 2 && run.errorLines.count == 1, "\(flags): \(run.errors)")
    }
    try bench("-m", model.folder.path("none.gguf")).expect(3, "none.gguf")
    // The checkpoint that the model was made from.
    let folder = try #require(
      try FileManager.default.contentsOfDirectory(atPath: model.folder.url.path).first { name in
        FileManager.default.fileExists(atPath: model.folder.path(name + "/config.json"))
      })
    try bench("-m", model.folder.path(folder)).expect(2, "--model", "GGUF")
    for bad in try model.bad() {
      let run = try bench("-m", bad.path, "-n", "2", "--repetitions", "1")
      // Some of them are checkpoints.
      let isFile = bad.path.hasSuffix(".gguf")
      #expect(run.status == (isFile ? 3 : 2) && run.output.isEmpty, "\(bad.path): \(run.errors)")
    }
  }
}
