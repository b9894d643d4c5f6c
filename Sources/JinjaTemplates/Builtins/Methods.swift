/// Methods of Python's types.
enum Methods {
  private static let strings: Set<String> = [
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format",
    "format_map",
    "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
    "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "maketrans",
    "partition",
    "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
    "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
  ]
  private static let dictionaries: Set<String> = ["copy", "fromkeys", "get", "items", "keys", "values"]
  private static let lists: Set<String> = ["copy", "count", "index"]
  private static let tuples: Set<String> = ["count", "index"]
  private static let integers: Set<String> = [
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes",
  ]
  private static let floats: Set<String> = ["as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer"]
  private static let listChanges: Set<String> = [
    "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
  ]
  private static let dictionaryChanges: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]
  private static let cyclers: Set<String> = ["next", "reset"]

  /// The names of the methods that a value has and a template may call.
  static func names(_ value: Value) -> Set<String> {
    switch value {
    case .string: strings
    case .dictionary: dictionaries
    case .list: lists
    case .tuple, .range: tuples
    case .int, .bool: integers
    case .float: floats
    case .cycler: cyclers
    default: []
    }
  }

  /// The names of the methods that change a value, which the sandbox hides.
  static func changing(_ value: Value) -> Set<String> {
    switch value {
    case .dictionary: dictionaryChanges
    case .list: listChanges
    default: []
    }
  }

  static func call(_ method: Method, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Value {
    guard let receiver = method.receiver.first else { return .none }
    switch receiver {
    case .string(let text):
      try interpreter.charge(text: text)
      return try StringMethods.call(method.name, text, arguments, interpreter)
    case .dictionary(let dictionary): return try call(method.name, dictionary, arguments, interpreter)
    case .list(let elements), .tuple(let elements):
      if method.name == "copy" {
        _ = try arguments.positionalOnly(0...0, "copy")
        return receiver
      }
      return try call(method.name, elements.items, arguments, interpreter)
    case .range(let range): return try call(method.name, range.items, arguments, interpreter)
    case .float(let number) where method.name == "is_integer":
      _ = try arguments.positionalOnly(0...0, "is_integer")
      return .bool(number.isFinite && number == number.rounded())
    case .loop(let loop): return try call(method.name, loop, arguments)
    case .cycler(let cycler):
      _ = try arguments.positionalOnly(0...0, method.name)
      if method.name == "reset" {
        cycler.position = 0
        return .none
      }
      defer { cycler.position = (cycler.position + 1) % cycler.items.count }
      return cycler.items.items[cycler.position]
    default: throw unsupported(method.name, receiver)
    }
  }

  static func unsupported(_ name: String, _ receiver: Value) -> TemplateError {
    TemplateError(.notSupported, "the method \(name) of a value of the kind \(receiver.typeName)")
  }

  private static func call(
    _ name: String, _ dictionary: Dictionary, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    switch name {
    case "get":
      let values = try arguments.positionalOnly(1...2, "get")
      return try dictionary.get(values[0]) ?? (values.count > 1 ? values[1] : .none)
    case "keys", "values", "items":
      _ = try arguments.positionalOnly(0...0, name)
      try interpreter.charge(dictionary.count >> 2)
      return .view(
        DictionaryView(kind: DictionaryView.Kind(rawValue: name) ?? .items, dictionary: dictionary))
    case "copy":
      _ = try arguments.positionalOnly(0...0, "copy")
      return .dictionary(dictionary)
    case "fromkeys": return try Functions.call(.dictFromKeys, arguments, interpreter)
    default: throw unsupported(name, .dictionary(dictionary))
    }
  }

  private static func call(
    _ name: String, _ items: [Value], _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    let values = try arguments.positionalOnly(1...(name == "index" ? 3 : 1), name)
    try interpreter.charge(items.count)
    if name == "count" { return .int(items.count { Value.equal($0, values[0]) }) }
    let bounds = try StringMethods.bounds(values.dropFirst(), count: items.count)
    for index in bounds where Value.equal(items[index], values[0]) { return .int(index) }
    throw TemplateError(.value, "\(try values[0].representation().string) is not in list")
  }

  private static func call(_ name: String, _ loop: LoopContext, _ arguments: Arguments) throws -> Value {
    guard arguments.keywords.isEmpty else {
      throw TemplateError(.type, "\(name)() takes no keyword arguments")
    }
    let values = arguments.positional
    if name == "cycle" {
      guard !values.isEmpty else { throw TemplateError(.type, "no items for cycling given") }
      return values[loop.index0 % values.count]
    }
    let isSame = loop.lastChanged.map {
      $0.count == values.count && zip($0, values).allSatisfy { Value.equal($0, $1) }
    }
    // What is remembered is held by the loop, which others may hold.
    _ = try Value.depth(above: values)
    guard values.allSatisfy({ $0.depth < 8 }) else {
      throw TemplateError(.notSupported, "loop.changed() with deeply nested lists")
    }
    if isSame == true { return .bool(false) }
    loop.lastChanged = values
    return .bool(true)
  }
}
