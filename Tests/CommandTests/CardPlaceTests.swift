import Foundation
import TestSupport
import Testing

/// What a card may be made of, where it may be written, and what it takes over from a checkpoint's own card.
@Suite("pouch-card: inputs and places")
struct CardPlaceTests {
  private let folder: TemporaryFolder
  private let file: String

  private static let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
      "samples/Pelican-10M-A5M"
    ).path

  init() throws {
    folder = try TemporaryFolder()
    file = folder.path("a.gguf")
    try CommandRun.convert(Self.sample, "--outtype", "q4_k_m", "--outfile", file).expect(0)
  }

  private func card(_ arguments: String...) throws -> CommandRun { try CommandRun("pouch-card", arguments) }

  private func copy(_ path: String, _ name: String) throws -> String {
    let copy = folder.path(name)
    try FileManager.default.createDirectory(
      atPath: (copy as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    return copy
  }

  private func refuse(_ run: CommandRun, _ part: String) {
    #expect(run.status == 3 && run.errorLines.count == 1 && run.errors.contains(part), "\(run.errors)")
    #expect(!run.wasKilled && run.output.isEmpty)
  }

  @Test("a card is written over none of its inputs, and over nothing that is no Markdown")
  func outputs() throws {
    let bytes = try #require(FileManager.default.contents(atPath: file))
    let link = folder.path("link.md")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
    let nested = folder.path("x")
    try FileManager.default.createDirectory(atPath: nested, withIntermediateDirectories: true)
    for output in [file, link, nested + "/../a.gguf"] {
      refuse(try card(file, "-o", output, "--force"), "--output")
      #expect(FileManager.default.contents(atPath: file) == bytes)
    }
    let checkpoint = try copy(Self.sample, "Pelican")
    let readme = try folder.write("Pelican/README.md", Array("---\nlicense: mit\n---\n".utf8))
    refuse(
      try card(file, "--checkpoint", checkpoint, "-o", readme, "--force"), "that the card is made of")
    // Results, even under a name of Markdown.
    let run = try CommandRun(
      "pouch-perplexity",
      [
        "-m", file, "-f", try folder.write("t.txt", Array(repeating: 65, count: 900)), "-c", "32", "--json",
      ])
    run.expect(0)
    let result = try folder.write("k.md", Array(run.output.utf8))
    refuse(try card(file, "--results", result, "-o", result, "--force"), "that the card is made of")
    for (name, contents) in [
      ("other.gguf", Array(bytes.prefix(64))), ("b.md", [0, 1, 2]), ("c.md", Array("{\"a\": 1}\n".utf8)),
      ("latin.md", [0x47, 0xFC, 0x6E]),
    ] {
      let place = try folder.write(name, contents)
      refuse(try card(file, "-o", place, "--force"), "a Markdown file")
      #expect(FileManager.default.contents(atPath: place) == Data(contents))
    }
    refuse(try card(file, "-o", folder.path("new.gguf")), "ends in .gguf")
    // A link to nothing is something.
    let dangling = folder.path("dangling.md")
    try FileManager.default.createSymbolicLink(
      atPath: dangling, withDestinationPath: folder.path("none.md"))
    refuse(try card(file, "-o", dangling), "a link to nothing")
    try card(file, "-o", dangling, "--force").expect(0)
    #expect(!FileManager.default.fileExists(atPath: folder.path("none.md")))
    // Elsewhere than the file.
    let other = try card(file, "-o", nested + "/README.md")
    other.expect(0)
    #expect(other.errors.contains("belong beside it: \(file)"), "\(other.errors)")
  }

  @Test("a card that replaces one removes the pictures that the old one showed, and no others")
  func oldPictures() throws {
    let readme = folder.path("README.md")
    let keep = folder.path("card/drawings/mine.png")
    try FileManager.default.createDirectory(
      atPath: folder.path("card/drawings"), withIntermediateDirectories: true)
    for name in ["card/drawings/mine.png", "card/drawings/a b.png", "card/size-divergence.svg", "up.png"] {
      _ = try folder.write(name, [1])
    }
    try Data(
      "![x](card/size-divergence.svg) ![y](card/drawings/a%20b.png) ![z](card/drawings/..%2F..%2Fup.png)\n"
        .utf8
    ).write(to: URL(fileURLWithPath: readme))
    try card(file, "-o", readme, "--force").expect(0)
    let left = ["card/size-divergence.svg", "card/drawings/a b.png", "card/drawings/mine.png", "up.png"].map {
      FileManager.default.fileExists(atPath: folder.path($0))
    }
    #expect(left == [false, false, true, true])
    try FileManager.default.removeItem(atPath: keep)
  }

  @Test("folders for MLX without weights, shards, configuration or tokenizer are refused")
  func incompleteFolders() throws {
    let whole = folder.path("mlx")
    try CommandRun.convert(Self.sample, "--format", "mlx", "--bits", "4", "--outfile", whole).expect(0)
    for (place, names, part) in [
      ("1", ["model.safetensors"], "model.safetensors"), ("2", ["config.json"], "config.json"),
      ("3", ["model.safetensors", "model.safetensors.index.json"], "model*.safetensors"),
      ("4", ["tokenizer.json"], "tokenizer"),
    ] {
      let part4 = try copy(whole, place + "/mlx")
      for name in names { try FileManager.default.removeItem(atPath: "\(part4)/\(name)") }
      refuse(try card(part4, "--dry-run"), part)
    }
    try card(whole, "--dry-run").expect(0)
  }

  @Test("names: two of one name and control characters are refused; commands and checksums keep the others")
  func names() throws {
    let twin = folder.path("d/a.gguf")
    try FileManager.default.createDirectory(
      atPath: folder.path("d"), withIntermediateDirectories: true)
    try CommandRun.convert(Self.sample, "--outtype", "q8_0", "--outfile", twin).expect(0)
    refuse(try card(file, twin, "--dry-run"), "names of their own")
    refuse(try card(try copy(file, "a\nb.gguf"), "--dry-run"), "a?b.gguf")
    let odd = try copy(file, "-x\\y.gguf")
    let run = try card(odd, "--dry-run")
    run.expect(0)
    #expect(run.output.contains("llama-cli -m './-x\\y.gguf'"))
    #expect(run.output.firstMatch(of: /\n\\[0-9a-f]{64}  -x\\\\y\.gguf\n/) != nil, "\(run.output)")
    // One of f32 alone is not quantized.
    let plain = folder.path("f32.gguf")
    try CommandRun.convert(Self.sample, "--outtype", "f32", "--outfile", plain).expect(0)
    let whole = try card(plain, "--dry-run")
    whole.expect(0)
    #expect(!whole.output.contains(", quantized") && !whole.output.contains("- quantized\n"))
  }

  @Test("losses are told against the base by its name, quantized or not")
  func base() throws {
    let other = folder.path("small.gguf")
    try CommandRun.convert(Self.sample, "--outtype", "q2_k", "--outfile", other).expect(0)
    let text = try folder.write(
      "t.txt", Array(repeating: Array("<svg width=\"9\"/> ".utf8), count: 60).flatMap(\.self))
    let run = try CommandRun(
      "pouch-perplexity",
      ["--base", file, "-m", file, "-m", other, "-f", text, "-c", "32", "--chunks", "4", "--json"])
    run.expect(0)
    let result = try folder.write("k.json", Array(run.output.utf8))
    let shown = try card(file, other, "--results", result, "--dry-run")
    shown.expect(0)
    #expect(shown.output.contains("KL divergence from `a.gguf` in nats"), "\(shown.output)")
    #expect(!shown.output.contains("unquantized"))
    #expect(shown.output.contains("It is one of these files"))
  }

  @Test("a checkpoint's front matter is read as YAML; what is no text is left out, and said")
  func frontMatter() throws {
    let checkpoint = try copy(Self.sample, "Pelican")
    func shown(_ readme: String) throws -> CommandRun {
      _ = try folder.write("Pelican/README.md", Array(readme.utf8))
      let run = try card(
        file, "--checkpoint", checkpoint, "--base-model", "org/Pelican", "--dry-run")
      run.expect(0)
      return run
    }
    let good = try shown(
      "\u{FEFF}--- \t\r\nlicense: 'apache-2.0' # yes\r\nlanguage: en\r\nlicense_link: docs/a b#c.md\r\npipeline_tag: image-text-to-text\r\n---  \r\n# x\r\n"
    )
    for part in [
      "license: apache-2.0\n", "language:\n- en\n", "/org/Pelican/blob/main/docs/a%20b%23c.md\n",
      "pipeline_tag: image-text-to-text\n",
    ] { #expect(good.output.contains(part), "\(part): \(good.output.prefix(400))") }
    for (line, key) in [
      ("license: [mit, gpl]", "license"), ("license: {a: b}", "license"),
      ("license: |\n  a\n  b", "license"), ("language: {a: b}", "language"),
      ("language: [en, [de]]", "language"), ("pipeline_tag: \"a\\nb\"", "pipeline_tag"),
      ("pipeline_tag: a b", "pipeline_tag"), ("license_link: \"javascript:alert(1)\"", "license_link"),
      ("license_link: ../x", "license_link"), ("license_link: //host/x", "license_link"),
      ("license: [", "front matter"), ("- a", "front matter"),
      ("license: " + String(repeating: "[", count: 5000), "front matter"),
    ] {
      let run = try shown("---\n\(line)\n---\n")
      let notes = run.errors.split(separator: "\n").filter {
        $0.contains("left out") || $0.contains("not carried") || $0.contains("nothing of it")
      }
      #expect(notes.count == 1 && notes[0].contains(key), "\(line): \(run.errors)")
      let head = run.output.components(separatedBy: "\n---\n")[0]
      if key != "front matter", key != "pipeline_tag" {
        #expect(!head.contains("\n\(key):"), "\(line): \(head)")
      }
    }
    #expect(try shown("---\nlicense: ~\n---\n").errors.contains("no license"))
  }

  @Test("a vision tower is a row below the language model's files, and no card of its own")
  func visionTower() throws {
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("CheckpointConversionTests/Golden/qwen3_5-tower")
    let model = try copy(golden.path, "Qwen-Tower")
    try CommandRun.convert(model, "--mmproj", "--outtype", "q8_0").expect(0)
    let tower = model + "/mmproj-Qwen-Tower-Q8_0.gguf"
    refuse(try card(tower, "--dry-run"), "vision tower (mmproj)")
    let run = try card(tower, file, "--dry-run")
    run.expect(0)
    let rows = run.output.split(separator: "\n").filter { $0.hasPrefix("| [") }
    try #require(rows.count == 2)
    #expect(rows[0].hasPrefix("| [a.gguf]") && rows[1].contains("| vision tower, Q8_0 |"), "\(rows)")
    let hash = SHA256.hexadecimalDigest(Array(try #require(FileManager.default.contents(atPath: tower))))
    #expect(run.output.contains("\(hash)  mmproj-Qwen-Tower-Q8_0.gguf\n"))
    #expect(
      run.output.contains("llama-cli -m a.gguf")
        && run.output.contains(" --mmproj mmproj-Qwen-Tower-Q8_0.gguf"))
    #expect(!run.output.contains("- q8_0\n"))
  }
}
