/// The methods of Python's strings.
enum StringMethods {
  static func call(_ name: String, _ text: Text, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    switch name {
    case "format": return try interpreter.checked(try BraceFormat.text(text, arguments, interpreter))
    case "format_map":
      guard case .dictionary(let values) = try arguments.positionalOnly(1...1, name)[0] else {
        throw TemplateError(.type, "format_map() wants a mapping")
      }
      var keyed = Arguments()
      for (key, value) in zip(values.keys, values.values) {
        keyed.keywords.append((try key.text().string, value))
      }
      return try interpreter.checked(try BraceFormat.text(text, keyed, interpreter))
    case "split", "rsplit": return try split(name, text, arguments)
    case "splitlines":
      let keepEnds = try arguments.bind(["keepends"], name)[0]?.isTrue ?? false
      return .texts(text.lines(keepEnds: keepEnds).map { $0.marked(text.isMarkup) })
    case "join":
      let values = try arguments.positionalOnly(1...1, name)
      return try join(text, values[0], interpreter)
    case "replace":
      let values = try arguments.positionalOnly(2...3, name)
      return try replace(text, values, interpreter)
    case "strip", "lstrip", "rstrip":
      let values = try arguments.positionalOnly(0...1, name)
      return .string(
        text.stripped(
          start: name != "rstrip", end: name != "lstrip", of: try characters(values.first)))
    case "startswith", "endswith": return try hasAffix(name, text, arguments)
    case "find", "index", "rfind", "rindex", "count": return try find(name, text, arguments)
    case "partition", "rpartition": return try partition(name, text, arguments)
    case "removeprefix", "removesuffix":
      let affix = try string(arguments.positionalOnly(1...1, name)[0])
      if name == "removeprefix", text.hasPrefix(affix) {
        return .string(Text(utf8: Array(text.utf8.dropFirst(affix.utf8.count))))
      }
      if name == "removesuffix", text.hasSuffix(affix) {
        return .string(Text(utf8: Array(text.utf8.dropLast(affix.utf8.count))))
      }
      return .string(text)
    case "center", "ljust", "rjust", "zfill": return try pad(name, text, arguments, interpreter)
    case "encode", "expandtabs", "isidentifier", "maketrans", "translate":
      throw Methods.unsupported(name, .string(text))
    default:
      _ = try arguments.positionalOnly(0...0, name)
      return try simple(name, text)
    }
  }

  /// Methods without arguments.
  private static func simple(_ name: String, _ text: Text) throws -> Value {
    switch name {
    case "upper": .string(text.uppercased)
    case "lower": .string(text.lowercased)
    case "capitalize": .string(text.capitalized)
    case "title": .string(text.titled)
    case "swapcase": .string(text.caseSwapped)
    case "isalnum": .bool(text.consists { $0.isPythonLetter || $0.isPythonDecimal || $0.isPythonNumeric })
    case "isalpha": .bool(text.consists(of: \.isPythonLetter))
    case "isascii": .bool(text.isASCII)
    case "isdecimal": .bool(text.consists(of: \.isPythonDecimal))
    case "isdigit": .bool(text.consists(of: \.isPythonDigit))
    case "isnumeric": .bool(text.consists(of: \.isPythonNumeric))
    case "isprintable": .bool(text.scalars.allSatisfy(\.isPythonPrintable))
    case "isspace": .bool(text.consists(of: \.isPythonSpace))
    case "islower": .bool(text.isLower)
    case "isupper": .bool(text.isUpper)
    case "istitle": .bool(text.isTitle)
    case "casefold" where text.isASCII: .string(text.lowercased)
    default: throw Methods.unsupported(name, .string(text))
    }
  }

  static func string(_ value: Value) throws -> Text {
    guard case .string(let text) = value else {
      throw TemplateError(.type, "a text is wanted, not \(value.typeName)")
    }
    return text
  }

  private static func integer(_ value: Value) throws -> Int {
    guard let number = value.integer else {
      throw TemplateError(.type, "'\(value.typeName)' object cannot be interpreted as an integer")
    }
    return number
  }

  private static func characters(_ value: Value?) throws -> Text? {
    guard let value else { return nil }
    if case .none = value { return nil }
    return try string(value)
  }

  private static func split(_ name: String, _ text: Text, _ arguments: Arguments) throws -> Value {
    let values = try arguments.bind(["sep", "maxsplit"], name)
    let limit = try values[1].map(integer) ?? -1
    let parts: [Text]
    if let separator = try characters(values[0]) {
      guard !separator.isEmpty else { throw TemplateError(.value, "empty separator") }
      parts =
        name == "split"
        ? text.split(by: separator, limit: limit) : text.splitFromRight(by: separator, limit: limit)
    } else {
      parts = name == "split" ? text.splitBySpace(limit: limit) : text.splitBySpaceFromRight(limit: limit)
    }
    return .texts(parts.map { $0.marked(text.isMarkup) })
  }

  private static func join(_ separator: Text, _ value: Value, _ interpreter: Interpreter) throws -> Value {
    var result = Text(utf8: [], isMarkup: separator.isMarkup)
    for (index, item) in try interpreter.items(of: value).enumerated() {
      guard case .string(let part) = item else {
        throw TemplateError(
          .type, "sequence item \(index): expected str instance, \(item.typeName) found")
      }
      if index > 0 { result.append(separator) }
      result.append(separator.isMarkup ? part.escaped : part)
      try interpreter.charge(text: part)
      guard result.utf8.count <= Value.textLimit else {
        throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
      }
    }
    return try interpreter.checked(result)
  }

