import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("pouch-generate")
struct GenerateTests {
  private let model: RuntimeModel

  init() throws { model = try RuntimeModel() }

  private func generate(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-generate", arguments)
  }

  @Test("help, version, and wrong usage")
  func usage() throws {
    let help = try generate("--help")
    #expect(help.status == 0 && help.output.contains("USAGE: pouch-generate"))
    #expect(help.output.contains("Exit codes: 0 done"))
    #expect(try generate("--version").output.contains("kernel level"))
    try generate("-p", "x").expect(2, "--model")
    try generate("-m", model.path).expect(2, "--tokens")
    try generate("-m", model.path, "-p", "a", "--tokens", "1").expect(2, "--tokens")
    try generate("-m", model.path, "--tokens", "1,two").expect(2, "--tokens", "two")
    for flags in [
      ["--threads", "0"], ["--batch-size", "0"], ["-n", "-2"], ["-c", "x"], ["--mode", "quick"],
      ["--temp", "nan"], ["--temp", "-1"], ["--top-p", "3"], ["--top-p", "-0.1"], ["--min-p", "1.5"],
      ["--top-k", "-2"], ["-c", "-5"], ["--temp", "inf"], ["--repeat-penalty", "0"], ["--seed", "-2"],
      ["-ctk", "q8"], ["-ctv", "q6_K"], ["--no-such"],
    ] {
      let run = try CommandRun("pouch-generate", ["-m", model.path, "--tokens", "1"] + flags)
      #expect(run.status == 2 && run.errorLines.count == 1, "\(flags): \(run.errors)")
    }
  }

  @Test("models that cannot be run are rejected by name")
  func badModels() throws {
    for bad in try model.bad() {
      let run = try generate("-m", bad.path, "--tokens", "1", "-n", "1")
      run.expect(3, bad.parts)
      #expect(run.output.isEmpty)
    }
  }

  @Test("prompts that cannot be evaluated are rejected")
  func badPrompts() throws {
    try generate("-m", model.path, "--tokens", "1,999999", "-n", "1").expect(3, "999999", "287")
    try generate("-m", model.path, "--tokens=-1", "-n", "1").expect(3, "-1")
    try generate("-m", model.path, "--tokens", "", "-n", "1").expect(3, "token")
    try generate("-m", model.path, "--raw", "-p", "", "-n", "1").expect(3, "token")
    try generate("-m", model.path, "-f", model.folder.path("none.txt")).expect(3, "none.txt")
    try generate("-m", model.path, "--tokens", "1,2,3,4,5", "-c", "4", "-n", "1").expect(3, "5", "4")
  }

  @Test("templates that are missing or unknown need --raw")
  func templates() throws {
    try generate("-m", model.path, "-p", "hi", "-n", "1").expect(2, "--raw")
    let other = try RuntimeModel(metadata: "tokenizer.chat_template=str:{{ messages | odd_filter }}")
    try generate("-m", other.path, "-p", "hi", "-n", "1").expect(3, "template")
    try generate("-m", other.path, "--raw", "-p", "hi", "-n", "1").expect(0)
  }

