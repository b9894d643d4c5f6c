/// Reads names, numbers, strings and operators inside of tags.
struct ExpressionLexer {
  private let source: [Unicode.Scalar]
  private var position: Int
  private let line: Int

  /// The token at a position where no white space stands, and where it ends.
  static func token(_ source: [Unicode.Scalar], at position: Int, line: Int) throws -> (
    kind: Token.Kind, end: Int
  ) {
    var lexer = ExpressionLexer(source: source, position: position, line: line)
    let kind = try lexer.token()
    return (kind, lexer.position)
  }

  private init(source: [Unicode.Scalar], position: Int, line: Int) {
    self.source = source
    self.position = position
    self.line = line
  }

  private func error(_ message: String, _ kind: TemplateError.Kind = .syntax) -> TemplateError {
    TemplateError(kind, message, line: line)
  }

  private func at(_ index: Int) -> Unicode.Scalar? {
    source.indices.contains(index) ? source[index] : nil
  }

  private mutating func token() throws -> Token.Kind {
    let first = source[position]
    if Self.isDigit(first) { return try number() }
    if Self.isNameStart(first) {
      let start = position
      while let scalar = at(position), Self.isNamePart(scalar) { position += 1 }
      return .name(Text(source[start..<position]).string)
    }
    if first == "'" || first == "\"" { return try string(quote: first) }
    for (scalars, symbol) in Token.Symbol.table where source[position...].starts(with: scalars) {
      position += scalars.count
      return .symbol(symbol)
    }
    throw error("an unexpected character, \(String(first).debugDescription)")
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { "0"..."9" ~= scalar }

  private static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
    "a"..."z" ~= scalar || "A"..."Z" ~= scalar || scalar == "_"
      || (!scalar.isASCII && scalar.properties.isXIDStart)
  }

  private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    isNameStart(scalar) || isDigit(scalar) || (!scalar.isASCII && scalar.properties.isXIDContinue)
  }

  /// Digits with single underscores between them, from `start`; where they end, or `nil` if there are none.
  private func digits(from start: Int, _ isDigit: (Unicode.Scalar) -> Bool) -> Int? {
    var end: Int?
    var index = start
    while let scalar = at(index) {
      if isDigit(scalar) {
        index += 1
        end = index
      } else if scalar == "_", end == index, let next = at(index + 1), isDigit(next) {
        index += 1
      } else {
        break
      }
    }
    return end
  }

  private mutating func number() throws -> Token.Kind {
    if let end = floatEnd(), at(position - 1) != "." {
      let text = Text(source[position..<end].filter { $0 != "_" }).string
      position = end
      guard let value = Double(text) else { throw error("a number that cannot be read, \(text)") }
      return .float(value)
    }
    var radix = 10
    var start = position
    var end = position
    if source[position] == "0" {
      let bases: [(String, Int)] = [("bB", 2), ("oO", 8), ("xX", 16)]
      for (letters, base) in bases {
        guard let mark = at(position + 1), letters.unicodeScalars.contains(mark) else { continue }
        let first = at(position + 2) == "_" ? position + 3 : position + 2
        if let last = digits(
          from: first, { $0.isASCII && Character($0).hexDigitValue.map { $0 < base } ?? false })
        {
          (radix, start, end) = (base, first, last)
        }
      }
      if radix == 10 { end = digits(from: position) { $0 == "0" } ?? position + 1 }
    } else {
      end = digits(from: position, Self.isDigit) ?? position + 1
    }
    let text = Text(source[start..<end].filter { $0 != "_" }).string
    position = end
    guard let value = Int(text, radix: radix) else {
      throw error("the whole number \(text), which has more than 64 bits", .notSupported)
    }
    return .integer(value)
  }

  private func floatEnd() -> Int? {
    guard let whole = digits(from: position, Self.isDigit) else { return nil }
    var end = whole
    if at(end) == ".", let fraction = digits(from: end + 1, Self.isDigit) { end = fraction }
    if let mark = at(end), mark == "e" || mark == "E" {
      let sign = at(end + 1) == "+" || at(end + 1) == "-" ? 1 : 0
      if let exponent = digits(from: end + 1 + sign, Self.isDigit) { return exponent }
    }
    return end > whole ? end : nil
  }

  private mutating func string(quote: Unicode.Scalar) throws -> Token.Kind {
    var text = Text(utf8: [])
    position += 1
    while let scalar = at(position) {
      position += 1
      if scalar == quote { return .string(text) }
      if scalar == "\\" { try escape(&text) } else { text.append(scalar) }
    }
    throw error("a string without its end")
  }

  private mutating func escape(_ text: inout Text) throws {
    guard let scalar = at(position) else { throw error("a string without its end") }
    position += 1
    switch scalar {
    case "\n": break
    case "\\", "'", "\"": text.append(scalar)
    case "a": text.append("\u{7}")
    case "b": text.append("\u{8}")
    case "f": text.append("\u{C}")
    case "n": text.append("\n")
    case "r": text.append("\r")
    case "t": text.append("\t")
    case "v": text.append("\u{B}")
    case "x": try code(digitCount: 2, &text)
    case "u": try code(digitCount: 4, &text)
    case "U": try code(digitCount: 8, &text)
    case "0"..."7":
      var value = scalar.value - 0x30
      for _ in 0..<2 {
        guard let next = at(position), "0"..."7" ~= next else { break }
        value = value << 3 + next.value - 0x30
        position += 1
      }
      if let scalar = Unicode.Scalar(value) { text.append(scalar) }
    case "N": throw error("a character by its name, \\N, in a string", .notSupported)
    default:
      text.append("\\")
      // Python writes other characters as escapes before it reads escapes, so their backslash is taken away.
      text.append(scalar.isASCII ? String(scalar) : String(Text(String(scalar)).asciiEscaped.dropFirst()))
    }
  }

  private mutating func code(digitCount: Int, _ text: inout Text) throws {
    var value: UInt32 = 0
    for _ in 0..<digitCount {
      guard let scalar = at(position), scalar.isASCII, let digit = Character(scalar).hexDigitValue else {
        throw error("an escape without its \(digitCount) hexadecimal digits in a string")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    guard let scalar = Unicode.Scalar(value) else {
      throw error("an escape in a string for half a character, which UTF-8 cannot hold", .notSupported)
    }
    text.append(scalar)
  }
}
