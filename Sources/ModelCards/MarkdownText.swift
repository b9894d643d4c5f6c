internal import FileBytes

/// Texts as they stand in Markdown.
enum MarkdownText {
  private static let special: Set<Character> = ["\\", "`", "*", "[", "]", "<", ">", "|", "#", "~", "$"]

  /// A text in which nothing is markup, on one line.
  static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      if character.isNewline || character == "\t" {
        escaped.append(" ")
      } else if special.contains(character) {
        escaped += "\\\(character)"
      } else if character == "&" {
        escaped += "&amp;"
      } else if character != "\0" {
        escaped.append(character)
      }
    }
    return escaped
  }

  /// A text as code; one with backticks as text.
  static func code(_ text: String) -> String {
    text.contains("`") || text.contains("|") || text.contains(where: \.isNewline)
      ? escaped(text) : "`\(text)`"
  }

  /// A link to a file beside the card.
  static func link(_ text: String, to path: String) -> String { "[\(escaped(text))](\(destination(path)))" }

  /// A path as the destination of a link.
  static func destination(_ path: String) -> String {
    path.utf8.map { byte in
      let character = Character(UnicodeScalar(byte))
      let isPlain = byte < 128 && (character.isLetter || character.isNumber || "-_./~".contains(character))
      return isPlain
        ? String(character) : "%" + String(UInt16(byte) + 256, radix: 16, uppercase: true).dropFirst()
    }.joined()
  }
}

/// Words of a command line.
enum ShellText {
  /// A word, in quotes where a shell would take it apart.
  static func word(_ text: String) -> String {
    let plain =
      !text.isEmpty
      && text.allSatisfy {
        $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=,:@+{}".contains($0))
      }
    return plain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }

  /// A path, which no command takes for a flag.
  static func path(_ path: String) -> String { word(path.hasPrefix("-") ? "./" + path : path) }

  /// A name that Ollama takes: lower-case letters, digits, `-`, `_` and `.`.
  static func modelName(_ text: String) -> String {
    let name = text.lowercased().map {
      $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "-"
    }
    return name.first.map { $0.isLetter || $0.isNumber } == true ? String(name) : "model" + String(name)
  }
}

/// A table with a row for each file; columns in which no file has a value are left out.
struct MarkdownTable {
  private var columns: [(head: String, isNumber: Bool, cell: (CardFile) -> String?)] = []

  /// Adds a column.
  mutating func add(_ head: String, isNumber: Bool = false, cell: @escaping (CardFile) -> String?) {
    columns.append((head, isNumber, cell))
  }

  /// The table; empty without columns.
  func text(_ files: [CardFile]) -> String {
    let filled = columns.filter { column in files.contains { column.cell($0)?.isEmpty == false } }
    guard !filled.isEmpty else { return "" }
    var text = "| " + filled.map(\.head).joined(separator: " | ") + " |\n"
    text += "|" + filled.map { $0.isNumber ? "---:|" : "---|" }.joined() + "\n"
    for file in files {
      let cells = filled.map { column in
        let cell = column.cell(file) ?? ""
        guard !cell.isEmpty else { return "–" }
        // Numbers keep their unit together, and intervals their ends; where breaks are not rendered, a space is left.
        return column.isNumber
          ? cell.replacing(" ", with: "&nbsp;").replacing("<br>", with: " <br>") : cell
      }
      text += "| " + cells.joined(separator: " | ") + " |\n"
    }
    return text
  }
}
