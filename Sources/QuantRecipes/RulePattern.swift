internal import FileBytes
internal import Foundation

/// A regular expression in the dialect of C++'s `std::regex` (ECMAScript grammar), run by ICU.
///
/// ICU knows more than ECMAScript. Where both accept the same text and mean something else, the text is
/// rewritten (a bracket or `&` inside a class, a stray `]` or `}`, an escaped ordinary letter); where only
/// ICU accepts it (inline flags, lookbehind, named groups, possessive quantifiers), it is refused.
/// Known rest: `\w`, `\d` and `\s` also match beyond ASCII here, which tensor names never contain.
struct RulePattern: Hashable, @unchecked Sendable {
  /// The text that was compiled.
  let source: String
  /// Immutable and documented as safe to use from several threads.
  private let expression: NSRegularExpression

  init(_ pattern: String) throws {
    source = String(decoding: pattern.utf8.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
    let translated = try Self.translate(source, shown: pattern)
    do {
      expression = try NSRegularExpression(pattern: translated)
    } catch {
      throw Self.bad(pattern, "an expression with an error")
    }
  }

  static func == (a: RulePattern, b: RulePattern) -> Bool { a.source == b.source }

  func hash(into hasher: inout Hasher) { hasher.combine(source) }

  /// True when there is a match anywhere in `name`.
  func occurs(in name: String) -> Bool {
    let range = NSRange(location: 0, length: name.utf16.count)
    return expression.firstMatch(in: name, range: range) != nil
  }

  private static func bad(_ pattern: String, _ found: String) -> RecipeError {
    RecipeError(
      .badPattern,
      Fault(subject: pattern, expected: "a regular expression (ECMAScript grammar)", found: found))
  }

  private static func translate(_ pattern: String, shown: String) throws -> String {
    func refuse(_ what: String) -> RecipeError {
      RecipeError(
        .patternNotSupported,
        Fault(subject: shown, expected: "the ECMAScript grammar of regular expressions", found: what))
    }
    let input = Array(pattern)
    var output = ""
    var i = 0
    var inClass = false
    var inBraces = false
    // What a quantifier would apply to: nothing at the start of an alternative or after an assertion.
    var hasAtom = false
    var afterQuantifier = false
    func peek(_ offset: Int) -> Character? { i + offset < input.count ? input[i + offset] : nil }
    while i < input.count {
      let c = input[i]
      if c == "\\" {
        guard let next = peek(1) else { throw bad(shown, "a backslash at the end") }
        output += try translateEscape(next, refuse: refuse)
        i += 2
        hasAtom = next != "b"
        afterQuantifier = false
        continue
      }
      if inClass {
        if c == "[", let kind = peek(1), ":.=".contains(kind) {
          guard kind == ":" else { throw refuse("[\(kind) inside a class") }
          guard let end = input[(i + 2)...].firstIndex(of: "]") else { throw bad(shown, "an open class") }
          output += String(input[i...end])
          i = end + 1
          continue
        }
        if c == "]" { inClass = false }
        output += c == "[" || c == "&" ? "\\\(c)" : String(c)
        i += 1
        continue
      }
      switch c {
      case "[":
        inClass = true
        output += "["
        if peek(1) == "^" {
          output += "^"
          i += 1
        }
        if peek(1) == "]" { throw refuse("an empty class") }
        hasAtom = true
        afterQuantifier = false
      case "]":
        output += "\\]"
        hasAtom = true
        afterQuantifier = false
      case "{":
        inBraces = true
        output += "{"
      case "}":
        output += inBraces ? "}" : "\\}"
        afterQuantifier = inBraces
        inBraces = false
      case "(":
        if peek(1) == "?" {
          guard let kind = peek(2), ":=!".contains(kind) else { throw refuse("(? without :, = or !") }
        }
        output += "("
        if let kind = peek(2), peek(1) == "?" {
          output += "?\(kind)"
          i += 2
        }
        hasAtom = false
        afterQuantifier = false
      case "*", "+", "?":
        guard hasAtom else { throw bad(shown, "\(c) with nothing before it") }
        if afterQuantifier, c != "?" { throw refuse("a quantifier after a quantifier") }
        output.append(c)
        afterQuantifier = true
      default:
        output.append(c)
        hasAtom = !"^$|".contains(c)
        afterQuantifier = false
      }
      i += 1
    }
    if inClass { throw bad(shown, "an open class") }
    return output
  }

  private static func translateEscape(
    _ next: Character, refuse: (String) -> RecipeError
  ) throws -> String {
    guard next.isASCII else { return String(next) }
    switch next {
    case "b", "d", "s", "w", "n", "t", "r", "f", "x", "u", "1"..."9": return "\\\(next)"
    case "0": return "\\u0000"
    case "v": return "\\u000B"
    case "c": throw refuse("a control escape")
    // An ordinary letter stands for itself.
    case "a"..."z": return String(next)
    default: return "\\\(next)"
    }
  }
}
