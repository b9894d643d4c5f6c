/// Cuts a template into tokens, with the white space rules that chat templates are written for.
///
/// As Jinja's lexer with `trim_blocks` and `lstrip_blocks`: one line feed behind a block or comment tag goes, blanks
/// between a line's start and such a tag go, `-` removes all white space on its side, `+` keeps it. A last line feed
/// of the template goes, too.
struct Lexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  /// Whether the last match ended with a line feed.
  private var isLineStart = true
  private var tokens: [Token] = []

  /// The most bytes of a template; published ones have up to 20 KB.
  static let sizeLimit = 1 << 20

  static func tokens(of template: String) throws -> [Token] {
    guard template.utf8.count <= sizeLimit else {
      throw TemplateError(.limit, "a template of \(template.utf8.count) bytes, more than \(sizeLimit)")
    }
    var lexer = Lexer(template)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ template: String) {
    var scalars: [Unicode.Scalar] = []
    var isAfterReturn = false
    for scalar in template.unicodeScalars {
      if scalar == "\r" {
        scalars.append("\n")
      } else if !(scalar == "\n" && isAfterReturn) {
        scalars.append(scalar)
      }
      isAfterReturn = scalar == "\r"
    }
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  private func error(_ message: String) -> TemplateError { TemplateError(.syntax, message, line: line) }

  private func at(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

  private func matches(_ text: StaticString, at index: Int) -> Bool {
    text.withUTF8Buffer { bytes in
      guard index >= 0, index + bytes.count <= source.count else { return false }
      for (offset, byte) in bytes.enumerated() where source[index + offset].value != UInt32(byte) {
        return false
      }
      return true
    }
  }

  /// Moves on, counting lines.
  private mutating func move(to end: Int) {
    guard end > position else { return }
    for index in position..<end where source[index] == "\n" { line += 1 }
    isLineStart = source[end - 1] == "\n"
    position = end
  }

  private func skippingSpace(_ start: Int) -> Int {
    var index = start
    while index < source.count, source[index].isPythonSpace { index += 1 }
    return index
  }

  private mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

  private mutating func run() throws {
    while position < source.count {
      guard let tag = nextTag() else {
        append(.data(Text(source[position...])))
        move(to: source.count)
        break
      }
      let start = tag
      if let raw = rawTag(at: start) {
        appendText(before: start, sign: raw.sign, isVariable: false)
        move(to: raw.end)
        try lexRaw()
        continue
      }
      let sign = at(start + 2).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
      let isVariable = source[start + 1] == "{"
      appendText(before: start, sign: sign, isVariable: isVariable)
      move(to: start + (sign == nil ? 2 : 3))
      switch source[start + 1] {
      case "#": try skipComment()
      case "%": try lexTag(begin: .blockBegin, isVariable: false)
      default: try lexTag(begin: .variableBegin, isVariable: true)
      }
    }
    append(.end)
  }

  private func nextTag() -> Int? {
    var index = position
    while index + 1 < source.count {
      if source[index] == "{" {
        let next = source[index + 1]
        if next == "%" || next == "{" || next == "#" { return index }
      }
      index += 1
    }
    return nil
  }

  /// The text up to a tag, stripped as the tag's sign says.
  private mutating func appendText(before end: Int, sign: Unicode.Scalar?, isVariable: Bool) {
    var stop = end
    if sign == "-" {
      while stop > position, source[stop - 1].isPythonSpace { stop -= 1 }
    } else if sign != "+", !isVariable {
      let lineFeed = source[position..<end].lastIndex(of: "\n")
      let start = lineFeed.map { $0 + 1 } ?? position
      if lineFeed != nil || isLineStart, start < end,
        source[start..<end].allSatisfy(\.isPythonSpace)
      {
        stop = start
      }
    }
    if stop > position { append(.data(Text(source[position..<stop]))) }
    move(to: end)
  }

  private func rawTag(at start: Int) -> (sign: Unicode.Scalar?, end: Int)? {
    guard source[start + 1] == "%" else { return nil }
    let sign = at(start + 2).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
    var index = skippingSpace(start + (sign == nil ? 2 : 3))
    guard matches("raw", at: index) else { return nil }
    index = skippingSpace(index + 3)
    if matches("-%}", at: index) { return (sign, skippingSpace(index + 3)) }
    return matches("%}", at: index) ? (sign, index + 2) : nil
  }

  private mutating func lexRaw() throws {
    // As in Jinja, a tag that nothing follows is not missed.
    if position == source.count { return }
    var start = position
    while start + 1 < source.count {
      if source[start] == "{", source[start + 1] == "%" {
        let sign = at(start + 2).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
        var index = skippingSpace(start + (sign == nil ? 2 : 3))
        if matches("endraw", at: index) {
          index = skippingSpace(index + 6)
          if let end = blockEnd(at: index) {
            appendText(before: start, sign: sign, isVariable: false)
            move(to: end)
            return
          }
        }
      }
      start += 1
    }
    throw error("a {% raw %} without {% endraw %}")
  }

  private mutating func skipComment() throws {
    if position == source.count { return }
    var index = position
    while index + 1 < source.count {
      if matches("+#}", at: index) { return move(to: index + 3) }
      if matches("-#}", at: index) { return move(to: skippingSpace(index + 3)) }
      if matches("#}", at: index) { return move(to: index + (at(index + 2) == "\n" ? 3 : 2)) }
      index += 1
    }
    throw error("a comment without its end, #}")
  }

  /// Where a block tag that ends at `index` ends, with the white space that it takes along.
  private func blockEnd(at index: Int) -> Int? {
    if matches("+%}", at: index) { return index + 3 }
    if matches("-%}", at: index) { return skippingSpace(index + 3) }
    if matches("%}", at: index) { return index + (at(index + 2) == "\n" ? 3 : 2) }
    return nil
  }

  private func variableEnd(at index: Int) -> Int? {
    if matches("-}}", at: index) { return skippingSpace(index + 3) }
    return matches("}}", at: index) ? index + 2 : nil
  }

  private mutating func lexTag(begin: Token.Kind, isVariable: Bool) throws {
    append(begin)
    var open: [Token.Symbol] = []
    while position < source.count {
      if open.isEmpty, let end = isVariable ? variableEnd(at: position) : blockEnd(at: position) {
        append(isVariable ? .variableEnd : .blockEnd)
        return move(to: end)
      }
      let next = skippingSpace(position)
      if next > position {
        move(to: next)
        continue
      }
      let token = try ExpressionLexer.token(source, at: position, line: line)
      if case .symbol(let symbol) = token.kind { try balance(symbol, &open) }
      append(token.kind)
      move(to: token.end)
    }
  }

  private func balance(_ symbol: Token.Symbol, _ open: inout [Token.Symbol]) throws {
    switch symbol {
    case .leftBrace: open.append(.rightBrace)
    case .leftBracket: open.append(.rightBracket)
    case .leftParenthesis: open.append(.rightParenthesis)
    case .rightBrace, .rightBracket, .rightParenthesis:
      guard open.popLast() == symbol else { throw error("an unexpected \(symbol.rawValue)") }
    default: break
    }
  }
}
