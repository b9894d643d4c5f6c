/// Filters that take lists and the like as a whole.
enum SequenceFilters {
  /// The result; `nil` if the filter is of another kind.
  static func apply(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value?
  {
    switch name {
    case "length", "count", "first", "last", "list", "reverse", "items":
      _ = try arguments.bind([], name)
      return try simple(name, value, interpreter)
    case "dictsort": return try sortedPairs(value, arguments, interpreter)
    case "sort":
      let bound = try arguments.bind(["reverse", "case_sensitive", "attribute"], name)
      let paths = try AttributePath.several(bound[2])
      let keepsCase = bound[1]?.isTrue ?? false
      let keyed = try interpreter.items(of: value).map { item in
        (
          item: item,
          key: Value.list(
            try Elements(paths.map { ignoringCase(try $0.value(of: item, interpreter), unless: keepsCase) }))
        )
      }
      return .list(try Elements(try sorted(keyed, bound[0], interpreter)))
    case "min", "max": return try extreme(name, value, arguments, interpreter)
    case "groupby": return try groups(value, arguments, interpreter)
    case "batch", "slice": return try pieces(name, value, arguments, interpreter)
    default: return nil
    }
  }

  private static func simple(_ name: String, _ value: Value, _ interpreter: Interpreter) throws -> Value {
    switch name {
    case "length", "count":
      if case .string(let text) = value { try interpreter.charge(text: text) }
      if let count = value.knownCount { return .int(count) }
      if case .loop(let loop) = value { return .int(try loop.count()) }
      throw TemplateError(.type, "object of type '\(value.typeName)' has no len()")
    case "first":
      return try interpreter.iterator(over: value).next() ?? .undefined("No first item, sequence was empty.")
    case "last":
      return try backwards(value, interpreter).first ?? .undefined("No last item, sequence was empty.")
    case "list": return .list(try Elements(try interpreter.items(of: value)))
    case "items":
      if value.isUndefined { return .iterator(try ValueIterator([])) }
      guard case .dictionary(let dictionary) = value else {
        throw TemplateError(.type, "Can only get item pairs from a mapping.")
      }
      return .iterator(try ValueIterator(dictionary.pairs))
    default:
      if case .string(let text) = value {
        return .string(Text(text.scalars.reversed()).marked(text.isMarkup))
      }
      if case .iterator = value {
        return .list(try Elements(try interpreter.items(of: value).reversed()))
      }
      if value.isUndefined { return .list(try Elements([])) }
      return .iterator(try ValueIterator(try backwards(value, interpreter)))
    }
  }

  /// The elements from the last to the first, of what Python's `reversed` takes.
  private static func backwards(_ value: Value, _ interpreter: Interpreter) throws -> [Value] {
    switch value {
    case .iterator: throw TemplateError(.type, "'generator' object is not reversible")
    default: return try interpreter.items(of: value).reversed()
    }
  }

  static func ignoringCase(_ value: Value, unless keepsCase: Bool = false) -> Value {
    if case .string(let text) = value, !keepsCase { return .string(text.lowercased) }
    return value
  }

  private static func sorted(
    _ keyed: [(item: Value, key: Value)], _ reverse: Value?, _ interpreter: Interpreter
  ) throws -> [Value] {
    let isReversed = reverse?.isTrue ?? false
    let result = try keyed.pythonSorted { a, b in
      try interpreter.charge()
      // Equal elements keep their order in both directions.
      return isReversed ? try Value.less(b.key, a.key) : try Value.less(a.key, b.key)
    }
    return result.map(\.item)
  }

  private static func sortedPairs(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    let bound = try arguments.bind(["case_sensitive", "by", "reverse"], "dictsort")
    let by = try (bound[1] ?? .text("key")).text()
    guard by == "key" || by == "value" else {
      throw TemplateError(.value, "You can only sort by either \"key\" or \"value\"")
    }
    try value.requireDefined()
    guard case .dictionary(let dictionary) = value else {
      throw TemplateError(.type, "'\(value.typeName)' object has no attribute 'items'")
    }
    let keys = by == "key" ? dictionary.keys : dictionary.values
    let keepsCase = bound[0]?.isTrue ?? false
    let keyed = zip(dictionary.pairs, keys).map { (item: $0, key: ignoringCase($1, unless: keepsCase)) }
    return .list(try Elements(try sorted(keyed, bound[2], interpreter)))
  }

  private static func extreme(
    _ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    let bound = try arguments.bind(["case_sensitive", "attribute"], name)
    let path = try AttributePath(bound[1])
    let keepsCase = bound[0]?.isTrue ?? false
    var best: (item: Value, key: Value)?
    for item in try interpreter.items(of: value) {
      try interpreter.charge()
      let key = ignoringCase(try path?.value(of: item, interpreter) ?? item, unless: keepsCase)
      guard let old = best else {
        best = (item, key)
        continue
      }
      let isBetter =
        name == "min" ? try Value.less(key, old.key) : try Value.less(old.key, key, sign: ">")
      if isBetter { best = (item, key) }
    }
    return best?.item ?? .undefined("No aggregated item, sequence was empty.")
  }

  private static func groups(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    let bound = try arguments.bind(["attribute", "default", "case_sensitive"], required: 1, "groupby")
    let path = try AttributePath(bound[0]) ?? AttributePath([])
    let keepsCase = bound[2]?.isTrue ?? false
    let keyed = try interpreter.items(of: value).map { item in
      (
        item: item,
        key: ignoringCase(try path.value(of: item, interpreter, preset: bound[1]), unless: keepsCase)
      )
    }
    var result: [(key: Value, first: Value, items: [Value])] = []
    let order = try keyed.pythonSorted { a, b in
      try interpreter.charge()
      return try Value.less(a.key, b.key)
    }
    for (item, key) in order {
      if let last = result.last, Value.equal(last.key, key) {
        result[result.count - 1].items.append(item)
      } else {
        result.append((key, item, [item]))
      }
    }
    return .list(
      try Elements(
        result.map { group in
          let name = try path.value(of: group.first, interpreter, preset: bound[1])
          return .tuple(try Elements([keepsCase ? group.key : name, .list(try Elements(group.items))]))
        }))
  }

  private static func pieces(
    _ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    let parameter = name == "batch" ? "linecount" : "slices"
    let bound = try arguments.bind([parameter, "fill_with"], required: 1, name)
    guard let size = bound[0]?.integer else { throw TemplateError(.type, "\(name)() wants a number") }
    var fill: Value?
    if let given = bound[1], case .none = given {} else { fill = bound[1] }
    let items = try interpreter.items(of: value)
    var result: [[Value]] = []
    if name == "batch" {
      var piece: [Value] = []
      for item in items {
        if piece.count == size {
          result.append(piece)
          piece = []
        }
        piece.append(item)
      }
      if !piece.isEmpty {
        if let fill, piece.count < size {
          try interpreter.requireRoom(for: 64, times: size)
          piece += Array(repeating: fill, count: size - piece.count)
        }
        result.append(piece)
      }
    } else {
      guard size != 0 else { throw TemplateError(.value, "integer division or modulo by zero") }
      try interpreter.requireRoom(for: 64, times: size)
      var start = 0
      for number in 0..<max(size, 0) {
        let isLong = number < items.count % size
        let end = start + items.count / size + (isLong ? 1 : 0)
        result.append(Array(items[start..<end]) + (isLong ? [] : [fill].compactMap(\.self)))
        start = end
      }
    }
    return .iterator(try ValueIterator(result.map { .list(try Elements($0)) }))
  }
}
