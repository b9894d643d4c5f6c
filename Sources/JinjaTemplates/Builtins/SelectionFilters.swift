/// Filters that take the elements of a list one by one, when they are asked for.
enum SelectionFilters {
  /// The result; `nil` if the filter is of another kind.
  static func apply(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value?
  {
    switch name {
    case "map": return try map(value, arguments, interpreter)
    case "select", "reject", "selectattr", "rejectattr":
      return try select(name, value, arguments, interpreter)
    case "unique": return try unique(value, arguments, interpreter)
    default: return nil
    }
  }

  /// A generator over `value` that is set up when the first element is asked for.
  private static func generator(
    _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter,
    _ setUp: @escaping () throws -> (Value) throws -> Value?
  ) throws -> Value {
    var source: ValueIterator?
    var step: ((Value) throws -> Value?)?
    let depth = max(value.depth, arguments.depth)
    return .iterator(
      try ValueIterator(depth: depth) { [unowned interpreter] in
        if step == nil {
          guard value.isTrue else { return nil }
          step = try setUp()
          source = try interpreter.iterator(over: value)
        }
        while let item = try source?.next() {
          try interpreter.charge()
          if let result = try interpreter.deeper({ try step?(item) }) { return result }
        }
        return nil
      })
  }

  private static func map(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Value
  {
    try generator(value, arguments, interpreter) { [unowned interpreter] in
      if arguments.positional.isEmpty,
        let attribute = arguments.keywords.first(where: { $0.name == "attribute" })
      {
        let bound = try arguments.bind(["attribute", "default"], "map")
        let path = try AttributePath(attribute.value) ?? AttributePath([])
        var preset = bound[1]
        if let given = preset, case .none = given { preset = nil }
        return { try path.value(of: $0, interpreter, preset: preset) }
      }
      guard let first = arguments.positional.first else {
        throw TemplateError(.type, "map requires a filter argument")
      }
      let name = try StringMethods.string(first).string
      var rest = Arguments(Array(arguments.positional.dropFirst()))
      rest.keywords = arguments.keywords
      let values = rest
      return { item in
        guard Filters.isKnown(name) else { throw Filters.unknown(name, line: interpreter.line) }
        return try Filters.apply(name, item, values, interpreter)
      }
    }
  }

  private static func select(
    _ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Value {
    let isWanted = name.hasPrefix("select")
    return try generator(value, arguments, interpreter) { [unowned interpreter] in
      var rest = arguments.positional[...]
      var path = AttributePath([])
      if name.hasSuffix("attr") {
        guard let attribute = rest.popFirst() else {
          throw TemplateError(.type, "Missing parameter for attribute name")
        }
        path = try AttributePath(attribute) ?? path
      }
      let test = try rest.popFirst().map { try StringMethods.string($0).string }
      var values = Arguments(Array(rest))
      values.keywords = arguments.keywords
      let fixed = (path: path, values: values)
      return { item in
        let subject = try fixed.path.value(of: item, interpreter)
        let result = try test.map { try Tests.run($0, subject, fixed.values, interpreter) } ?? subject.isTrue
        return result == isWanted ? item : nil
      }
    }
  }

  private static func unique(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    let bound = try arguments.bind(["case_sensitive", "attribute"], "unique")
    let path = try AttributePath(bound[1]) ?? AttributePath([])
    let keepsCase = bound[0]?.isTrue ?? false
    let source = try interpreter.iterator(over: value)
    var seen: Set<HashableValue> = []
    return .iterator(
      try ValueIterator(depth: source.depth) { [unowned interpreter] in
        while let item = try source.next() {
          try interpreter.charge()
          let key = SequenceFilters.ignoringCase(try path.value(of: item, interpreter), unless: keepsCase)
          if seen.insert(try HashableValue(key)).inserted { return item }
        }
        return nil
      })
  }
}

/// An attribute of an attribute, as filters name it: `function.name`.
struct AttributePath {
  private let parts: [Value]

  init(_ parts: [Value]) { self.parts = parts }

  /// `nil` if there is no path.
  init?(_ value: Value?) throws {
    switch value {
    case nil, .some(.none): return nil
    case .string(let text)?:
      parts = text.split(by: ".", limit: -1).map { part in
        part.consists(of: \.isPythonDecimal)
          ? Int(part.string).map { .int($0) } ?? .string(part) : .string(part)
      }
    case let value?: parts = [value]
    }
  }

  /// The paths of a list with commas.
  static func several(_ value: Value?) throws -> [AttributePath] {
    if case .string(let text)? = value {
      return try text.split(by: ",", limit: -1).compactMap { try AttributePath(.string($0)) }
    }
    return [try AttributePath(value) ?? AttributePath([])]
  }

  func value(of item: Value, _ interpreter: Interpreter, preset: Value? = nil) throws -> Value {
    var value = item
    for part in parts {
      value = try interpreter.item(part, of: value)
      if let preset, value.isUndefined { value = preset }
    }
    return value
  }
}