  static func replace(_ text: Text, _ values: [Value], _ interpreter: Interpreter) throws -> Value {
    let (old, new) = (try string(values[0]), try string(values[1]))
    let limit = values.count > 2 ? try integer(values[2]) : -1
    let count = old.isEmpty ? text.count + 1 : text.utf8.count / old.utf8.count
    try interpreter.charge(text.utf8.count >> 4)
    if text.utf8.count + count.multipliedReportingOverflow(by: new.utf8.count).partialValue > Value.textLimit
    {
      let places = old.isEmpty ? count : text.places(of: old).count
      try interpreter.requireRoom(for: new.utf8.count, times: places)
    }
    return try interpreter.checked(text.replacing(old, with: new, limit: limit).marked(text.isMarkup))
  }

  /// The places of `[start, end)`, as optional arguments of `find` and others give them.
  static func bounds(_ values: ArraySlice<Value>, count: Int) throws -> Range<Int> {
    func bound(_ value: Value?, _ preset: Int) throws -> Int {
      guard let value else { return preset }
      if case .none = value { return preset }
      let number = try integer(value)
      return min(max(number < 0 ? number + count : number, 0), count)
    }
    let start = try bound(values.first, 0)
    let end = try bound(values.dropFirst().first, count)
    return start..<max(start, end)
  }

  private static func hasAffix(_ name: String, _ text: Text, _ arguments: Arguments) throws -> Value {
    let values = try arguments.positionalOnly(1...3, name)
    let part =
      values.count == 1 ? text : text.slice(try bounds(values.dropFirst(), count: text.count))
    func matches(_ value: Value) throws -> Bool {
      let affix = try string(value)
      return name == "startswith" ? part.hasPrefix(affix) : part.hasSuffix(affix)
    }
    if case .tuple(let elements) = values[0] {
      return .bool(try elements.items.contains { try matches($0) })
    }
    return .bool(try matches(values[0]))
  }

  private static func find(_ name: String, _ text: Text, _ arguments: Arguments) throws -> Value {
    let values = try arguments.positionalOnly(1...3, name)
    let needle = try string(values[0])
    let count = text.count
    let bounds = try bounds(values.dropFirst(), count: count)
    // A start behind the end finds nothing, not even the empty text.
    let isBehind = values.count > 1 && values[1].integer.map { $0 > count } == true
    let part = text.slice(bounds)
    if name == "count" {
      if isBehind { return .int(0) }
      return .int(needle.isEmpty ? part.count + 1 : part.places(of: needle).count)
    }
    let place = name.hasPrefix("r") ? part.lastByte(of: needle) : part.firstByte(of: needle)
    if let place, !isBehind { return .int(bounds.lowerBound + part.position(ofByte: place)) }
    guard name.hasSuffix("find") else { throw TemplateError(.value, "substring not found") }
    return .int(-1)
  }

  private static func partition(_ name: String, _ text: Text, _ arguments: Arguments) throws -> Value {
    let separator = try string(arguments.positionalOnly(1...1, name)[0])
    guard !separator.isEmpty else { throw TemplateError(.value, "empty separator") }
    let isLeft = name == "partition"
    let empty = Text(utf8: [])
    var parts = isLeft ? [text, empty, empty] : [empty, empty, text]
    if let place = isLeft ? text.firstByte(of: separator) : text.lastByte(of: separator) {
      parts = [
        Text(utf8: Array(text.utf8[..<place])), separator,
        Text(utf8: Array(text.utf8[(place + separator.utf8.count)...])),
      ]
    }
    return .tuple(Elements(flat: parts.map { .string($0.marked(text.isMarkup)) }))
  }

  private static func pad(
    _ name: String, _ text: Text, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    let values = try arguments.positionalOnly(1...(name == "zfill" ? 1 : 2), name)
    let width = try integer(values[0])
    let fill = values.count > 1 ? try string(values[1]) : name == "zfill" ? "0" : " "
    guard fill.count == 1 else {
      throw TemplateError(.type, "The fill character must be exactly one character long")
    }
    let missing = max(width, 0) - min(text.count, max(width, 0))
    try interpreter.requireRoom(for: fill.utf8.count, times: missing)
    return .string(padded(name, text, fill, missing, width).marked(text.isMarkup))
  }

  private static func padded(_ name: String, _ text: Text, _ fill: Text, _ missing: Int, _ width: Int) -> Text
  {
    switch name {
    case "ljust": return text + fill.repeated(missing)
    case "rjust": return fill.repeated(missing) + text
    case "zfill":
      guard let sign = text.utf8.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") else {
        return fill.repeated(missing) + text
      }
      return Text(utf8: [sign]) + fill.repeated(missing) + Text(utf8: Array(text.utf8.dropFirst()))
    default:
      // Python puts the odd one on the left if the width is odd.
      let left = missing / 2 + (missing & width & 1)
      return fill.repeated(left) + text + fill.repeated(missing - left)
    }
  }
}
