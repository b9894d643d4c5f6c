/// What can stand behind `is`.
enum Tests {
  private static let names: Set<String> = [
    "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false",
    "true",
    "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable",
    "sameas", "escaped", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<",
    "lt",
    "lessthan", "<=", "le",
  ]

  static func isKnown(_ name: String) -> Bool { names.contains(name) }

  static func unknown(_ name: String, line: Int) -> TemplateError {
    TemplateError(.syntax, "the test \"is \(name)\", which does not exist", line: line)
  }

  static func run(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Bool
  {
    if let operation = comparison(name) {
      let other = try arguments.bind(["other"], required: 1, name)[0] ?? .none
      return try Operators.compare(operation, value, other, interpreter)
    }
    switch name {
    case "divisibleby", "sameas":
      let other = try arguments.bind([name == "sameas" ? "other" : "num"], required: 1, name)[0] ?? .none
      if name == "sameas" { return try isSame(value, other) }
      return try remainder(value, other, interpreter)
    default:
      _ = try arguments.bind([], name)
      return try run(name, value, interpreter)
    }
  }

  private static func comparison(_ name: String) -> Expression.Comparison? {
    switch name {
    case "in": .isIn
    case "==", "eq", "equalto": .equal
    case "!=", "ne": .notEqual
    case ">", "gt", "greaterthan": .greater
    case ">=", "ge": .greaterOrEqual
    case "<", "lt", "lessthan": .less
    case "<=", "le": .lessOrEqual
    default: nil
    }
  }

  /// Whether the remainder of a division is zero.
  private static func remainder(_ value: Value, _ divisor: Value, _ interpreter: Interpreter) throws -> Bool {
    Value.equal(try Operators.apply(.modulo, value, divisor, interpreter), .int(0))
  }

  private static func run(_ name: String, _ value: Value, _ interpreter: Interpreter) throws -> Bool {
    switch (name, value) {
    case ("defined", _): return !value.isUndefined
    case ("undefined", _): return value.isUndefined
    case ("none", .none): return true
    case ("boolean", .bool): return true
    case ("true", .bool(let flag)): return flag
    case ("false", .bool(let flag)): return !flag
    case ("integer", .int): return true
    case ("float", .float): return true
    case ("number", .int), ("number", .float), ("number", .bool): return true
    case ("string", .string): return true
    case ("mapping", .dictionary): return true
    case ("escaped", .string(let text)): return text.isMarkup
    case ("none", _), ("boolean", _), ("true", _), ("false", _), ("integer", _), ("float", _), ("number", _),
      ("string", _), ("mapping", _), ("escaped", _):
      return false
    case ("odd", _): return Value.equal(try Operators.apply(.modulo, value, .int(2), interpreter), .int(1))
    case ("even", _): return try remainder(value, .int(2), interpreter)
    case ("lower", _): return try value.text().isLower
    case ("upper", _): return try value.text().isUpper
    case ("filter", .string(let text)): return Filters.isKnown(text.string)
    case ("test", .string(let text)): return isKnown(text.string)
    case ("filter", _), ("test", _): return false
    case ("sequence", _): return isSequence(value)
    case ("iterable", _): return isIterable(value)
    case ("callable", _): return isCallable(value)
    default: throw unknown(name, line: interpreter.line)
    }
  }

  /// Whether the value has a length and items by number or key; undefined values seem to.
  private static func isSequence(_ value: Value) -> Bool {
    switch value {
    case .string, .list, .tuple, .dictionary, .range, .undefined, .unsafe: true
    default: false
    }
  }

  private static func isIterable(_ value: Value) -> Bool {
    switch value {
    case .string, .list, .tuple, .dictionary, .range, .view, .iterator, .undefined, .unsafe, .loop: true
    default: false
    }
  }

  private static func isCallable(_ value: Value) -> Bool {
    switch value {
    case .function, .method, .macro, .loop, .joiner, .undefined, .unsafe: true
    default: false
    }
  }

  private static func isSame(_ a: Value, _ b: Value) throws -> Bool {
    switch (a, b) {
    case (.none, .none): return true
    case (.bool(let a), .bool(let b)): return a == b
    case (.namespace(let a), .namespace(let b)): return a === b
    case (.none, _), (.bool, _), (_, .none), (_, .bool), (.namespace, _), (_, .namespace): return false
    default:
      // Whether two equal values are one object is a matter of Python's memory.
      throw TemplateError(.notSupported, "the test \"is sameas\" between objects of the kind \(a.typeName)")
    }
  }
}
