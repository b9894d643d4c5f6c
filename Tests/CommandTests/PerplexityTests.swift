import FileBytes
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Two small models and a text, and runs of `pouch-perplexity` on them.
struct PerplexityFixture {
  let folder: TemporaryFolder
  /// A checkpoint folder.
  let checkpoint: String
  /// The same model as a Q8_0 file.
  let quantized: String
  /// A text of 3000 bytes, each of them a token.
  let text: String

  init() throws {
    folder = try TemporaryFolder()
    checkpoint = try Self.tiny().write(in: folder)
    quantized = folder.path("tiny-Q8_0.gguf")
    let run = try CommandRun.convert(checkpoint, "--outtype", "q8_0", "--outfile", quantized)
    try #require(run.status == 0, "\(run.errors)")
    text = try folder.write("text.txt", Self.bytes(3000, seed: 5))
  }

  /// A checkpoint whose tokenizer has the one merge that makes it run: of q and z, which the texts have not.
  static func tiny() throws -> TinyCheckpoint {
    var tiny = TinyCheckpoint()
    try change(&tiny) { model, vocabulary in
      vocabulary["qz"] = 259
      model["merges"] = [["q", "z"]]
    }
    return tiny
  }

  /// Changes the tokenizer's model and its vocabulary.
  static func change(
    _ tiny: inout TinyCheckpoint, _ body: (inout [String: Any], inout [String: Int]) -> Void
  ) throws {
    var model = try #require(tiny.tokenizer["model"] as? [String: Any])
    var vocabulary = try #require(model["vocab"] as? [String: Int])
    body(&model, &vocabulary)
    model["vocab"] = vocabulary
    tiny.tokenizer["model"] = model
  }

  /// The same with the bytes a and b changed for each other.
  static func swapped() throws -> TinyCheckpoint {
    var tiny = try tiny()
    try change(&tiny) { _, vocabulary in
      (vocabulary["a"], vocabulary["b"]) = (vocabulary["b"], vocabulary["a"])
    }
    return tiny
  }

  /// Lower-case letters and spaces; the last byte is not a newline, which would not count.
  static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Array("abcdefghij klmnop".utf8).randomElement(using: &generator) ?? 0x61 }
  }

  func run(_ arguments: [String]) throws -> CommandRun {
    try CommandRun("pouch-perplexity", arguments + ["-t", "1"])
  }

  /// The names of all files in the folder.
  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
  }
}

@Suite("pouch-perplexity: interrupted runs go on")
struct PerplexityResumeTests {
  /// What a run does.
  enum Task: String, CaseIterable, Sendable {
    case perplexity, lockStep, writesCompact, writesFull, reads
  }

  let fixture: PerplexityFixture
  let state: String

  init() throws {
    fixture = try PerplexityFixture()
    state = fixture.folder.path("state")
  }

  private func arguments(_ task: Task) throws -> [String] {
    let (model, quantized) = (fixture.checkpoint, fixture.quantized)
    let text = ["-f", fixture.text, "-c", "32"]
    switch task {
    case .perplexity: return ["-m", quantized, "-m", model] + text
    case .lockStep: return ["--base", model, "-m", quantized, "-m", model] + text
    case .writesCompact: return ["-m", model, "--kl-divergence-base", fixture.folder.path("base")] + text
    case .writesFull:
      return ["-m", model, "--full-base", "--kl-divergence-base", fixture.folder.path("base")] + text
    case .reads:
      let base = fixture.folder.path("made")
      if !FileManager.default.fileExists(atPath: base) {
        let run = try fixture.run(["-m", model, "--kl-divergence-base", base] + text)
        try #require(run.status == 0, "\(run.errors)")
      }
      return ["-m", quantized, "-m", model, "--kl-divergence", "--kl-divergence-base", base]
    }
  }

  /// Runs with a state and sends a signal as soon as the state has grown to `size` bytes.
  private func interrupt(_ arguments: [String], _ signal: Int32, at size: Int) throws -> CommandRun {
    try CommandRun("pouch-perplexity", arguments + ["--resume", state, "-t", "1"]) { process in
      var info = stat()
      let end = Date(timeIntervalSinceNow: 120)
      while Date() < end, kill(process, 0) == 0 {
        if stat(state, &info) == 0, info.st_size >= size { break }
        usleep(200)
      }
      kill(process, signal)
    }
  }

