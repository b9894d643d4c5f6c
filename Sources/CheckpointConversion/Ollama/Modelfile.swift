internal import FileBytes

/// An Ollama Modelfile: instructions, one after the other.
///
/// The grammar is that of Ollama's parser: a line is an instruction and its value, which ends at the end of the line
/// where its quotes (`"`, or `"""`) are closed. Blanks around a value go, quotes have no escapes, and characters that do
/// not print are dropped; so not every text can be a value, and what is written is parsed again.
package struct Modelfile: Hashable, Sendable {
  /// One instruction.
  package struct Instruction: Hashable, Sendable {
    /// The name in lower case, such as `from`, or `parameter top_k`.
    package var name: String
    /// The value.
    package var value: String

    /// An instruction by its parts.
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The instructions, in order.
  package var instructions: [Instruction]
  /// Lines before them, which Ollama does not read.
  package var comments: [String] = []

  /// A file of instructions.
  package init(_ instructions: [Instruction] = []) { self.instructions = instructions }

  private static let names: Set<String> = [
    "from", "license", "template", "system", "adapter", "draft", "renderer", "parser", "parameter", "message",
    "requires",
  ]

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - file: The name for errors.
  /// - Throws: ``ConversionError`` with `badModelfile`.
  package init(parsing text: String, file: String = "Modelfile") throws {
    var reader = Reader(text, file: file)
    instructions = []
    while let name = try reader.name() {
      guard Self.names.contains(name) else {
        throw reader.error(expected: "an instruction such as FROM or PARAMETER", found: name)
      }
      var full = name
      if name == "parameter" || name == "message" { full += " " + (try reader.word()) }
      instructions.append(Instruction(full, try reader.value()))
    }
    guard instructions.contains(where: { $0.name == "from" }) else {
      throw reader.error(expected: "a FROM instruction", found: "none")
    }
  }

  /// The text of the file.
  ///
  /// - Throws: ``ConversionError`` with `badModelfile` for a value that the grammar has no place for.
  package func text() throws -> String {
    var lines = comments.flatMap { $0.split(separator: "\n") }.map { "# " + $0 }
    for instruction in instructions {
      guard let value = Self.quoted(instruction.value) else {
        throw ConversionError(
          .badModelfile,
          Fault(
            subject: instruction.name.uppercased(),
            expected: "a text that a Modelfile can hold: printing characters, no \"\"\" at the end of a line",
            found: String(instruction.value.prefix(60))))
      }
      let words = instruction.name.split(separator: " ")
      let name = ([words[0].uppercased()] + words.dropFirst().map(String.init)).joined(separator: " ")
      lines.append(name + " " + value)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A value as it is written, in as few quotes as hold it, `"""` where it has quotes itself; `nil` for a text that cannot
  /// be a value.
  package static func quoted(_ value: String) -> String? {
    let quotes = value.contains("\"") ? ["", "\"\"\"", "\""] : ["", "\"", "\"\"\""]
    return quotes.map { $0 + value + $0 }.first { candidate in
      guard let parsed = try? Modelfile(parsing: "FROM \(candidate)\n# end\n") else { return false }
      // As bytes: line ends of two characters are one in a text.
      return parsed.instructions.count == 1 && parsed.instructions[0].value.utf8.elementsEqual(value.utf8)
    }
  }

  /// A text without what Ollama's parser drops.
  package static func printing(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    result.append(contentsOf: text.unicodeScalars.filter { $0 == "\n" || $0 == "\t" || Reader.prints($0) })
    return String(result)
  }
}

extension Modelfile {
  /// Goes through the characters of a file.
  private struct Reader {
    private let scalars: [Unicode.Scalar]
    private let file: String
    private var place = 0
    private var line = 1

    init(_ text: String, file: String) {
      scalars = Array(text.unicodeScalars)
      self.file = file
      if scalars.first == "\u{FEFF}" { place = 1 }
    }

    private mutating func next() -> Unicode.Scalar? {
      guard place < scalars.count else { return nil }
      defer { place += 1 }
      if Self.endsLine(scalars[place]) { line += 1 }
      return scalars[place]
    }

    /// The next instruction's name in lower case; `nil` at the end.
    mutating func name() throws -> String? {
      while place < scalars.count {
        let first = scalars[place]
        if first == "#" {
          while let scalar = next(), !Self.endsLine(scalar) {}
        } else if Self.isBlank(first) || Self.endsLine(first) {
          _ = next()
        } else {
          return try word { Self.isLetter($0) }.lowercased()
        }
      }
      return nil
    }

    /// The name of a parameter, or who speaks in a message.
    mutating func word() throws -> String {
      try word { Self.isLetter($0) || ("0"..."9").contains($0) || $0 == "_" }
    }

    private mutating func word(_ accepts: (Unicode.Scalar) -> Bool) throws -> String {
      var word = String.UnicodeScalarView()
      while let scalar = next() {
        if Self.isBlank(scalar), !word.isEmpty { return String(word) }
        guard accepts(scalar) else { break }
        word.append(scalar)
      }
      throw error(expected: "a word and a blank", found: String(word))
    }

    /// What follows up to the end of a line at which quotes are closed.
    mutating func value() throws -> String {
      var text: [Unicode.Scalar] = []
      while let scalar = next() {
        if Self.endsLine(scalar) {
          if let value = Self.unquoted(text) { return value }
          text.append(scalar)
        } else if Self.isBlank(scalar) || Self.prints(scalar) {
          text.append(scalar)
        }
      }
      guard let value = Self.unquoted(text) else {
        throw error(expected: "quotes that are closed", found: "the end of the file")
      }
      return value
    }

    func error(expected: String, found: String) -> ConversionError {
      ConversionError(
        .badModelfile, Fault(file: file, subject: "line \(line)", expected: expected, found: found))
    }

    private static func unquoted(_ text: [Unicode.Scalar]) -> String? {
      func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }
      var inner = text[...]
      while let first = inner.first, isSpace(first) { inner.removeFirst() }
      while let last = inner.last, isSpace(last) { inner.removeLast() }
      func take(quotes count: Int) -> ArraySlice<Unicode.Scalar>? {
        inner.count >= 2 * count && inner.suffix(count).allSatisfy { $0 == "\"" }
          ? inner.dropFirst(count).dropLast(count) : nil
      }
      let count = inner.prefix(3).prefix { $0 == "\"" }.count
      guard let found = count == 0 ? inner : take(quotes: count == 3 ? 3 : 1) else { return nil }
      var result = String.UnicodeScalarView()
      result.append(contentsOf: found)
      return String(result)
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }
    private static func endsLine(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }
    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
      scalar.isASCII && scalar.properties.isAlphabetic
    }

    /// Whether Ollama's parser keeps a character: letters, marks, numbers, punctuation, symbols, the blank.
    static func prints(_ scalar: Unicode.Scalar) -> Bool {
      if scalar == " " { return true }
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
        .spaceSeparator:
        return false
      default: return true
      }
    }
  }
}
