import Foundation
import ModelCards
import Testing
import Yams

@Suite("The text of a card")
struct CardTextTests {
  private static let evil = "a|b `c` [d](e) <script>f</script> *g* \\ # h & i"

  private func file(_ name: String, type: String = "Q4_K_M", more: [String: Any] = [:]) -> [String: Any] {
    [
      "name": name, "format": "GGUF", "type": type, "bytes": 1_000_000, "contentXXH64": "0",
      "parts": [["name": name, "bytes": 1_000_000, "sha256": String(repeating: "0", count: 64)]],
      "memory": [[String: Any]](),
    ].merging(more) { $1 }
  }

  private func markdown(_ change: (inout [String: Any]) -> Void) throws -> String {
    var card: [String: Any] = [
      "origin": ["languages": [String]()], "title": "Model", "architecture": "llama", "parameters": 2_000_000,
      "activeParameters": 2_000_000, "files": [file("a.gguf")], "pictures": [[String: Any]](),
      "notices": [String](),
    ]
    change(&card)
    let data = try JSONSerialization.data(withJSONObject: card)
    return try CardFolder.markdown(JSONDecoder().decode(QuantizedCard.self, from: data))
  }

  private func frontMatter(_ markdown: String) throws -> [String: Any] {
    let parts = markdown.components(separatedBy: "---\n")
    try #require(parts.count >= 3 && parts[0].isEmpty)
    return try #require(try Yams.load(yaml: parts[1]) as? [String: Any])
  }

  @Test("front matter is YAML whatever the texts are")
  func frontMatter() throws {
    for text in [
      "no", "1.0", "a: b", "#x", "'", "\"", "- x", "null", "~", "{a}", "ünï", "line\nbreak", Self.evil,
    ] {
      let read = try frontMatter(
        try markdown {
          $0["origin"] = [
            "license": text, "licenseName": text, "languages": [text, "en"], "baseModel": "org/name",
          ]
          $0["files"] = [file("a.gguf", type: text)]
        })
      #expect(read["license"] as? String == text, "\(text)")
      #expect(read["license_name"] as? String == text)
      #expect(read["language"] as? [String] == [text, "en"])
      #expect(read["base_model"] as? String == "org/name")
      #expect(read["base_model_relation"] as? String == "quantized")
      #expect((read["tags"] as? [String])?.contains(text.lowercased()) == true)
      #expect(
        read["library_name"] as? String == "gguf" && read["pipeline_tag"] as? String == "text-generation")
    }
  }

  @Test("what is not known is not there")
  func absent() throws {
    let text = try markdown { _ in }
    let read = try frontMatter(text)
    #expect(Set(read.keys) == ["library_name", "pipeline_tag", "tags"])
    for part in [
      "KLD", "perplexity", "bits per weight", "drawings", "## Memory", "## How they were made", "nil",
    ] {
      #expect(!text.contains(part), "\(part)")
    }
  }

  @Test("names and prompts are text, not markup; rows have as many cells as their head")
  func escaping() throws {
    let text = try markdown {
      $0["title"] = Self.evil
      $0["files"] = [
        file(
          Self.evil, type: Self.evil,
          more: [
            "memory": [["context": 8192, "bytes": 5, "machines": ["macbook-8"]]],
            "provenance": [
              "mix": "Q4_K_M", "flags": [Self.evil], "sourceFiles": [Self.evil], "recipe": Self.evil,
              "isBuiltInRecipe": false, "describesFile": true,
            ],
          ]), file("b.gguf", more: ["memory": [["context": 8192, "bytes": 6, "machines": [String]()]]]),
      ]
      $0["drawing"] = [
        "promptFiles": [Self.evil], "promptsXXH64": "0", "prompts": 1, "scoreVersion": Self.evil,
        "mode": "fast",
        "tokenLimit": 9,
      ]
      $0["pictures"] = [
        [
          "name": "card/\(Self.evil).png", "model": "base", "promptID": "1", "prompt": Self.evil,
          "source": "",
        ]
      ]
    }
    // What is neither front matter nor a block of code.
    let body = text.components(separatedBy: "\n---\n").dropFirst().joined()
    let outside = body.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 0 }
      .map(\.element).joined()
    #expect(outside.contains("\\<script") && !outside.replacing("\\<", with: "").contains("<script"))
    #expect(!outside.replacing("\\[d\\](e)", with: "").contains("[d](e)"))
    var columns: Int?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        columns = nil
        continue
      }
      let count = line.replacing("\\\\", with: "").replacing("\\|", with: "").split(separator: "|").count
      #expect(columns == nil || columns == count, "\(line)")
      columns = count
    }
    // The shell sees one word.
    #expect(text.contains("llama-cli -m 'a|b `c` "))
  }

  @Test("a command is given where the file's keys tell all of it")
  func commands() throws {
    func made(_ change: [String: Any]) throws -> String {
      let keys: [String: Any] = [
        "mix": "Q4_K_M", "flags": [String](), "sourceFiles": ["model.safetensors"], "isBuiltInRecipe": false,
        "describesFile": true,
      ]
      return try markdown {
        $0["origin"] = ["languages": [String](), "baseModel": "org/name"]
        $0["files"] = [file("a.gguf", more: ["provenance": keys.merging(change) { $1 }])]
      }
    }
    #expect(try made([:]).contains("\npouch-convert org/name --outtype q4_k_m --outfile a.gguf\n"))
    #expect(
      try made(["flags": ["--tensor-type blk.*=q8_0", "--pure"], "importanceFile": "i.gguf"]).contains(
        "\npouch-convert org/name --outtype q4_k_m --tensor-type 'blk.*=q8_0' --pure --imatrix i.gguf --outfile a.gguf\n"
      ))
    #expect(
      try made(["recipe": "hybrid-q4_k_m-plus", "isBuiltInRecipe": true]).contains(
        "\npouch-convert org/name --recipe hybrid-q4_k_m-plus --outfile a.gguf\n"))
    #expect(try made(["sourceFiles": ["bf16.gguf"]]).contains("\npouch-quantize bf16.gguf a.gguf Q4_K_M\n"))
    for change: [String: Any] in [
      ["recipe": "mine"], ["flags": ["--override-kv general.name"]], ["describesFile": false],
    ] {
      let text = try made(change)
      #expect(!text.contains("\npouch-convert") && text.contains("## How they were made"), "\(text)")
    }
  }

  @Test(
    "drawings that are all alike are not called the least alike; a divergence of 0 is told below the chart")
  func evenDrawings() throws {
    func text(_ score: Double) throws -> String {
      try markdown {
        $0["drawing"] = [
          "promptFiles": ["p"], "promptsXXH64": "0", "prompts": 1, "scoreVersion": "1", "mode": "fast",
          "tokenLimit": 9, "baseName": "Base",
        ]
        $0["pictures"] = ["base", "a.gguf"].map { model in
          ["name": "card/x.png", "model": model, "promptID": "1", "prompt": "p", "source": ""].merging(
            model == "base" ? [:] : ["score": score] as [String: Any]
          ) { $1 }
        }
        $0["chart"] = "card/size-divergence.svg"
        let zero = ["value": 0]
        $0["files"] = [
          file("a.gguf", more: ["loss": ["result": "k", "perplexity": ["value": 2], "meanDivergence": zero]])
        ]
      }
    }
    #expect(try text(0.9).contains("are least like those of `Base`."))
    let even = try text(1)
    #expect(!even.contains("least like") && even.contains("likeness of 1.000 with those of `Base`"))
    #expect(even.contains("no place on a logarithmic axis: a.gguf."))
  }
}
