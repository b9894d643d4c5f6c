/// A Jinja template in a form that does not depend on how it is laid out, for recognizing it.
///
/// Comments are gone, white space outside of string literals too; literals have single quotes and `\n` for line
/// feeds; `x['y']` is `x.y`; literals that are added to each other are one literal; tags have no `-`.
struct TemplateText {
  let text: String
  /// The string literals, escapes as written.
  let literals: [String]

  /// Templates larger than this are not looked at; published ones have up to 20 KB.
  static let limit = 1 << 18

  /// Fails for templates that are too large or have an open string literal.
  init?(_ template: String) {
    guard template.utf8.count <= Self.limit, let bare = Self.withoutComments(Array(template.utf8)) else {
      return nil
    }
    var result: [UInt8] = []
    var literals: [String] = []
    var index = 0
    while index < bare.count {
      let byte = bare[index]
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\""):
        guard let (literal, end) = Self.literal(bare, at: index) else { return nil }
        let text = String(decoding: literal, as: UTF8.self)
        if result.suffix(2).elementsEqual("'+".utf8), let last = literals.popLast() {
          result.removeLast(2)
          literals.append(last + text)
        } else {
          result.append(UInt8(ascii: "'"))
          literals.append(text)
        }
        result.append(contentsOf: literal)
        result.append(UInt8(ascii: "'"))
        index = end
      case 0x20, 0x09, 0x0A, 0x0D:
        index += 1
      case UInt8(ascii: "-"):
        // Of a tag: {%- and -%}; a minus inside an expression stays.
        let opens = result.suffix(2).elementsEqual("{%".utf8) || result.suffix(2).elementsEqual("{{".utf8)
        let next = bare[(index + 1)...].prefix(2)
        let closes = next.elementsEqual("%}".utf8) || next.elementsEqual("}}".utf8)
        if !opens && !closes { result.append(byte) }
        index += 1
      default:
        result.append(byte)
        index += 1
      }
    }
    text = String(decoding: Self.withDots(result), as: UTF8.self)
    self.literals = literals
  }

  func contains(_ part: String) -> Bool {
    let needle = Array(part.utf8)
    return ByteSearch.first(needle, in: Array(text.utf8)) != nil
  }

  private static func withoutComments(_ bytes: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "{"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "#") {
        guard let end = ByteSearch.first(Array("#}".utf8), in: bytes, from: index + 2) else { return nil }
        index = end + 2
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }

  /// The literal that begins at `index`, with escapes as written and quotes of one kind, and where it ends.
  private static func literal(_ bytes: [UInt8], at index: Int) -> (text: [UInt8], end: Int)? {
    let quote = bytes[index]
    var text: [UInt8] = []
    var position = index + 1
    while position < bytes.count, bytes[position] != quote {
      if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count {
        text.append(contentsOf: bytes[position...position + 1])
        position += 2
        continue
      }
      switch bytes[position] {
      case 0x0A: text.append(contentsOf: Array("\\n".utf8))
      case UInt8(ascii: "'"): text.append(contentsOf: Array("\\'".utf8))
      default: text.append(bytes[position])
      }
      position += 1
    }
    return position < bytes.count ? (text, position + 1) : nil
  }

  /// Turns `['name']` behind a name or a bracket into `.name`.
  private static func withDots(_ bytes: [UInt8]) -> [UInt8] {
    func isName(_ byte: UInt8) -> Bool {
      0x30...0x39 ~= byte || 0x41...0x5A ~= byte || 0x61...0x7A ~= byte || byte == 0x5F
    }
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "["), let last = result.last, isName(last) || last == UInt8(ascii: "]"),
        index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "'")
      {
        var end = index + 2
        while end < bytes.count, isName(bytes[end]) { end += 1 }
        if end > index + 2, end + 1 < bytes.count, bytes[end] == UInt8(ascii: "'"),
          bytes[end + 1] == UInt8(ascii: "]")
        {
          result.append(UInt8(ascii: "."))
          result.append(contentsOf: bytes[index + 2..<end])
          index = end + 2
          continue
        }
      }
      result.append(bytes[index])
      index += 1
    }
    return result
  }

  /// The text of a literal with its escapes resolved.
  static func unescaped(_ literal: String) -> String {
    var result = ""
    var isEscaped = false
    for scalar in literal.unicodeScalars {
      if isEscaped {
        switch scalar {
        case "n": result += "\n"
        case "t": result += "\t"
        case "r": result += "\r"
        default: result.unicodeScalars.append(scalar)
        }
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
