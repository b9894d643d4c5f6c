import Foundation
import TestSupport
import Testing

@Suite("What is public outside of the products")
struct PublicFaceTests {
  private static let list = RepositoryFiles.path("scripts/products/opened-names.txt")
  private static let advice = """
    what modules that are no products share is `package`; CONTRIBUTING.md, "What is public", says when to open something, \
    and POUCH_RECORD_SNAPSHOTS=1 swift test --filter PublicFaceTests records it
    """

  /// The names of public declarations in a source, as `Type.member`.
  ///
  /// What encloses what follows from the indentation, which `swift format` sees to. Cases and requirements are as
  /// public as their types and are not named.
  static func names(in source: String) -> [String] {
    var names: [String] = []
    var enclosing: [(indentation: Int, name: String)] = []
    let types: Set<Substring> = ["actor", "class", "enum", "extension", "protocol", "struct"]
    let others: Set<Substring> = ["func", "init", "let", "subscript", "typealias", "var"]
    for line in source.split(separator: "\n") {
      let text = line.drop { $0 == " " }
      guard !text.isEmpty, !text.hasPrefix("//") else { continue }
      let indentation = line.count - text.count
      let words = text.split { !$0.isLetter && !$0.isNumber && !"_@.`".contains($0) }
      // `static` and the like come before, a parameter or a type never does.
      guard let keyword = words.firstIndex(where: { types.contains($0) || others.contains($0) }),
        !words[..<keyword].contains("import")
      else { continue }
      enclosing.removeAll { $0.indentation >= indentation }
      let kind = words[keyword]
      let name =
        kind == "init" || kind == "subscript" || keyword + 1 == words.count
        ? String(kind) : String(words[keyword + 1])
      if let access = words.first(where: { !$0.hasPrefix("@") }), access == "public" || access == "open" {
        names.append(
          (enclosing.map(\.name) + (kind == "extension" ? [name, "extension"] : [name])).joined(
            separator: "."))
      }
      if types.contains(kind) { enclosing.append((indentation, name)) }
    }
    return names
  }

  /// The names in all modules that are no products, each once.
  private static func opened() throws -> [String] {
    let manifest = try String(contentsOfFile: RepositoryFiles.path("Package.swift"), encoding: .utf8)
    let products = Set(
      manifest.components(separatedBy: ".library(name: \"").dropFirst().map { $0.prefix { $0 != "\"" } })
    #expect(products.count == 6)
    let folder = RepositoryFiles.path("Sources")
    var names: Set<String> = []
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder) where path.hasSuffix(".swift") {
      let module = path.prefix { $0 != "/" }
      guard !products.contains(module) else { continue }
      let source = try String(contentsOfFile: folder + "/" + path, encoding: .utf8)
      names.formUnion(Self.names(in: source).map { "\(module).\($0)" })
    }
    return names.sorted()
  }

  @Test("is what the list says; POUCH_RECORD_SNAPSHOTS=1 records")
  func opened() throws {
    let opened = try Self.opened()
    if ProcessInfo.processInfo.environment["POUCH_RECORD_SNAPSHOTS"] != nil {
      try Data((opened.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: Self.list))
    }
    let listed = try String(contentsOfFile: Self.list, encoding: .utf8).split(separator: "\n").map(
      String.init)
    for name in Set(opened).subtracting(listed).sorted() {
      Issue.record("\(name) is public and not on the list: \(Self.advice)")
    }
    for name in Set(listed).subtracting(opened).sorted() {
      Issue.record("\(name) is on the list and not public: \(Self.advice)")
    }
  }

  @Test("Names are found where declarations are public, and nowhere else")
  func reading() {
    let source = """
      public import FileBytes
      /// A public struct X
      public struct A: Sendable {
        public private(set) var b: [Int] = []
        @inlinable
        public static func c(_ x: Int) -> Int { x }
        package var d: Int { let e = 1; return e }
        package struct E {
          public init?(public: Int) {}
        }
        public enum F { case g }
      }
      package func public(_ x: Int) {}
      extension A.F {
        @discardableResult public mutating func h() {}
        public subscript(i: Int) -> Int { i }
      }
      public extension A {}
      """
    #expect(
      Self.names(in: source) == [
        "A", "A.b", "A.c", "A.E.init", "A.F", "A.F.h", "A.F.subscript", "A.extension",
      ])
  }
}
