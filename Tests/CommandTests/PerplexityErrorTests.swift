import Foundation
import TestSupport
import Testing

@Suite("pouch-perplexity: bad input is named")
struct PerplexityErrorTests {
  let fixture: PerplexityFixture

  init() throws { fixture = try PerplexityFixture() }

  /// Runs and expects one line of error, nothing on standard output, and nothing left behind.
  private func expect(
    _ arguments: [String], _ status: Int32, _ parts: String..., location: SourceLocation = #_sourceLocation
  ) throws {
    let names = try fixture.names()
    let run = try fixture.run(arguments)
    #expect(run.status == status, "\(run.errors)", sourceLocation: location)
    #expect(run.output.isEmpty, "\(run.output)", sourceLocation: location)
    #expect(run.errorLines.count == 1, "\(run.errors)", sourceLocation: location)
    for part in parts {
      #expect(run.errorLines.last?.contains(part) == true, "\(run.lastErrorLine)", sourceLocation: location)
    }
    #expect(try fixture.names() == names, sourceLocation: location)
  }

  @Test("Texts")
  func texts() throws {
    let model = ["-m", fixture.quantized, "-c", "64"]
    let empty = try fixture.folder.write("empty.txt", [])
    try expect(model + ["-f", empty], 3, empty, "some text")
    let newline = try fixture.folder.write("newline.txt", [10])
    try expect(model + ["-f", newline], 3, newline, "some text")
    let short = try fixture.folder.write("short.txt", PerplexityFixture.bytes(127, seed: 1))
    try expect(model + ["-f", short], 3, short, "two windows of 64 tokens", "127 tokens")
    let garbage = try fixture.folder.write(
      "garbage.txt", PerplexityFixture.bytes(200, seed: 1) + [0xC3, 0x28, 0xFF])
    try expect(model + ["-f", garbage], 3, garbage, "UTF-8", "at 200 of 203")
    let missing = fixture.folder.path("missing.txt")
    try expect(model + ["-f", missing], 3, missing)
    try expect(model + ["-f", fixture.folder.url.path], 3, fixture.folder.url.path, "regular file")
    try expect(
      ["-m", fixture.quantized, "-f", fixture.text, "-c", "1024"], 3, fixture.quantized, "512", "1024")
    try expect(
      ["-m", fixture.quantized, "-f", fixture.text, "-c", "64", "--ppl-stride", "256"], 3, fixture.text,
      "stride", "255")
  }

  @Test("Models; the second one is looked at before the first runs")
  func models() throws {
    let text = ["-f", fixture.text, "-c", "64", "--chunks", "2"]
    let missing = fixture.folder.path("missing.gguf")
    try expect(["-m", fixture.quantized, "-m", missing] + text, 3, missing)
    try expect(["--base", fixture.quantized, "-m", missing] + text, 3, missing)

    let norm = "model.layers.0.input_layernorm.weight"
    var tiny = try PerplexityFixture.tiny()
    tiny.shards[0][norm] = nil
    let lacking = try tiny.write(in: fixture.folder, name: "lacking")
    try expect(["-m", fixture.quantized, "-m", lacking] + text, 3, "lacking", norm)

    tiny = try PerplexityFixture.tiny()
    tiny.change(norm) { tensor in
      tensor.shape = [32]
      tensor.bytes = Array(tensor.bytes.prefix(64))
    }
    let wrong = try tiny.write(in: fixture.folder, name: "wrong")
    try expect(["-m", wrong] + text, 3, "wrong", norm, "64", "32")

    let noise = try fixture.folder.write("noise.gguf", PerplexityFixture.bytes(5000, seed: 2))
    try expect(["-m", noise] + text, 3, noise)
  }

  @Test("A NaN is never averaged away", arguments: ["perplexity", "base file", "lock-step", "base"])
  func nan(_ task: String) throws {
    // The embedding of the byte z (122), which comes up in the third window first.
    var tiny = try PerplexityFixture.tiny()
    tiny.set("model.embed_tokens.weight", at: (122 - 33) * 64 + 5, bits: 0x7FC0)
    let model = try tiny.write(in: fixture.folder, name: "nan")
    var bytes = PerplexityFixture.bytes(640, seed: 3)
    bytes[150] = 122
    let text = ["-f", try fixture.folder.write("z.txt", bytes), "-c", "64"]
    let base = fixture.folder.path("base")
    let arguments: [String]
    switch task {
    case "perplexity": arguments = ["-m", model] + text
    case "base file": arguments = ["-m", model, "--kl-divergence-base", base] + text
    case "lock-step": arguments = ["--base", fixture.checkpoint, "-m", model] + text
    default:
      #expect(try fixture.run(["-m", fixture.checkpoint, "--kl-divergence-base", base] + text).status == 0)
      arguments = ["-m", model, "--kl-divergence", "--kl-divergence-base", base]
    }
    let names = try fixture.names()
    let run = try fixture.run(arguments)
    #expect(run.status == 1, "\(run.errors)")
    #expect(run.errorLines.count == 1)
    #expect(run.lastErrorLine.hasPrefix("Error: \(model): window"), "\(run.lastErrorLine)")
    #expect(run.lastErrorLine.contains("nan"), "\(run.lastErrorLine)")
    #expect(!run.output.contains("Final estimate") && !run.output.contains("Mean"))
    #expect(try fixture.names() == names)
  }

