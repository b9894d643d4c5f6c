/// Texts as they stand in YAML files.
enum YAMLText {
  /// A text as a scalar on one line: plain where that is safe, in double quotes otherwise.
  static func scalar(_ text: String) -> String {
    let plain = text.unicodeScalars.allSatisfy { scalar in
      scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || " _-.,;+/%()".unicodeScalars.contains(scalar))
    }
    let first = text.unicodeScalars.first
    let startsWell = first.map { $0.properties.isAlphabetic || ("0"..."9").contains($0) } ?? false
    // Words that a reader may take for something else than a text.
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
    if plain, startsWell, text.last != " ", !words.contains(text.lowercased()) { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case _ where isControl(scalar): quoted += " "
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  /// A text as lines of a comment of at most 100 columns; what would end a line becomes a space.
  static func comment(_ text: String) -> String {
    let clean = String(
      String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? Unicode.Scalar(0x20) : $0 }))
    var lines: [String] = []
    var line = "#"
    for word in clean.split(separator: " ") {
      if line.count + 1 + word.count > 100, line != "#" {
        lines.append(line)
        line = "#"
      }
      line += " " + word
    }
    return (lines + [line]).joined(separator: "\n") + "\n"
  }

  /// Control characters, and the line ends of Unicode, which recipes must not hold.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}"
  }
}
