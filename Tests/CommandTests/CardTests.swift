import Foundation
import TestSupport
import Testing

@Suite("pouch-card")
struct CardTests {
  private let folder: TemporaryFolder
  private let files: [String]
  private let text: String

  private static let samples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("samples").path
  private static let sample = samples + "/Pelican-10M-A5M"

  init() throws {
    folder = try TemporaryFolder()
    let place = folder.url.path
    files = ["Q4_K_M", "Q8_0"].map { "\(place)/pelican-\($0).gguf" }
    try CommandRun(
      "pouch-convert",
      [Self.sample, "--outtype", "q4_k_m", "--outtype", "q8_0", "--outfile", place + "/pelican-{ftype}.gguf"]
    ).expect(0)
    for file in files where !FileManager.default.fileExists(atPath: file) {
      // {ftype} is in lower case where types are.
      let lower = "\(place)/pelican-" + (file.contains("Q4") ? "q4_k_m.gguf" : "q8_0.gguf")
      try FileManager.default.moveItem(atPath: lower, toPath: file)
    }
    let whole = try #require(FileManager.default.contents(atPath: Self.samples + "/texts/svg-plain.txt"))
    text = try folder.write("text.txt", Array(whole.prefix(6000)))
  }

  private func card(_ arguments: [String]) throws -> CommandRun { try CommandRun("pouch-card", arguments) }

