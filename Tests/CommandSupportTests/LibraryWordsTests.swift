import CommandSupport
import FileBytes
import Foundation
import TestSupport
import Testing

/// Users of the libraries have no command line: what libraries say names settings, see ``Wording``.
@Suite("Words of libraries")
struct LibraryWordsTests {
  /// A flag that stands in a library for a reason.
  private struct Exception: Hashable {
    /// The file below `Sources`.
    var file: String
    /// A part of the text; all of the file's when empty.
    var text = ""
  }

  private static let exceptions: [Exception] = [
    // The record of how a file was made: flags are its format.
    Exception(file: "CheckpointConversion/Plan/Provenance.swift"),
    Exception(file: "OutputValidation/ProvenanceRecord.swift"),
    Exception(file: "OutputValidation/SourceImportance.swift", text: "--include-weights"),
    Exception(file: "OutputValidation/SourceImportance.swift", text: "--exclude-weights"),
    Exception(file: "OutputValidation/SourceImportance.swift", text: "--blind-experts"),
    Exception(file: "OutputValidation/SourcePlan.swift", text: "--override-kv"),
    Exception(file: "OutputValidation/SourcePlan.swift", text: "--prune-layers"),
    // Model cards show their readers whole commands.
    Exception(file: "ModelCards/CardUse.swift"),
    Exception(file: "ModelCards/CardMarkdown.swift", text: "sha256sum -c"),
    // Whole commands of Pouch, by which files were or can be made, whoever reads it.
    Exception(
      file: "CheckpointConversion/Plan/KeptBlocks.swift", text: "pouch-convert MODEL --outtype MXFP4_MOE"),
    Exception(file: "ModelDescriptions/SourceNames.swift", text: "pouch-convert --mmproj"),
    Exception(file: "ModelCards/FileReader.swift", text: "pouch-convert --format mlx"),
    Exception(
      file: "ModelCards/MeasuredResults.swift", text: "what pouch-perplexity --json or pouch-svg-eval --json"),
    Exception(
      file: "ModelCards/MeasuredResults.swift", text: "pouch-perplexity --base BASE -m FILE -m FILE … --json"),
    Exception(file: "ModelCards/MeasuredResults.swift", text: "pouch-svg-eval --base BASE -m FILE -m FILE …"),
    // Flags of other programs.
    Exception(file: "FileBytes/Recognition/HubCache.swift", text: "hf download"),
    Exception(file: "FileBytes/Recognition/HubName.swift", text: " --revision \\(revision)"),
    Exception(
      file: "FileBytes/Recognition/SourceRecognition+Folder.swift",
      text: "zero_to_fp32.py with --safe_serialization"),
    Exception(file: "ModelDescriptions/Vision/VisionFamily.swift", text: "convert_hf_to_gguf.py --mmproj"),
    Exception(file: "ModelEvaluation/Perplexity/EvaluationText.swift", text: "iconv -c -t utf-8"),
    Exception(file: "ZstdStreams/ZstdReader.swift", text: "compress it again without --long"),
  ]

  @Test("no text in a library names a flag")
  func flags() throws {
    let sources = RepositoryFiles.path("Sources")
    let short = Set(Setting.allCases.map(\.flag).filter { !$0.hasPrefix("--") } + ["-m", "-n", "-t"])
    var used: Set<Exception> = []
    var count = 0
    for case let file as String in try #require(FileManager.default.enumerator(atPath: sources)) {
      guard file.hasSuffix(".swift"), !file.hasPrefix("pouch-"), !file.hasPrefix("CommandSupport/") else {
        continue
      }
      count += 1
      let lines = try String(contentsOfFile: sources + "/" + file, encoding: .utf8)
        .split(separator: "\n", omittingEmptySubsequences: false)
      for (number, texts) in Self.texts(lines) {
        for text in texts where Self.namesFlag(text, short) {
          let exception = Self.exceptions.first {
            $0.file == file && ($0.text.isEmpty || text.contains($0.text))
          }
          if let exception { used.insert(exception) }
          #expect(exception != nil, "\(file):\(number): \(text)")
        }
      }
    }
    #expect(count > 400)
    #expect(used == Set(Self.exceptions), "no longer needed: \(Set(Self.exceptions).subtracting(used))")
  }

  /// The texts in string literals, by line.
  private static func texts(_ lines: [Substring]) -> [(line: Int, texts: [String])] {
    var isInside = false
    return lines.enumerated().map { index, line in
      let content = line.drop { $0 == " " }
      if !isInside, content.hasPrefix("//") { return (index + 1, []) }
      let changes = line.split(separator: "\"\"\"", omittingEmptySubsequences: false).count % 2 == 0
      defer { if changes { isInside.toggle() } }
      if isInside || changes { return (index + 1, [String(content)]) }
      return (index + 1, line.matches(of: /"((?:[^"\\]|\\.)*)"/).map { String($0.1) })
    }
  }

  private static func namesFlag(_ text: String, _ short: Set<String>) -> Bool {
    // Variables of style sheets look the same.
    let plain = text.replacing(/var\(--[a-z0-9]+\)|--[a-z0-9]+:/, with: "")
    return plain.matches(of: /(?:^|[\s(`>\/|])(--?[a-zA-Z][a-zA-Z-]*)/).contains { match in
      match.1.hasPrefix("--") || short.contains(String(match.1))
    }
  }

  @Test("flags are found in texts, and nothing else is")
  func finding() {
    let lines: [Substring] = [
      "/// as \"--force\" does", "let a = \"use --force\" + \"-c\"",
      "f(\"(-c 5)\", \"a - b\", \"x --\", \"\\(-a)\")",
      "let css = \"\"\"", "  --ink: #fff; color: var(--ink)", "  <code>--against</code>", "  \"\"\"",
    ]
    let found = Self.texts(lines).map { $0.texts.filter { Self.namesFlag($0, ["-c"]) } }
    #expect(found == [[], ["use --force", "-c"], ["(-c 5)"], [], [], ["<code>--against</code>"], []])
  }
}
