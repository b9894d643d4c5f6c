import Foundation
import TestSupport
import Testing

@Suite("Types of caches as flags")
struct CacheTypeCommandTests {
  let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  private var text: [String] { ["-f", fixture.text, "-c", "64", "--chunks", "6"] }

  @Test("A model is measured with and without the cache, in lock-step, against a file and alone")
  func rows() throws {
    let (model, base) = (fixture.checkpoint, fixture.folder.path("base"))
    _ = try fixture.json(["-m", model, "--kl-divergence-base", base, "--base-format", "full"] + text)
    let caches = ["-ctk", "q8_0", "-ctv", "q4_0"]
    let name = "\(model) with a cache of q8_0 keys, q4_0 values"
    for arguments in [
      ["--base", model, "-m", model] + caches + text,
      ["-m", model, "--kl-divergence", "--kl-divergence-base", base] + caches,
    ] {
      let results = try fixture.json(arguments).results
      #expect(results.map(\.cache) == ["f32", "q8_0 keys, q4_0 values"])
      #expect(results.map(\.model) == [model, model])
      let divergences = try results.map { try #require($0.comparison).meanDivergence.value }
      #expect(divergences[0] < 1e-6 && divergences[1] > 10 * max(divergences[0], 1e-9), "\(divergences)")
      let pair = try #require(results[1].paired?.first)
      #expect(
        pair.model == model && abs(pair.meanDivergenceChange - (divergences[1] - divergences[0])) < 1e-9)
    }
    let alone = try fixture.json(["-m", model] + caches + text).results
    #expect(alone.count == 2 && alone[0].perplexity.value != alone[1].perplexity.value)
    let table = try fixture.run(["--base", model, "-m", model, "-m", fixture.quantized] + caches + text)
    #expect(table.output.contains("mean KLD of \(name) minus that of \(model), paired: "))
    let quantized = fixture.quantized
    #expect(
      table.output.contains(
        "mean KLD of \(quantized) with a cache of q8_0 keys, q4_0 values minus that of \(quantized), paired: "
      ))
  }

  @Test("Results do not depend on threads, batches and the order of windows and layers")
  func bits() throws {
    let arguments =
      ["--base", fixture.checkpoint, "-m", fixture.quantized, "-ctk", "q5_1", "-ctv", "iq4_nl"] + text
    let expected = try fixture.run(arguments).output
    for more in [["-t", "1", "-b", "7"], ["-t", "2", "--schedule", "layers"]] {
      #expect(try fixture.run(arguments + more).output == expected, "\(more)")
    }
  }

  @Test("Wrong types are refused")
  func refused() throws {
    for (flags, words) in [
      (["-ctk", "q6_K"], ["--cache-type-k", "q8_0", "q6_K"]), (["-ctv", "x"], ["--cache-type-v"]),
      (["-ctk", "q8_0", "--kl-divergence-base", fixture.folder.path("b")], ["--cache-type-k", "base file"]),
    ] {
      let run = try fixture.run(["-m", fixture.checkpoint] + flags + text)
      #expect(run.status == 2, "\(flags): \(run.errors)")
      for word in words { #expect(run.errors.contains(word), "\(flags): \(run.errors)") }
    }
  }
}
