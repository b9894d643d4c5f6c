import Foundation
import TestSupport
import Testing

/// `pouch-estimate` as a user runs it.
@Suite("pouch-estimate")
struct EstimateTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try TinyCheckpoint().write(in: folder)
  }

  private func estimate(_ arguments: String...) throws -> CommandRun {
    try CommandRun("pouch-estimate", arguments)
  }

  private func json(_ run: CommandRun) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run.errors)")
  }

  @Test("the size told is that of the file that pouch-convert writes", arguments: ["q8_0", "q4_0", "f16"])
  func size(type: String) throws {
    let output = folder.path("out.gguf")
    let written = try CommandRun.convert(model, "--outtype", type, "--outfile", output)
    #expect(written.status == 0, "\(written.errors)")
    let size = try #require(FileManager.default.attributesOfItem(atPath: output)[.size] as? Int)
    for source in [model, output] {
      let run = try estimate(source, "--json", "--type", source == output ? "copy" : type)
      let outputs = try #require(try json(run)["outputs"] as? [[String: Any]])
      let bytes = try #require(outputs[0]["fileBytesRange"] as? [String: Any])
      #expect(bytes["lowest"] as? Int == size && bytes["highest"] as? Int == size)
      #expect(run.status == 0)
    }
    let text = try estimate(model, "--type", type)
    #expect(text.output.contains("file        \(size) bytes") && text.output.contains(", exact"))
  }

  private func lowest(_ output: [String: Any]) throws -> Int {
    let bytes = try #require(output["fileBytesRange"] as? [String: Any])
    #expect(bytes["isExact"] as? Bool == true)
    return try #require(bytes["lowest"] as? Int)
  }

  @Test(
    "a recipe is priced first, stock mixes beside it without it; both as they are written",
    arguments: [[], ["--no-provenance"]])
  func recipe(flags: [String]) throws {
    let text =
      "name: mine\ndescription: d\nbase: q4_0\nrules:\n  - role: attention\n    type: q8_0\n    why: w\n"
    let recipe = try folder.write("mine.yaml", Array(text.utf8))
    func size(_ command: String, _ arguments: [String]) throws -> Int {
      let written = try CommandRun(command, arguments + ["-q", "--force"] + flags)
      #expect(written.status == 0, "\(written.errors)")
      let last = folder.path(command == "pouch-convert" ? "out.gguf" : "again.gguf")
      return try #require(FileManager.default.attributesOfItem(atPath: last)[.size] as? Int)
    }
    let out = folder.path("out.gguf")
    let stock = try size("pouch-convert", [model, "--outtype", "q4_0", "--outfile", out])
    let mine = try size("pouch-convert", [model, "--recipe", recipe, "--outfile", out])
    let arguments = ["--recipe", recipe, "--type", "q4_0", "--table", "--memory", "8GB"] + flags
    let report = try json(CommandRun("pouch-estimate", [model, "--json"] + arguments))
    let outputs = try #require(report["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["mix"] as? String } == ["mine", "Q4_0"])
    #expect(outputs.map { $0["recipe"] as? String } == ["mine", nil])
    let two = try json(CommandRun("pouch-estimate", [model, "--json", "--recipe", recipe + ",q4_k_m"]))
    let names = (two["outputs"] as? [[String: Any]])?.map { $0["recipe"] as? String }
    #expect(names == ["mine", "q4_k_m"])
    #expect(outputs.allSatisfy { $0["includesProvenance"] as? Bool == flags.isEmpty })
    #expect(try outputs.map(lowest) == [mine, stock] && mine > stock)
    let rows = try #require(report["table"] as? [[String: Any]]).compactMap { $0["mix"] as? String }
    #expect(rows.contains("mine") && rows.contains("Q4_K_M") && rows.contains("Q4_0"))
    let best = try #require(report["bestMixes"] as? [[String: Any]])
    #expect(best.allSatisfy { $0["mix"] as? String == "BF16" })
    // A GGUF is requantized.
    let again = try size(
      "pouch-quantize", ["--allow-requantize", "--recipe", recipe, out, folder.path("again.gguf")])
    let file = try json(CommandRun("pouch-estimate", [out, "--json", "--recipe", recipe] + flags))
    let requantized = try #require(file["outputs"] as? [[String: Any]])
    #expect(requantized.count == 1 && requantized[0]["conversion"] != nil)
    #expect(try lowest(requantized[0]) == again)
  }

  @Test("what is unknown is named, and explained")
  func unknown() throws {
    let tokenizer = ["--tokenizer", model]
    func text(_ arguments: [String]) throws -> String {
      let run = try CommandRun("pouch-estimate", ["qwen3-8b", "--explain"] + arguments)
      #expect(run.status == 0)
      return run.output
    }
    #expect(try text([]).contains("tensors exact; unknown: tokenizer, shard names"))
    let names = try text(tokenizer)
    #expect(names.contains(" bytes: tensors exact; unknown: shard names"))
    #expect(names.contains("--no-provenance makes it exact") && names.contains("with provenance"))
    let exact = try text(tokenizer + ["--no-provenance"])
    #expect(exact.contains(", exact") && !exact.contains("unknown") && !exact.contains("provenance"))
  }

  @Test("the flagship by name fits a Mac of 32 GB, with the largest context; lines fit a terminal")
  func flagship() throws {
    let run = try estimate("qwen3.6-35b-a3b", "-c", "32768", "--machine", "macbook-32", "--table")
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(run.output.contains("fits macbook-32 at 32768 tokens with llama.cpp: YES"))
    #expect(run.output.contains("largest context: ") && run.output.contains("21.16 GB"))
    #expect(run.output.contains("Q4_K_M") && run.output.contains("total memory with llama.cpp"))
    for line in run.output.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    let explained = try estimate("qwen3.6-35b-a3b", "-c", "262144", "--explain", "--engine", "llama.cpp")
    #expect(explained.output.contains("KV cache = 5368709120 bytes"))
    #expect(explained.output.contains("10 attention layers of 40 x 262144 cells"))
  }

  @Test("equal questions have equal answers, and JSON has every part")
  func stable() throws {
    let arguments = [
      "qwen3-30b-a3b", "--json", "--type", "q4_k_m,q8_0", "--memory", "24GiB", "--bandwidth", "100GB/s",
      "-ctk",
      "q8_0", "-ctv", "q8_0", "-ub", "256", "-np", "2",
    ]
    let first = try CommandRun("pouch-estimate", arguments)
    #expect(try CommandRun("pouch-estimate", arguments).output == first.output)
    let report = try json(first)
    let outputs = try #require(report["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["mix"] as? String } == ["Q4_K_M", "Q8_0"])
    for key in [
      "fileBytesRange", "memory", "fits", "conversion", "speed", "byRole", "byType", "activeParameters",
    ] {
      #expect(outputs[0][key] != nil, "\(key)")
    }
    #expect((report["bestMixes"] as? [[String: Any]])?.count == 2)
  }

  /// A wrong command line or input, with the exit code and parts of the message.
  struct Wrong: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var status: Int32
    var parts: [String]
    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let wrong = [
    Wrong(arguments: [], status: 2, parts: ["<source>"]),
    Wrong(arguments: ["qwen3-8b", "--no-such-flag"], status: 2, parts: ["--no-such-flag"]),
    Wrong(arguments: ["qwen3-8b", "-c", "-4"], status: 2, parts: ["--ctx-size"]),
    Wrong(arguments: ["qwen3-8b", "-c", "9000000000000"], status: 2, parts: ["-c"]),
    Wrong(arguments: ["qwen3-8b", "-ctk", "q3_k"], status: 2, parts: ["--cache-type-k", "q8_0"]),
    Wrong(arguments: ["qwen3-8b", "-fa", "off", "-ctv", "q8_0"], status: 2, parts: ["-ctv", "-fa"]),
    Wrong(arguments: ["qwen3-8b", "-fa", "maybe"], status: 2, parts: ["--flash-attn"]),
    Wrong(arguments: ["qwen3-8b", "-ub", "0"], status: 2, parts: ["-ub"]),
    Wrong(arguments: ["qwen3-8b", "--type", "q4_k_x"], status: 2, parts: ["Q4_K_M"]),
    Wrong(arguments: ["qwen3-8b", "--recipe", "no-such"], status: 2, parts: ["no-such"]),
    Wrong(
      arguments: ["qwen3-8b", "--recipe", "q4_k_m", "--pure"], status: 2, parts: ["--recipe", "--pure"]),
    Wrong(arguments: ["qwen3-8b", "--engine", "vllm"], status: 2, parts: ["--engine"]),
    Wrong(arguments: ["qwen3-8b", "--machine", "macbook-33"], status: 2, parts: ["macbook-32"]),
    Wrong(
      arguments: ["qwen3-8b", "--memory", "8GB", "--machine", "macbook-8"], status: 2, parts: ["--memory"]),
    Wrong(arguments: ["qwen3-8b", "--memory", "8GB", "--reserve", "9GB"], status: 2, parts: ["--reserve"]),
    Wrong(arguments: ["qwen3-8b", "--bandwidth", "fast"], status: 2, parts: ["--bandwidth"]),
    Wrong(arguments: ["qwen3-8"], status: 3, parts: ["qwen3-8", "did you mean qwen3-8b?"]),
    Wrong(arguments: ["/no/such/file.gguf"], status: 3, parts: ["/no/such/file.gguf", "no such file"]),
  ]

  @Test("wrong usage and bad sources", arguments: wrong)
  func refused(_ wrong: Wrong) throws {
    let run = try CommandRun("pouch-estimate", wrong.arguments)
    #expect(run.status == wrong.status && !run.wasKilled, "status \(run.status): \(run.errors)")
    #expect(run.errorLines.count == 1 && run.output.isEmpty, "\(run.errors)")
    for part in wrong.parts { #expect(run.errors.contains(part), "\(part) is not in: \(run.errors)") }
  }

  @Test("damaged configurations name file and key")
  func damaged() throws {
    let config = model + "/config.json"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: config))
    let cut = try folder.write("config.json", Array(bytes.prefix(bytes.count / 2)))
    let truncated = try estimate(cut)
    #expect(truncated.status == 3 && truncated.errorLines.first?.contains(cut) == true, "\(truncated.errors)")
    var values = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    values["hidden_size"] = 1_000_000
    values["num_experts"] = 60_000
    values["moe_intermediate_size"] = 16_000_000
    let absurd = folder.path("absurd.json")
    try JSONSerialization.data(withJSONObject: values).write(to: URL(fileURLWithPath: absurd))
    let run = try estimate(absurd)
    #expect(run.status == 3 && !run.wasKilled && run.errorLines.count == 1, "\(run.errors)")
  }

  @Test("help and the list of models")
  func help() throws {
    let help = try estimate("--help")
    #expect(help.status == 0 && help.output.contains("USAGE: pouch-estimate"))
    let list = try estimate("--list-models")
    #expect(list.status == 0 && list.output.split(separator: "\n").contains("qwen3.6-35b-a3b"))
  }
}