  @Test("Base files of another text, vocabulary or model; truncated and damaged ones")
  func bases() throws {
    let base = fixture.folder.path("base")
    let text = ["-f", fixture.text, "-c", "64", "--chunks", "4"]
    let other = try fixture.folder.write("other.txt", PerplexityFixture.bytes(3000, seed: 8))
    // The same tokens, with other meanings: a and b change places.
    let foreign = try PerplexityFixture.swapped().write(in: fixture.folder, name: "swapped")
    var smaller = try PerplexityFixture.tiny()
    smaller.config["vocab_size"] = 280
    smaller.change("model.embed_tokens.weight") { tensor in
      tensor.shape[0] = 280
      tensor.bytes = Array(tensor.bytes.prefix(280 * 64 * 2))
    }
    let small = try smaller.write(in: fixture.folder, name: "smaller")

    for format in ["compact", "full", "llama"] {
      let made = try fixture.run(
        ["-m", fixture.checkpoint, "--kl-divergence-base", base, "--base-format", format, "--force"] + text)
      #expect(made.status == 0, "\(made.errors)")
      let read = ["--kl-divergence", "--kl-divergence-base"]
      let bytes = Array(try #require(FileManager.default.contents(atPath: base)))
      try expect(["-m", fixture.quantized, "-f", other] + read + [base], 3, base, "another text")
      try expect(["-m", fixture.quantized, "-m", small] + read + [base], 3, small, "288", "280")
      if format != "llama" {
        try expect(
          ["-m", fixture.quantized, "-m", foreign] + read + [base], 3, foreign, "spell another text")
      }
      for cut in [bytes.count - 1, bytes.count * 2 / 3, 30, 9] {
        let short = try fixture.folder.write("short-\(format)-\(cut)", Array(bytes[..<cut]))
        try expect(["-m", fixture.quantized] + read + [short], 3, short)
      }
      let long = try fixture.folder.write("long-\(format)", bytes + [0])
      try expect(["-m", fixture.quantized] + read + [long], 3, long)
    }
    let garbage = try fixture.folder.write("garbage", PerplexityFixture.bytes(1000, seed: 9))
    try expect(
      ["-m", fixture.quantized, "--kl-divergence", "--kl-divergence-base", garbage], 3, garbage,
      "base probabilities")
  }

  @Test("Models with different tokenizers cannot be compared")
  func tokenizers() throws {
    let foreign = try PerplexityFixture.swapped().write(in: fixture.folder, name: "swapped")
    try expect(
      ["--base", fixture.checkpoint, "-m", fixture.quantized, "-m", foreign, "-f", fixture.text, "-c", "64"],
      3,
      foreign, "tokenizer")
  }

  @Test(
    "Wrong usage",
    arguments: [
      ["-f", "x"], ["-m", "x"], ["-m", "x", "-f", "y", "--corpus", "builtin"],
      ["-m", "x", "--corpus", "wikitext"],
      ["-m", "x", "-f", "y", "--ppl-stride", "-1"], ["-m", "x", "-f", "y", "--ppl-output-type", "2"],
      ["-m", "x", "-f", "y", "--ppl-stride", "8", "--kl-divergence-base", "z"],
      ["-m", "x", "-f", "y", "--base", "a", "--kl-divergence-base", "z"],
      ["-m", "x", "-f", "y", "--chunks", "0"],
      ["-m", "x", "-f", "y", "-c", "3"], ["-m", "x", "-f", "y", "--base-top-k", "0"],
      ["-m", "x", "-f", "y", "--kl-divergence"],
      ["-m", "x", "-m", "w", "-f", "y", "--kl-divergence-base", "z"],
    ])
  func usage(_ arguments: [String]) throws {
    let run = try fixture.run(arguments)
    #expect(run.status == 2 && run.output.isEmpty, "\(run.errors)")
    #expect(run.errorLines.count == 1)
  }
}