  /// Measures files and keeps the document.
  private func measure(_ name: String, _ files: [String], context: Int = 64, base: Bool = true) throws
    -> String
  {
    let run = try CommandRun(
      "pouch-perplexity",
      (base ? ["--base", Self.sample] : []) + files.flatMap { ["-m", $0] }
        + ["-f", text, "-c", "\(context)", "--chunks", "6", "--json"])
    run.expect(0)
    return try folder.write(name, Array(run.output.utf8))
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func json(_ run: CommandRun) throws -> [String: Any] {
    run.expect(0)
    return try json(run.output)
  }

  private func contents(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  // MARK: - Where every number comes from

  /// Numbers as a card writes them, gathered from other commands and from the files themselves.
  private struct Known {
    var texts: Set<String> = []

    mutating func add(_ value: Double, _ places: Int) { texts.insert(String(format: "%.\(places)f", value)) }
    mutating func add(count: Int) { texts.insert(Self.grouped(count)) }
    /// A size in MB, which is what the sample's sizes are in.
    mutating func add(size: Int) { add(Double(size) / 1e6, 2) }
    /// Three significant figures.
    mutating func add(divergence value: Double) {
      let exponent = Int(floor(log10(value)))
      if exponent < -7 {
        texts.insert(String(format: "%.2e", value))
      } else {
        add(value, max(2 - exponent, 0))
      }
    }

    static func grouped(_ count: Int) -> String {
      var text = "\(count)"
      var place = text.count - 3
      while place > 0 {
        text.insert(",", at: text.index(text.startIndex, offsetBy: place))
        place -= 3
      }
      return text
    }
  }

  /// An estimate with the ends of its interval.
  private func numbers(_ value: Any?) throws -> [Double] {
    let estimate = try #require(value as? [String: Any])
    return [try #require(estimate["value"] as? Double)] + (estimate["interval95"] as? [Double] ?? [])
  }

  private func known(_ result: String) throws -> Known {
    var known = Known()
    // Words of the page: the checksums' name, intervals.
    known.texts = ["256", "95"]
    for file in files {
      known.add(size: try #require(FileManager.default.contents(atPath: file)).count)
      let inspection = try json(CommandRun.inspect(file, "--json", "--no-tensors"))
      known.add(try #require(inspection["bitsPerWeight"] as? Double), 2)
      for key in ["parameters", "activeParameters"] {
        known.add(try #require(inspection[key] as? Double) / 1e6, 2)
      }
      let estimate = try json(
        CommandRun("pouch-estimate", [file, "-c", "0", "--engine", "llama.cpp", "--json"]))
      known.add(count: try #require(estimate["modelContextLength"] as? Int))
      let output = try #require((estimate["outputs"] as? [[String: Any]])?.first)
      let memory = try #require((output["memory"] as? [[String: Any]])?.first)
      known.add(size: try #require(memory["totalBytes"] as? Int))
      let kinds = ["macbook", "linux"]
      for kind in kinds {
        let fit = try CommandRun("pouch-estimate", [file, "-c", "0", "--machine", kind + "-8"])
        if fit.status == 0 { known.texts.insert("8") }
      }
    }
    for measured in try #require(try json(contents(result))["results"] as? [[String: Any]]) {
      let comparison = try #require(measured["comparison"] as? [String: Any])
      for value in try numbers(comparison["meanDivergence"]) { known.add(divergence: value) }
      for key in ["ratio", "basePerplexity"] {
        for value in try numbers(comparison[key]) { known.add(value, 4) }
      }
      for value in try numbers(comparison["sameTop"]) { known.add(100 * value, 2) }
      for key in ["windows", "windowLength", "scoredTokens"] {
        known.add(count: try #require(measured[key] as? Int))
      }
    }
    return known
  }

  /// All numbers of a card that are not part of a name, a hash or a command.
  private func numbers(ofCard text: String, names: [String]) throws -> [String] {
    var text = try #require(text.components(separatedBy: "\n---\n").dropFirst().first.map { _ in text })
    text = text.components(separatedBy: "\n---\n").dropFirst().joined(separator: "\n")
    text = text.replacing(/```[^`]*```/, with: " ").replacing(/`[^`]*`/, with: " ").replacing(
      /\]\([^)]*\)/, with: " ")
    text = text.replacing("&nbsp;", with: " ").replacing("<br>", with: " ").replacing(
      /xxh64:[0-9a-f]+/, with: " ")
    for name in names { text = text.replacing(name, with: " ") }
    return text.matches(of: /\d[\d,]*(\.\d+)?/).map { String($0.output.0) }.map {
      $0.hasSuffix(",") ? String($0.dropLast()) : $0
    }
  }

  @Test("every number of the sample's card comes from a file or a result")
  func numbersHaveSources() throws {
    let result = try measure("kld.json", files)
    let readme = folder.path("README.md")
    let run = try card(
      files + [
        "--results", result, "--checkpoint", Self.sample, "--base-model", "pouch/Pelican-10M-A5M", "-o",
        readme,
      ])
    run.expect(0)
    let markdown = try contents(readme)
    let known = try known(result)
    let found = try numbers(
      ofCard: markdown,
      names: files.map { ($0 as NSString).lastPathComponent } + [
        "Q4_K_M", "Q8_0", "Pelican-10M-A5M", "qwen35moe", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "0.1.0", "f16", "xxh64",
      ])
    #expect(found.count > 30)
    for number in found { #expect(known.texts.contains(number), "\(number) in \(markdown)") }
    // Hashes are those of the files, one each.
    for file in files {
      let hash = SHA256.hexadecimalDigest(Array(try #require(FileManager.default.contents(atPath: file))))
      #expect(markdown.contains("\(hash)  \((file as NSString).lastPathComponent)\n"))
    }
    let hash = try #require(
      (try json(contents(result))["results"] as? [[String: Any]])?.first?["textXXH64"] as? String)
    #expect(markdown.contains("(xxh64 `\(hash)`)"))
    #expect(markdown.contains("](card/size-divergence.svg)"))
    #expect(try contents(folder.path("card/size-divergence.svg")).contains("<svg xmlns="))
    // The command that it gives makes the same tensors.
    #expect(
      markdown.contains(
        "pouch-convert pouch/Pelican-10M-A5M --outtype q4_k_m --outfile pelican-Q4_K_M.gguf\n"))
    #expect(markdown.contains("base_model: pouch/Pelican-10M-A5M\nbase_model_relation: quantized\n"))
    #expect(!FileManager.default.fileExists(atPath: readme + ".partial"))
  }

  @Test("without results there are no columns for them, and nothing is written under --dry-run")
  func withoutResults() throws {
    let readme = folder.path("README.md")
    let run = try card(files + ["--dry-run", "-o", readme])
    run.expect(0)
    #expect(
      !run.output.contains("KLD") && !run.output.contains("perplexity ratio")
        && !run.output.contains("](card/"))
    #expect(run.output.contains("| bits per weight |") && run.output.contains("## SHA-256"))
    #expect(run.errors.contains("--base-model") && !run.output.contains("base_model"))
    #expect(!FileManager.default.fileExists(atPath: readme))
    #expect(!FileManager.default.fileExists(atPath: folder.path("card")))
    let printed = try json(card(files + ["--dry-run", "--json", "-o", readme]))
    #expect(printed["schema"] as? String == "pouch.card")
    #expect((printed["files"] as? [[String: Any]])?.count == 2)
  }

  @Test("drawings stand side by side, with the verdicts and scores of their result")
  func drawings() throws {
    let prompts = try folder.write(
      "prompts.jsonl",
      Array(
        """
        {"id": "row", "prompt": "Draw three purple rectangles in a column as SVG."}
        {"id": "rings", "prompt": "Draw two concentric squares: white and pink as SVG."}

        """.utf8))
    let out = folder.path("svg")
    try CommandRun(
      "pouch-svg-eval",
      [
        "--base", Self.sample, "-m", files[0], "-m", files[1], "--prompts", prompts, "--out", out, "-n",
        "400",
        "--no-floor", "-q",
      ]
    ).expect(0)
    let readme = folder.path("README.md")
    try card([files[0], "--results", out + "/results.json", "-o", readme]).expect(0)
    let markdown = try contents(readme)
    let models = try #require(try json(contents(out + "/results.json"))["models"] as? [[String: Any]])
    let model = try #require(models.first { $0["label"] as? String == "pelican-Q4_K_M" })
    let paired = try #require(model["paired"] as? [String: Any])
    let row = try #require(markdown.split(separator: "\n").first { $0.contains("&nbsp;of&nbsp;2 |") })
    let verdict = try #require((model["forced"] as? [String: Any])?["verdict"] as? String)
    let identical = try #require(paired["identical"] as? Int)
    let score = String(format: "%.3f", try numbers(paired["score"])[0])
    for part in [verdict, "\(identical)&nbsp;of&nbsp;2"] { #expect(row.contains("| \(part) |"), "\(row)") }
    #expect(row.contains("| \(score)"), "\(row)")
    let pictures = markdown.matches(of: /\]\((card\/drawings\/[^)]+)\)/).map { String($0.output.1) }
    #expect(pictures.count == 4 && Set(pictures).count == 4)
    for picture in pictures {
      let name = try #require(picture.split(separator: "/").last).split(separator: ".")[0]
      let id = try #require(name.split(separator: "-").last)
      let label = name.dropLast(id.count + 1)
      let shown = try #require(FileManager.default.contents(atPath: folder.path(picture)))
      #expect(shown == FileManager.default.contents(atPath: "\(out)/drawings/\(label)/\(id).png"))
    }
    // The base's column has its name. A picture that is gone is named, and the others are shown.
    #expect(
      markdown.contains("| prompt | Pelican-10M-A5M | Q4\\_K\\_M |")
        || markdown.contains("| prompt | Pelican-10M-A5M | Q4_K_M |"), "\(markdown)")
    try FileManager.default.removeItem(atPath: "\(out)/drawings/pelican-Q4_K_M/row.png")
    let less = try card([files[0], "--results", out + "/results.json", "-o", readme, "--force"])
    less.expect(0)
    #expect(
      less.errors.contains("not there, and so not shown: pelican-Q4_K_M/row.png"))
    #expect(try contents(readme).matches(of: /\]\(card\/drawings\//).count == 3)
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path("card/drawings"))
    #expect(left.count == 3, "\(left)")
  }

  @Test("a card replaces nothing unasked")
  func existing() throws {
    let readme = try folder.write("README.md", Array("mine".utf8))
    for arguments in [
      ["-o", readme], ["-o", folder.path("none/README.md")], ["-o", "-"], ["-o", folder.url.path],
    ] {
      let run = try card(files + arguments)
      #expect(run.status == 3 && run.errorLines.count == 1 && run.output.isEmpty, "\(run.errors)")
    }
    #expect(try contents(readme) == "mine")
    try card(files + ["-o", readme, "--force"]).expect(0)
    #expect(try contents(readme).hasPrefix("---\n"))
  }

  @Test("results of another file, another measurement or a part are refused")
  func otherResults() throws {
    let result = try measure("kld.json", files)
    let readme = folder.path("README.md")
    func refused(_ arguments: [String], _ parts: String...) throws {
      let run = try card(arguments + ["-o", readme])
      #expect(run.status == 3 && run.errorLines.count == 1, "\(run.errors)")
      for part in parts { #expect(run.errors.contains(part), "\(part): \(run.errors)") }
      #expect(!FileManager.default.fileExists(atPath: readme))
    }
    // The file is made again, as something else, after it was measured.
    let other = folder.path("again")
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    let again = other + "/pelican-Q4_K_M.gguf"
    try CommandRun.convert(Self.sample, "--outtype", "q3_k_m", "--outfile", again).expect(0)
    try refused([again, "--results", result], "pelican-Q4_K_M.gguf", "measure the file again")
    // Nothing in it is of the file.
    let third = folder.path("third.gguf")
    try FileManager.default.moveItem(atPath: again, toPath: third)
    try refused([third, "--results", result], "third.gguf", "pelican-Q8_0.gguf")
    // What is measured otherwise does not compare.
    let longer = try measure("longer.json", [files[1]], context: 128)
    try refused(files + ["--results", result, longer], "longer.json", "windows of")
    let alone = try measure("alone.json", [files[1]], base: false)
    try refused(files + ["--results", result, alone], "alone.json", "base none")
    // A copy under another name is the same file.
    let copy = folder.path("copy.gguf")
    try FileManager.default.copyItem(atPath: files[0], toPath: copy)
    let run = try card([copy, "--results", result, "--dry-run"])
    #expect(
      run.status == 0 && run.output.contains("mean KLD") && run.errors.contains("pelican-Q8_0.gguf"),
      "\(run.errors)")

    var document = try json(contents(result))
    document["part"] = "1/2"
    try refused(files + ["--results", try write("part.json", document)], "part 1/2")
    document["part"] = nil
    document["isComplete"] = false
    try refused(files + ["--results", try write("stopped.json", document)], "interrupted")
    document["isComplete"] = true
    var results = try #require(document["results"] as? [[String: Any]])
    results[0]["modelXXH64"] = nil
    document["results"] = results
    try refused(files + ["--results", try write("old.json", document)], "modelXXH64")
    document["results"] = "none"
    try refused(files + ["--results", try write("odd.json", document)], "odd.json", "results")
    document["schema"] = "pouch.plan"
    try refused(files + ["--results", try write("plan.json", document)], "pouch.plan")
    try refused(files + ["--results", try folder.write("text.json", Array("hello".utf8))], "text.json")
    try refused(files + ["--results", folder.path("none.json")], "none.json")
  }

  private func write(_ name: String, _ document: [String: Any]) throws -> String {
    try folder.write(name, Array(try JSONSerialization.data(withJSONObject: document)))
  }

  @Test("files that are no models, cut short, of two models, or given twice are refused")
  func badFiles() throws {
    let bytes = try #require(FileManager.default.contents(atPath: files[0]))
    let tiny = try TinyCheckpoint().write(in: folder)
    let small = folder.path("small.gguf")
    try CommandRun.convert(tiny, "--outtype", "f16", "--outfile", small).expect(0)
    let copy = folder.path("copy.gguf")
    try FileManager.default.copyItem(atPath: files[0], toPath: copy)
    let cases: [([String], String)] = [
      ([try folder.write("short.gguf", Array(bytes.dropLast(4096)))], "short.gguf"),
      ([try folder.write("head.gguf", Array(bytes.prefix(300)))], "head.gguf"),
      ([try folder.write("hello.gguf", Array("hello".utf8))], "hello.gguf"),
      ([folder.path("none.gguf")], "none.gguf"), ([files[0], small], "small.gguf"),
      ([files[0], copy], "copy.gguf"), ([Self.sample], "quantization"),
      ([files[0], "--checkpoint", tiny], "--checkpoint"),
      ([files[0], "--checkpoint", "org/none"], "org/none"),
      ([files[0], "--checkpoint", files[0]], "checkpoint folder"),
    ]
    for (arguments, part) in cases {
      let run = try card(arguments + ["-o", folder.path("README.md")])
      #expect(
        run.status == 3 && run.errorLines.count == 1 && run.errors.contains(part), "\(part): \(run.errors)")
      #expect(!run.wasKilled && run.output.isEmpty)
      #expect(!FileManager.default.fileExists(atPath: folder.path("README.md")))
    }
    for name in ["org", "org/name/more", "a b/c", "org/"] {
      let run = try card([files[0], "--base-model", name, "--dry-run"])
      #expect(run.status == 2 && run.errors.contains("--base-model"), "\(run.errors)")
    }
  }

  @Test("shards are one row; folders for MLX stand beside GGUF files; the licence is the checkpoint's")
  func shardsAndFolders() throws {
    let checkpoint = folder.path("Pelican")
    try FileManager.default.copyItem(atPath: Self.sample, toPath: checkpoint)
    try Data(
      "---\nlicense: other\nlicense_name: a-licence\nlicense_link: LICENSE\nlanguage:\n- en\n- \"no\"\n---\n"
        .utf8
    )
    .write(to: URL(fileURLWithPath: checkpoint + "/README.md"))
    let split = folder.path("parts.gguf")
    try CommandRun.convert(checkpoint, "--outtype", "q6_k", "--split-max-size", "4M", "--outfile", split)
      .expect(0)
    let first = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.url.path).first {
        $0.hasPrefix("parts") && $0.contains("-00001-of-")
      })
    let mlx = folder.path("pelican-4bit")
    try CommandRun.convert(checkpoint, "--format", "mlx", "--bits", "4", "--outfile", mlx).expect(0)
    let result = try measure("kld.json", [folder.path(first), mlx])
    let run = try card([
      folder.path(first), mlx, "--results", result, "--checkpoint", checkpoint, "--base-model", "org/Pelican",
      "--dry-run",
    ])
    run.expect(0)
    let rows = run.output.split(separator: "\n")
    #expect(rows.count { $0.hasPrefix("| [parts") } == 1)
    #expect(
      rows.count { $0.hasPrefix("| [pelican-4bit]") && $0.contains("| MLX | 4 bits, groups of 64 |") } == 1)
    #expect(run.output.matches(of: /[0-9a-f]{64}  parts-0000/).count > 1)
    #expect(run.output.contains("  pelican-4bit/model.safetensors\n"))
    #expect(run.output.contains("license: other\nlicense_name: a-licence\n"))
    #expect(run.output.contains("license_link: https://huggingface.co/org/Pelican/blob/main/LICENSE\n"))
    #expect(run.output.contains("mlx_lm.generate --model pelican-4bit") && !run.output.contains("ollama"))
    // Bits per weight of the folder are the bytes of its tensors over the weights that its index tells.
    let index = try json(contents(mlx + "/model.safetensors.index.json"))
    let metadata = try #require(index["metadata"] as? [String: Any])
    let bits =
      8 * (try #require(metadata["total_size"] as? Double))
      / (try #require(metadata["total_parameters"] as? Double))
    #expect(run.output.contains(" | \(String(format: "%.2f", bits)) | "))
  }
}
