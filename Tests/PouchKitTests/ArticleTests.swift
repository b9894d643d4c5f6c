import Foundation
import TestSupport
import Testing

@Suite("Code in articles is code that is compiled")
struct ArticleTests {
  private static let catalogue = RepositoryFiles.path("Sources/PouchKit/PouchKit.docc")
  private static let example = RepositoryFiles.path("samples/PouchKitExample")

  private static func files(in folder: String, _ ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(ending) }.sorted().map {
      folder + "/" + $0
    }
  }

  /// The lines between markers of a source, without the indentation that they share.
  static func snippets(in source: String) -> [String] {
    var result: [String] = []
    var lines: [Substring]?
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("// snippet: ") {
        lines = []
      } else if text == "// end", let found = lines {
        let indent = found.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        result.append(found.map { $0.dropFirst(indent) }.joined(separator: "\n"))
        lines = nil
      } else {
        lines?.append(line)
      }
    }
    return result
  }

  /// The blocks of Swift code in a page.
  static func blocks(in page: String) -> [String] {
    page.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "\n```")[0] }
  }

  private static func compiled() throws -> Set<String> {
    let sources = try files(in: example + "/Sources/ExampleVerbs", ".swift")
    return Set(try sources.flatMap { snippets(in: try String(contentsOfFile: $0, encoding: .utf8)) })
  }

  @Test("Every block of an article is a region of the example")
  func articles() throws {
    let compiled = try Self.compiled()
    var shown: Set<String> = []
    let articles = try Self.files(in: Self.catalogue, ".md")
    #expect(articles.count == 6)
    for article in articles {
      let blocks = Self.blocks(in: try String(contentsOfFile: article, encoding: .utf8))
      #expect(!blocks.isEmpty, "\(article) shows no code")
      for block in blocks { #expect(compiled.contains(block), "\(article): not compiled:\n\(block)") }
      shown.formUnion(blocks)
    }
    #expect(shown == compiled, "regions of the example that no article shows")
  }

  @Test("So is the code in README.md")
  func readme() throws {
    let text = try String(contentsOfFile: RepositoryFiles.path("README.md"), encoding: .utf8)
    let blocks = Self.blocks(in: text)
    // The manifest's line is no code of the example.
    let code = blocks.filter { !$0.hasPrefix(".package(") }
    #expect(code.count == 1)
    let compiled = try Self.compiled()
    for block in code { #expect(compiled.contains(block), "README.md: not compiled:\n\(block)") }
  }

  @Test("Text that is not between markers is no snippet")
  func markers() {
    let source = "a\n  // snippet: x\n  b\n\n    c\n  // end\nd\n// end\n"
    #expect(Self.snippets(in: source) == ["b\n\n  c"])
    #expect(Self.blocks(in: "x\n```swift\nb\n```\ny\n```\nz\n```\n") == ["b"])
  }

  @Test("The example's package is valid, and asks for a product that Pouch has")
  func manifest() throws {
    let example = try Self.dump(Self.example)
    let dependencies = try #require(example["dependencies"] as? [[String: Any]])
    let local = try #require(dependencies.first?["fileSystem"] as? [[String: Any]])
    let path = try #require(local.first?["path"] as? String)
    #expect(
      URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        == URL(fileURLWithPath: RepositoryFiles.root).resolvingSymlinksInPath().path)
    let targets = try #require(example["targets"] as? [[String: Any]])
    #expect(targets.map { $0["name"] as? String } == ["ExampleVerbs", "PouchKitExample"])
    let manifest = try String(contentsOfFile: RepositoryFiles.path("Package.swift"), encoding: .utf8)
    #expect(manifest.contains(".library(name: \"PouchKit\""))
    // A package with unsafe flags cannot be depended on.
    #expect(!manifest.contains("unsafeFlags"))
  }

  /// What SwiftPM reads in a manifest.
  private static func dump(_ package: String) throws -> [String: Any] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["swift", "package", "--package-path", package, "dump-package"]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }
}
