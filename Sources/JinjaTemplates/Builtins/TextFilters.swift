/// Filters that take and give texts.
enum TextFilters {
  /// The result; `nil` if the filter is of another kind.
  static func apply(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value?
  {
    switch name {
    case "upper", "lower", "capitalize", "title", "string", "safe", "e", "escape", "forceescape", "wordcount":
      _ = try arguments.bind([], name)
      return try simple(name, value, interpreter)
    case "trim":
      let bound = try arguments.bind(["chars"], name)
      let text = try value.text()
      try interpreter.charge(text: text)
      switch bound[0] {
      case .some(.none), nil: return .string(text.stripped())
      case let characters?: return .string(text.stripped(of: try StringMethods.string(characters)))
      }
    case "replace":
      let bound = try arguments.bind(["old", "new", "count"], required: 2, name)
      var values = try bound[..<2].map { Value.string(try ($0 ?? .none).text().marked(false)) }
      if let count = bound[2], case .none = count {} else if let count = bound[2] { values.append(count) }
      return try StringMethods.replace(try value.text().marked(false), values, interpreter)
    case "join": return try join(value, arguments, interpreter)
    case "format":
      guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
        throw TemplateError(
          .type, "can't handle positional and keyword arguments at the same time")
      }
      var values = Value.tuple(try Elements(arguments.positional))
      if !arguments.keywords.isEmpty {
        var dictionary = Dictionary()
        for keyword in arguments.keywords { try dictionary.set(.text(keyword.name), keyword.value) }
        values = .dictionary(dictionary)
      }
      return try interpreter.checked(try PercentFormat.text(try value.text(), values, interpreter))
    case "center":
      let width = try arguments.bind(["width"], name)[0] ?? .int(80)
      return try StringMethods.call("center", try value.text(), Arguments([width]), interpreter)
    case "indent": return try indent(value, arguments, interpreter)
    case "truncate": return try truncate(value, arguments)
    default: return nil
    }
  }

  private static func simple(_ name: String, _ value: Value, _ interpreter: Interpreter) throws -> Value {
    let text = try value.text()
    try interpreter.charge(text: text)
    switch name {
    case "upper": return .string(text.uppercased)
    case "lower": return .string(text.lowercased)
    case "capitalize": return .string(text.capitalized)
    case "string": return .string(text)
    case "safe": return .string(text.marked(true))
    case "e", "escape": return try interpreter.checked(text.escaped)
    case "forceescape": return try interpreter.checked(text.marked(false).escaped)
    case "wordcount": return .int(wordCount(text))
    default: return .string(title(text))
    }
  }

  /// Runs of letters, digits and underscores.
  private static func wordCount(_ text: Text) -> Int {
    var count = 0
    var isInside = false
    for scalar in text.scalars {
      let isWord = scalar == "_" || scalar.isPythonLetter || scalar.isPythonDecimal || scalar.isPythonNumeric
      if isWord, !isInside { count += 1 }
      isInside = isWord
    }
    return count
  }

  /// Every part between blanks, hyphens and opening brackets begins with upper case.
  private static func title(_ text: Text) -> Text {
    var result = Text(utf8: [])
    var word: [Unicode.Scalar] = []
    func flush() {
      guard let first = word.first else { return }
      result.append(first.properties.uppercaseMapping)
      result.append(Text(word.dropFirst()).lowercased)
      word = []
    }
    for scalar in text.scalars {
      if scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar) {
        flush()
        result.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    flush()
    return result
  }

  private static func join(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Value
  {
    let bound = try arguments.bind(["d", "attribute"], "join")
    let separator = try (bound[0] ?? .empty).text()
    var items = try interpreter.items(of: value)
    if let path = try AttributePath(bound[1]) {
      items = try items.map { try path.value(of: $0, interpreter) }
    }
    var result = Text(utf8: [])
    for (index, item) in items.enumerated() {
      if index > 0 { result.append(separator) }
      result.append(try item.text())
      try interpreter.charge()
      guard result.utf8.count <= Value.textLimit else {
        throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
      }
    }
    return try interpreter.checked(result)
  }

  private static func indent(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    let bound = try arguments.bind(["width", "first", "blank"], "indent")
    try value.requireDefined()
    guard case .string(let text) = value else {
      throw TemplateError(.type, "indent() wants a text, not \(value.typeName)")
    }
    var indention: Text
    switch bound[0] {
    case .string(let text)?: indention = text
    case let width?:
      guard let width = width.integer else { throw TemplateError(.type, "indent() wants a width") }
      try interpreter.requireRoom(for: 1, times: width)
      indention = Text(utf8: Array(repeating: 0x20, count: max(width, 0)))
    case nil: indention = "    "
    }
    if text.isMarkup { indention = indention.marked(false).marked(true) }
    let lines = (text + "\n").lines(keepEnds: false)
    try interpreter.requireRoom(for: indention.utf8.count + 1, times: lines.count + 1)
    try interpreter.charge(text.utf8.count >> 3)
    let blank = bound[2]?.isTrue ?? false
    var result = bound[1]?.isTrue == true ? indention : Text(utf8: [])
    for (index, line) in lines.enumerated() {
      if index > 0 {
        result.append("\n")
        if blank || !line.isEmpty { result.append(indention) }
      }
      result.append(line)
    }
    return try interpreter.checked(result.marked(text.isMarkup))
  }

  private static func truncate(_ value: Value, _ arguments: Arguments) throws -> Value {
    let bound = try arguments.bind(["length", "killwords", "end", "leeway"], "truncate")
    let text = try StringMethods.string(value)
    let end = try bound[2].map(StringMethods.string) ?? "..."
    guard let length = (bound[0] ?? .int(255)).integer, let leeway = (bound[3] ?? .int(5)).integer,
      length >= end.count, leeway >= 0
    else { throw TemplateError(.value, "truncate() wants a length that its end fits into") }
    if text.count - leeway <= length { return value }
    let head = text.slice(0..<(length - end.count))
    if bound[1]?.isTrue == true { return .string(head + end) }
    return .string((head.splitFromRight(by: " ", limit: 1).first ?? head) + end)
  }
}