  @Test(
    "after Ctrl-C and after kill -9, with the same output and files", arguments: Task.allCases,
    [SIGINT, SIGKILL])
  func goesOn(_ task: Task, _ signal: Int32) throws {
    let arguments = try arguments(task)
    let expected = try fixture.run(arguments)
    #expect(expected.status == 0, "\(expected.errors)")
    let base = fixture.folder.path("base")
    let bytes = FileManager.default.contents(atPath: base)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    let names = try fixture.names()

    let broken = try interrupt(arguments, signal, at: 3000)
    #expect(signal == SIGINT ? broken.status == 130 : broken.wasKilled, "\(broken.status) \(broken.errors)")
    #expect(!FileManager.default.fileExists(atPath: base))
    #expect(expected.output.hasPrefix(broken.output.dropLast(1)))
    if signal == SIGINT { #expect(broken.lastErrorLine.contains(state)) }

    let resumed = try fixture.run(arguments + ["--resume", state])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.output == expected.output)
    let done = resumed.errors.split(separator: "\n").first { $0.hasSuffix(" windows are done") }
    let count = Int(done?.split(separator: " ").dropFirst().first ?? "") ?? 0
    #expect(count > 2, "\(resumed.errors)")
    #expect(FileManager.default.contents(atPath: base) == bytes)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    #expect(try fixture.names() == names)
  }

  @Test("what a crash damaged is made again", arguments: [Task.lockStep, .writesFull])
  func damage(_ task: Task) throws {
    let arguments = try arguments(task)
    let expected = try fixture.run(arguments)
    let base = fixture.folder.path("base")
    let bytes = FileManager.default.contents(atPath: base)
    if bytes != nil { try FileManager.default.removeItem(atPath: base) }
    _ = try interrupt(arguments, SIGKILL, at: 3000)

    // A flipped bit two thirds into the state, and half a base file.
    let url = URL(fileURLWithPath: state)
    var content = try Data(contentsOf: url)
    content[content.count * 2 / 3] ^= 4
    try content.write(to: url)
    if bytes != nil {
      let partial = URL(fileURLWithPath: base + ".partial")
      let half = try Data(contentsOf: partial)
      try half.prefix(half.count / 2).write(to: partial)
    }
    let resumed = try fixture.run(arguments + ["--resume", state])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("windows are done"))
    #expect(resumed.output == expected.output)
    #expect(FileManager.default.contents(atPath: base) == bytes)
  }

  @Test("the state of another run is refused, with the reason, and stays")
  func foreign() throws {
    let arguments = try arguments(.perplexity)
    _ = try interrupt(arguments, SIGKILL, at: 3000)
    let before = try #require(FileManager.default.contents(atPath: state))
    let other = try fixture.folder.write("other.txt", PerplexityFixture.bytes(3000, seed: 6))
    let text = ["-f", fixture.text, "-c", "32"]
    let both = ["-m", fixture.quantized, "-m", fixture.checkpoint]
    let cases: [([String], String)] = [
      (both + ["-f", other, "-c", "32"], "the text (xxh64"),
      (both + ["-f", fixture.text, "-c", "64"], "the procedure"),
      (both + text + ["--chunks", "9"], "the procedure"),
      (both + text + ["--mode", "exact"], "the procedure"),
      (["-m", fixture.checkpoint, "-m", fixture.quantized] + text, "model 1; model 2 changed"),
      (["-m", fixture.quantized] + text, "the number of models (2, now 1); model 2 (none now)"),
      (["--base", fixture.checkpoint] + both + text, "the task (perplexity, now lock-step) changed"),
    ]
    for (arguments, reason) in cases {
      let run = try fixture.run(arguments + ["--resume", state])
      #expect(run.status == 3, "\(run.errors)")
      #expect(run.errorLines.count == 1)
      #expect(run.lastErrorLine.contains(state) && run.lastErrorLine.contains(reason), "\(run.lastErrorLine)")
      #expect(FileManager.default.contents(atPath: state) == before)
    }
    // What is no state at all is not touched, the first line of a state of earlier versions neither.
    for text in ["my thesis", "{\"base\":\"\",\"models\":[]}\nrecords"] {
      let precious = try fixture.folder.write("precious", Array(text.utf8))
      let run = try fixture.run(arguments + ["--resume", precious])
      #expect(run.status == 3 && run.lastErrorLine.contains(precious), "\(run.errors)")
      #expect(run.lastErrorLine.contains("that of another version"), "\(run.errors)")
      #expect(FileManager.default.contents(atPath: precious) == Data(text.utf8))
    }
    // A state that another run works on is left alone, too.
    let descriptor = open(state, O_RDWR)
    try #require(flock(descriptor, LOCK_EX) == 0)
    let busy = try fixture.run(arguments + ["--resume", state])
    #expect(busy.status == 1 && busy.lastErrorLine.contains("still going on"), "\(busy.errors)")
    close(descriptor)
    // A model that was changed in place is another one, however small the change.
    var bytes = try #require(FileManager.default.contents(atPath: fixture.quantized))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: fixture.quantized))
    let changed = try fixture.run(arguments + ["--resume", state])
    #expect(changed.status == 3 && changed.lastErrorLine.contains("model 1 changed"), "\(changed.errors)")
  }
}
