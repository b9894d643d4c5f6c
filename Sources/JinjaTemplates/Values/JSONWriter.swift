/// Writes values as Python's `json.dumps` does.
struct JSONWriter {
  var escapesNonASCII = false
  /// What a level is indented by; `nil` writes everything on one line.
  var indent: Text?
  var itemSeparator: Text = ", "
  var keySeparator: Text = ": "
  var sortsKeys = false

  private(set) var output = Text(utf8: [])

  init() {}

  /// The JSON text of a value.
  mutating func text(of value: Value) throws -> Text {
    output = Text(utf8: [])
    try append(value, level: 0)
    return output
  }

  private mutating func append(_ value: Value, level: Int) throws {
    guard output.utf8.count <= Value.textLimit else {
      throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
    }
    switch value {
    case .none: output.append("null")
    case .bool(let flag): output.append(flag ? "true" : "false")
    case .int(let number): output.append(String(number))
    case .float(let number): output.append(Self.text(of: number))
    case .string(let text): append(text)
    case .list(let elements), .tuple(let elements): try append(elements.items, level: level)
    case .dictionary(let dictionary): try append(dictionary, level: level)
    default:
      throw TemplateError(.type, "Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private static func text(of number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
    return Value.text(of: number)
  }

  private mutating func lineBreak(_ level: Int) {
    guard let indent else { return }
    output.append("\n")
    for _ in 0..<level { output.append(indent) }
  }

  private mutating func append(_ items: [Value], level: Int) throws {
    if items.isEmpty { return output.append("[]") }
    output.append("[")
    for (index, item) in items.enumerated() {
      if index > 0 { output.append(itemSeparator) }
      lineBreak(level + 1)
      try append(item, level: level + 1)
    }
    lineBreak(level)
    output.append("]")
  }

  private mutating func append(_ dictionary: Dictionary, level: Int) throws {
    if dictionary.count == 0 { return output.append("{}") }
    var members = Array(zip(dictionary.keys, dictionary.values))
    if sortsKeys { members = try members.pythonSorted { try Value.less($0.0, $1.0) } }
    output.append("{")
    for (index, (key, value)) in members.enumerated() {
      if index > 0 { output.append(itemSeparator) }
      lineBreak(level + 1)
      append(try Self.keyText(key))
      output.append(keySeparator)
      try append(value, level: level + 1)
    }
    lineBreak(level)
    output.append("}")
  }

  private static func keyText(_ key: Value) throws -> Text {
    switch key {
    case .string(let text): return text
    case .none: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return Text(String(number))
    case .float(let number): return Text(text(of: number))
    default:
      throw TemplateError(.type, "keys must be str, int, float, bool or None, not \(key.typeName)")
    }
  }

  private mutating func append(_ text: Text) {
    output.append("\"")
    for scalar in text.string.unicodeScalars {
      switch scalar {
      case "\"": output.append("\\\"")
      case "\\": output.append("\\\\")
      case "\n": output.append("\\n")
      case "\r": output.append("\\r")
      case "\t": output.append("\\t")
      case "\u{8}": output.append("\\b")
      case "\u{C}": output.append("\\f")
      case _ where scalar.value < 0x20: appendUnit(UInt16(truncatingIfNeeded: scalar.value))
      case _ where escapesNonASCII && scalar.value >= 0x7F:
        for unit in UTF16.encode(scalar).map(Array.init) ?? [] { appendUnit(unit) }
      default: output.append(scalar)
      }
    }
    output.append("\"")
  }

  private mutating func appendUnit(_ unit: UInt16) {
    let digits = String(unit, radix: 16)
    output.append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
  }
}

extension Array {
  /// Sorted stably, with a comparison that can fail.
  func pythonSorted(_ isLess: (Element, Element) throws -> Bool) throws -> [Element] {
    // A merge sort of its own: the library's sort does not promise that equal elements keep their order.
    if count < 2 { return self }
    var source = self
    var target = self
    var width = 1
    while width < count {
      var start = 0
      while start < count {
        let middle = Swift.min(start + width, count)
        let end = Swift.min(start + 2 * width, count)
        var (left, right) = (start, middle)
        for place in start..<end {
          let takesLeft = try left < middle && (right >= end || !isLess(source[right], source[left]))
          if takesLeft {
            target[place] = source[left]
            left += 1
          } else {
            target[place] = source[right]
            right += 1
          }
        }
        start = end
      }
      swap(&source, &target)
      width *= 2
    }
    return source
  }
}
