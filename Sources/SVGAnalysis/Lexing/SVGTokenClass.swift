/// What a piece of a drawing's source says.
package enum SVGTokenClass: String, CaseIterable, Hashable, Sendable, Codable, CodingKeyRepresentable {
  /// Names of tags, attributes and functions, and the punctuation of XML.
  case markup
  /// Coordinates, lengths, angles, opacities.
  case number
  /// Colours: names, hexadecimal digits, functions.
  case colour
  /// The letters of path data.
  case pathCommand
  /// Text, comments, ids, fonts, and what stands outside the drawing.
  case text
}

/// Says of every byte of an answer what it belongs to.
///
/// The lexer needs no well-formed source; what it cannot place is text.
package struct SVGLexer: Sendable {
  /// The class of each byte; `nil` for white space.
  package private(set) var classes: [SVGTokenClass?]
  /// The numbers outside colours, in order.
  package private(set) var numbers: [Range<Int>] = []

  private let bytes: [UInt8]
  private var index = 0

  /// Goes through an answer; the drawing may stand anywhere in it.
  ///
  /// - Complexity: O(length).
  package init(_ answer: [UInt8]) {
    bytes = answer
    classes = Array(repeating: .text, count: answer.count)
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "<"), index + 1 < bytes.count, isTagStart(bytes[index + 1]) {
        if starts(with: "<!--") || starts(with: "<!") || starts(with: "<?") {
          skipDeclaration()
        } else {
          tag()
        }
      } else {
        index += 1
      }
    }
    for place in classes.indices where isSpace(bytes[place]) { classes[place] = nil }
  }

  /// The class of a piece: of its bytes the one that says most; markup for white space alone.
  ///
  /// - Parameter range: A range of bytes.
  /// - Returns: The class.
  package func tokenClass(_ range: Range<Int>) -> SVGTokenClass {
    var best = SVGTokenClass.markup
    let order: [SVGTokenClass] = [.markup, .text, .colour, .pathCommand, .number]
    for place in range.clamped(to: 0..<classes.count) {
      guard let found = classes[place] else { continue }
      if (order.firstIndex(of: found) ?? 0) > (order.firstIndex(of: best) ?? 0) { best = found }
    }
    return best
  }

  private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
  private func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
  private func isTagStart(_ byte: UInt8) -> Bool {
    isLetter(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?")
  }
  private func starts(with text: String) -> Bool { bytes[index...].starts(with: text.utf8) }

  private mutating func skipDeclaration() {
    let closing = Array((starts(with: "<!--") ? "-->" : ">").utf8)
    index = bytes[index...].firstRange(of: closing)?.upperBound ?? bytes.count
  }

  private mutating func mark(_ range: Range<Int>, _ kind: SVGTokenClass) {
    for place in range { classes[place] = kind }
  }

  private mutating func tag() {
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: ">") {
        classes[index] = .markup
        index += 1
        return
      }
      if byte == 0x22 || byte == 0x27 {
        value(of: nameBefore(index), quote: byte)
      } else {
        classes[index] = .markup
        index += 1
      }
    }
  }

  /// The attribute's name in front of `="`.
  private func nameBefore(_ quote: Int) -> String {
    var end = quote
    while end > 0, isSpace(bytes[end - 1]) || bytes[end - 1] == UInt8(ascii: "=") { end -= 1 }
    var start = end
    while start > 0, !isSpace(bytes[start - 1]), bytes[start - 1] != 0x22, bytes[start - 1] != 0x27,
      bytes[start - 1] != UInt8(ascii: "<"), end - start < 40
    {
      start -= 1
    }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private mutating func value(of name: String, quote: UInt8) {
    classes[index] = .markup
    let start = index + 1
    let end = bytes[start...].firstIndex { $0 == quote || $0 == UInt8(ascii: "<") } ?? bytes.count
    let range = start..<end
    if name == "style" {
      styleValue(range)
    } else if SVGVocabulary.paints.contains(name) {
      mark(range, .colour)
    } else if name == "d" {
      numbersAndLetters(range, letters: .pathCommand)
    } else if SVGVocabulary.numeric.contains(name) || SVGVocabulary.numericProperties.contains(name) {
      numbersAndLetters(range, letters: .markup)
    }
    index = end
    if index < bytes.count, bytes[index] == quote {
      classes[index] = .markup
      index += 1
    }
  }

  private mutating func styleValue(_ range: Range<Int>) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = bytes[start..<range.upperBound].firstIndex(of: UInt8(ascii: ";")) ?? range.upperBound
      let colon = bytes[start..<end].firstIndex(of: UInt8(ascii: ":")) ?? end
      mark(start..<min(colon + 1, end), .markup)
      let name = String(decoding: bytes[start..<colon].filter { !isSpace($0) }, as: UTF8.self)
      let content = min(colon + 1, end)..<end
      if SVGVocabulary.paints.contains(name) {
        mark(content, .colour)
      } else {
        numbersAndLetters(content, letters: .markup)
      }
      if end < range.upperBound { classes[end] = .markup }
      start = end + 1
    }
  }

  private mutating func numbersAndLetters(_ range: Range<Int>, letters: SVGTokenClass) {
    var scanner = NumberScanner(String(decoding: bytes[range], as: UTF8.self))
    // Bytes that are not UTF-8 would shift the places.
    guard scanner.bytes.count == range.count else { return }
    while !scanner.isAtEnd {
      let start = range.lowerBound + scanner.index
      if scanner.number() != nil {
        let found = start..<(range.lowerBound + scanner.index)
        mark(found, .number)
        numbers.append(found)
      } else {
        classes[start] = isLetter(bytes[start]) ? letters : .markup
        scanner.index += 1
      }
    }
  }
}