  @Test("templates are run, with the flags as variables")
  func renderedTemplates() throws {
    let other = try RuntimeModel(
      metadata:
        "tokenizer.chat_template=str:{% for m in messages %}[{{m.role|upper}}]{{m.content|trim}};{% endfor %}"
        + "{{thinking is defined and thinking}}")
    func prompt(_ flags: String...) throws -> [Int] {
      let run = try CommandRun(
        "pouch-generate", ["-m", other.path, "-n", "1", "--temp", "0", "--json"] + flags)
      run.expect(0)
      #expect(run.errors.isEmpty)
      return try #require(try run.json()["promptTokens"] as? [Int])
    }
    #expect(try prompt("-p", " hi ") == prompt("--raw", "-p", "[USER]hi;False"))
    #expect(
      try prompt("-p", "hi", "--sys", "S", "--thinking")
        == prompt("--raw", "-p", "[SYSTEM]S;[USER]hi;True"))
    let strict = try RuntimeModel(
      metadata:
        "tokenizer.chat_template=str:{{raise_exception('No is no.') if messages|length > 1}}{{messages[0].content}}"
    )
    try generate("-m", strict.path, "-p", "hi", "--sys", "no", "-n", "1").expect(3, "No is no.", "--raw")
    let plain = try RuntimeModel(metadata: "tokenizer.chat_template=str:{{ messages[-1].content }}")
    let run = try generate("-m", plain.path, "-p", "hi", "-n", "1", "--no-thinking")
    run.expect(0)
    #expect(run.errors.contains("--no-thinking changes nothing"))
    try generate("-m", plain.path, "-p", "hi", "--sys", "S", "-n", "1").expect(3, "system", "leaves it out")
  }

  @Test("--logits never replaces a file without --force, and leaves nothing behind after an error")
  func logits() throws {
    let path = try model.folder.write("logits.npy", [1, 2, 3])
    try generate("-m", model.path, "--tokens", "1,2", "--logits", path).expect(3, "logits.npy", "--force")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2, 3]))
    try generate("-m", model.path, "--tokens", "1,2", "--logits", path, "--force").expect(0)
    // 128 bytes of header, then two rows of 288 values.
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(data.count == 128 + 2 * 288 * 4 && data.starts(with: [0x93] + Array("NUMPY".utf8)))
    let other = model.folder.path("other.npy")
    try generate("-m", model.path, "--tokens", "999999", "--logits", other).expect(3, "999999")
    try generate("-m", model.path, "--tokens", "1", "--logits", "/none/x.npy").expect(3, "/none")
    let left = try FileManager.default.contentsOfDirectory(atPath: model.folder.url.path)
    #expect(left.filter { $0.contains("npy") } == ["logits.npy"])
  }

  @Test("--json is one object with text, tokens and timings")
  func json() throws {
    let run = try generate("-m", model.path, "--tokens", "72,105", "-n", "4", "--temp", "0", "--json")
    run.expect(0)
    let object = try run.json()
    #expect(object["promptTokens"] as? [Int] == [72, 105])
    let tokens = try #require(object["tokens"] as? [Int])
    #expect((1...4).contains(tokens.count) || object["stopReason"] as? String == "endOfGeneration")
    #expect(object["timings"] is [String: Any] && object["memory"] is [String: Any])
    // Without --json the same tokens come out as text on standard output, and nothing else.
    let text = try generate("-m", model.path, "--tokens", "72,105", "-n", "4", "--temp", "0")
    #expect(text.output.hasPrefix(object["text"] as? String ?? "?"), "\(text.output)")
  }

  @Test("wrong values are answered with the range that is right")
  func ranges() throws {
    for (flags, words) in [
      (["--temp", "-1"], "--temp must be at least 0, not -1"),
      (["--top-p", "3"], "--top-p must be from 0 to 1, not 3"),
      (["--min-p", "-0.5"], "--min-p must be from 0 to 1, not -0.5"),
      (["-c", "-5"], "--ctx-size must be at least 0"),
    ] {
      let run = try CommandRun("pouch-generate", ["-m", model.path, "--tokens", "1"] + flags)
      #expect(run.status == 2 && run.errors.contains(words), "\(run.errors)")
    }
    for flags in [
      ["--top-p", "0"], ["--top-p", "1"], ["--min-p", "1"], ["--temp", "0"], ["--top-k", "-1"],
    ] {
      try CommandRun("pouch-generate", ["-m", model.path, "--tokens", "1", "-n", "1"] + flags).expect(0)
    }
  }

  @Test("the context is as long as the help says, and a note names what the model was not made for")
  func context() throws {
    // The model was made for 512 tokens.
    func run(_ promptCount: Int, _ flags: [String]) throws -> (context: Int, notes: [String], errors: String)
    {
      let ids = (0..<promptCount).map { "\(97 + $0 % 20)" }.joined(separator: ",")
      let run = try CommandRun(
        "pouch-generate", ["-m", model.path, "--tokens", ids, "--temp", "0", "--json", "-t", "1"] + flags)
      run.expect(0)
      let object = try run.json()
      return (
        try #require(object["contextLength"] as? Int), try #require(object["notes"] as? [String]), run.errors
      )
    }
    for (count, flags, context, words) in [
      (8, ["-n", "2"], 10, ""), (8, ["-n", "0", "-c", "0"], 512, ""), (8, ["-n", "2", "-c", "512"], 512, ""),
      (8, ["-n", "1", "-c", "513"], 513, "context of 513 tokens is longer than the 512"),
      (8, ["-n", "1", "-c", "100000"], 100_000, "longer than the 512"),
      (500, ["-n", "20"], 520, "context of 520 tokens is longer than the 512"),
      (600, ["-n", "1"], 601, "the prompt has 600 tokens, the model was made for a context of 512"),
      (600, [], 1112, "the prompt has 600 tokens"), (490, [], 512, ""),
    ] {
      let found = try run(count, flags)
      #expect(found.context == context, "\(count) \(flags): \(found.context)")
      #expect(found.notes.isEmpty == words.isEmpty, "\(count) \(flags): \(found.notes)")
      #expect(
        words.isEmpty || found.notes[0].contains(words) && found.errors.contains("note: "), "\(found.errors)")
    }
  }

  @Test("Ctrl-C ends it with 130 after the text so far")
  func interrupt() throws {
    let running = try RunningCommand(
      "pouch-generate",
      ["-m", model.path, "--tokens", "72,105", "-n", "-1", "-c", "60000", "--temp", "0", "-t", "1"])
    let end = try running.stop(SIGINT) { !running.output.isEmpty }
    #expect(end.status == 130 && !end.wasKilled, "\(running.errors)")
    #expect(running.errors.contains("interrupted"))
  }
}
