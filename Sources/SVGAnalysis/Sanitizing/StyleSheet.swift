/// The rules of `style` elements, as far as they are plain: lists of `tag`, `.class`, `#id`, `tag.class` and `*`.
struct StyleSheet {
  private struct Rule {
    var tag: String?
    var id: String?
    var classes: [String]
    var declarations: [(name: String, value: String)]
    var specificity: Int {
      (id == nil ? 0 : 10_000) + classes.count * 100 + (tag == nil || tag == "*" ? 0 : 1)
    }
  }

  private var rules: [Rule] = []
  /// Whether a sheet wanted to load another.
  private(set) var importsOthers = false
  /// Whether rules were left out.
  private(set) var hasUnknownRules = false

  /// Adds the text of a `style` element.
  mutating func add(_ text: String) {
    if text.lowercased().contains("@import") { importsOthers = true }
    var rest = Self.withoutComments(text)[...]
    // Rules beyond this many are left out; every rule is tried on every element.
    while rules.count < 500, let open = rest.firstIndex(of: "{") {
      let head = rest[..<open]
      guard let close = rest[open...].firstIndex(of: "}") else { break }
      let body = rest[rest.index(after: open)..<close]
      rest = rest[rest.index(after: close)...]
      if head.contains("@") {
        hasUnknownRules = true
        continue
      }
      let declarations = Self.declarations(body)
      for selector in head.split(separator: ",") {
        if let rule = Self.rule(selector, declarations) { rules.append(rule) } else { hasUnknownRules = true }
      }
    }
  }

  /// The declarations of a block or of a `style` attribute, in order; `!important` is not told apart.
  static func declarations(_ text: some StringProtocol) -> [(name: String, value: String)] {
    text.split(separator: ";").compactMap { part in
      let pair = part.split(separator: ":", maxSplits: 1)
      guard pair.count == 2 else { return nil }
      var value = trimmed(pair[1])
      if let mark = value.firstIndex(of: "!") { value = trimmed(value[..<mark]) }
      return (trimmed(pair[0]).lowercased(), value)
    }
  }

  /// The declarations for an element, the most specific last.
  func declarations(for node: SVGNode) -> [(name: String, value: String)] {
    guard !rules.isEmpty else { return [] }
    let classes = Set((node["class"] ?? "").split(whereSeparator: \.isWhitespace).map(String.init))
    let id = node["id"]
    let matching = rules.enumerated().filter { _, rule in
      (rule.tag == nil || rule.tag == "*" || rule.tag == node.name) && (rule.id == nil || rule.id == id)
        && rule.classes.allSatisfy(classes.contains)
    }
    return matching.sorted { ($0.element.specificity, $0.offset) < ($1.element.specificity, $1.offset) }
      .flatMap(\.element.declarations)
  }

  private static func rule(_ selector: Substring, _ declarations: [(name: String, value: String)]) -> Rule? {
    let text = trimmed(selector)
    guard !text.isEmpty, text.allSatisfy({ $0.isLetter || $0.isNumber || "_-.#*".contains($0) }) else {
      return nil
    }
    var rule = Rule(tag: nil, id: nil, classes: [], declarations: declarations)
    var kind: Character = " "
    var word = ""
    func finish() {
      guard !word.isEmpty else { return }
      switch kind {
      case ".": rule.classes.append(word)
      case "#": rule.id = word
      default: rule.tag = word
      }
      word = ""
    }
    for character in text {
      if character == "." || character == "#" {
        finish()
        kind = character
      } else {
        word.append(character)
      }
    }
    finish()
    return rule
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    let head = text.drop { $0.isWhitespace }
    return String(head.reversed().drop { $0.isWhitespace }.reversed())
  }

  private static func withoutComments(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let open = rest.firstRange(of: "/*") {
      result += rest[..<open.lowerBound]
      guard let close = rest[open.upperBound...].firstRange(of: "*/") else { return result }
      rest = rest[close.upperBound...]
    }
    return result + rest
  }
}
