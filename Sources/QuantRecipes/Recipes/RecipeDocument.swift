internal import FileBytes
internal import Yams

/// The text of a recipe file as a tree whose nodes know their lines; hostile texts are refused before they cost
/// anything.
struct RecipeDocument {
  /// The largest file, in bytes; the largest built-in recipe has about 5,000.
  static let maxByteCount = 262_144
  /// The most opening brackets, which bounds how deep flow collections nest.
  static let maxBracketCount = 2000
  /// The columns by which a line may be indented, list marks included, which bounds how deep blocks nest.
  static let maxIndentation = 64
  /// The most words that look like references to an anchor, which bounds what repeated anchors can grow to.
  static let maxReferenceCount = 12

  /// The file as it is named in messages.
  let file: String
  let root: Node

  /// Parses the bytes of a file.
  ///
  /// - Throws: ``RecipeError`` with `recipeTooLarge`, `recipeTooNested`, `recipeAnchor` or `recipeSyntax`.
  init(_ bytes: [UInt8], file: String) throws {
    self.file = file
    guard bytes.count <= Self.maxByteCount else { throw Self.tooLarge(bytes.count, file: file) }
    let decoded = bytes.withUnsafeBytes { String(utf8: $0) }
    guard let text = decoded, !text.utf8.contains(0) else {
      throw RecipeError(
        .recipeSyntax,
        Fault(
          file: file, expected: "YAML in UTF-8", found: decoded == nil ? "other bytes" : "a zero byte",
          remedy: "recipes are plain text files; see recipes/README.md"))
    }
    // YAML also takes these for line ends, which the bounds below do not look for.
    guard !text.unicodeScalars.contains(where: { ["\u{85}", "\u{2028}", "\u{2029}"].contains($0) }) else {
      throw RecipeError(
        .recipeSyntax,
        Fault(
          file: file, expected: "lines that end in a line feed", found: "Unicode line separators",
          remedy: "save the file with plain line ends"))
    }
    try Self.refuseExcess(bytes, file: file)
    let parser: Parser
    let node: Node?
    do {
      parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
      node = try parser.singleRoot()
    } catch let error as YamlError {
      throw Self.syntax(error, file: file)
    }
    guard let node else {
      throw RecipeError(
        .recipeSyntax, Fault(file: file, expected: "a recipe", found: "an empty file", remedy: Self.remedy))
    }
    root = node
    // Nodes hold their anchors weakly; the parser keeps them.
    try withExtendedLifetime(parser) { try Self.refuseAnchors(node, file: file) }
  }

  static let remedy = "see recipes/README.md for how to write one"

  static func tooLarge(_ byteCount: Int, file: String) -> RecipeError {
    RecipeError(
      .recipeTooLarge,
      Fault(
        file: file, expected: "a recipe of at most \(maxByteCount) bytes", found: "\(byteCount) bytes",
        remedy: "check that this is a recipe file"))
  }

  /// Refuses what would make the parser recurse deeply or repeat itself; counts bytes without regard to quotes.
  private static func refuseExcess(_ bytes: [UInt8], file: String) throws {
    var line = 1
    var brackets = 0
    var references = 0
    var column = 0
    var isIndentation = true
    var previous = UInt8(ascii: "\n")
    for (index, byte) in bytes.enumerated() {
      column += 1
      switch byte {
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        if byte == UInt8(ascii: "\n") || (index + 1 < bytes.count && bytes[index + 1] != UInt8(ascii: "\n")) {
          line += 1
        }
        column = 0
        isIndentation = true
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
        guard !isIndentation || column <= maxIndentation else {
          throw excess(
            "lines that start within \(maxIndentation) columns", "one that does not", file, line,
            .recipeTooNested)
        }
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        isIndentation = false
        brackets += 1
        guard brackets <= maxBracketCount else {
          throw excess(
            "at most \(maxBracketCount) opening brackets", "more", file, line, .recipeTooNested)
        }
      case UInt8(ascii: "*"):
        isIndentation = false
        let next = index + 1 < bytes.count ? bytes[index + 1] : 0
        if isBoundary(previous), isWord(next) { references += 1 }
        guard references <= maxReferenceCount else {
          throw excess("no references to anchors", "many", file, line, .recipeAnchor)
        }
      default: isIndentation = false
      }
      previous = byte
    }
  }

  private static func isBoundary(_ byte: UInt8) -> Bool { " \t\r\n[{,-?:".utf8.contains(byte) }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte > 0x7F || !" \t\r\n*?+.|()[]{}\"'\\,".utf8.contains(byte)
  }

  private static func excess(
    _ expected: String, _ found: String, _ file: String, _ line: Int, _ code: RecipeError.Code
  ) -> RecipeError {
    RecipeError(
      code, Fault(file: "\(file):\(line)", expected: expected, found: found, remedy: remedy))
  }

  private static func refuseAnchors(_ node: Node, file: String) throws {
    guard node.anchor == nil else {
      throw RecipeError(
        .recipeAnchor,
        Fault(
          file: "\(file):\(node.mark?.line ?? 1)", expected: "a recipe without anchors", found: "an anchor",
          remedy: "write the repeated part out, or put it into a recipe and name that as base"))
    }
    switch node {
    case .scalar, .alias: break
    case .sequence(let items): for item in items { try refuseAnchors(item, file: file) }
    case .mapping(let pairs):
      for (key, value) in pairs {
        try refuseAnchors(key, file: file)
        try refuseAnchors(value, file: file)
      }
    }
  }

  private static func syntax(_ error: YamlError, file: String) -> RecipeError {
    func fault(_ line: Int?, _ found: String, _ remedy: String) -> RecipeError {
      RecipeError(
        .recipeSyntax,
        Fault(
          file: line.map { "\(file):\($0)" } ?? file, expected: "YAML", found: found, remedy: remedy))
    }
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
      let about = context.map { " \($0.text) in line \($0.mark.line)" } ?? ""
      return fault(
        mark.line, problem + about, "check the indentation, and quote texts that hold a colon or brackets")
    case .composer(_, let problem, let mark, _): return fault(mark.line, problem, remedy)
    case .duplicatedKeysInMapping(let keys, let context):
      return RecipeError(
        .recipeKeyDuplicate,
        Fault(
          file: "\(file):\(context.mark.line)", subject: listed(keys), expected: "each key once",
          found: "several", remedy: "keep one of them"))
    case .reader(let problem, _, _, _): return fault(nil, problem, remedy)
    default: return fault(nil, "\(error)", remedy)
    }
  }
}
