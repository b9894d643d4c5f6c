internal import Foundation

/// Python's operators.
enum Operators {
  static func tooLarge() -> TemplateError {
    TemplateError(.notSupported, "a whole number of more than 64 bits")
  }

  private static func checked(_ result: (partialValue: Int, overflow: Bool)) throws -> Value {
    guard !result.overflow else { throw tooLarge() }
    return .int(result.partialValue)
  }

  static func negative(_ value: Value) throws -> Value {
    try value.requireDefined()
    if let number = value.integer { return try checked(Int.zero.subtractingReportingOverflow(number)) }
    if case .float(let number) = value { return .float(-number) }
    throw TemplateError(.type, "bad operand type for unary -: '\(value.typeName)'")
  }

  static func positive(_ value: Value) throws -> Value {
    try value.requireDefined()
    if let number = value.integer { return .int(number) }
    if case .float = value { return value }
    throw TemplateError(.type, "bad operand type for unary +: '\(value.typeName)'")
  }

  static func apply(
    _ operation: Expression.Arithmetic, _ a: Value, _ b: Value, _ interpreter: Interpreter
  ) throws -> Value {
    if case .string(let format) = a, operation == .modulo {
      return try interpreter.checked(try PercentFormat.text(format, b, interpreter))
    }
    try a.requireDefined()
    try b.requireDefined()
    switch (operation, a, b) {
    case (.add, .string(let a), .string(let b)):
      try interpreter.requireRoom(for: a.utf8.count + b.utf8.count)
      if a.isMarkup || b.isMarkup { return try interpreter.checked((a.escaped + b.escaped).marked(true)) }
      return try interpreter.checked(a + b)
    case (.add, .list(let a), .list(let b)):
      try interpreter.charge(a.count + b.count)
      return .list(try Elements(a.items + b.items))
    case (.add, .tuple(let a), .tuple(let b)):
      try interpreter.charge(a.count + b.count)
      return .tuple(try Elements(a.items + b.items))
    case (.multiply, .string, _), (.multiply, .list, _), (.multiply, .tuple, _):
      if let count = b.integer { return try repeated(a, count, interpreter) }
    case (.multiply, _, .string), (.multiply, _, .list), (.multiply, _, .tuple):
      if let count = a.integer { return try repeated(b, count, interpreter) }
    default: break
    }
    if let a = a.integer, let b = b.integer { return try whole(operation, a, b) }
    if let a = a.double, let b = b.double { return try floating(operation, a, b) }
    throw TemplateError(
      .type, "unsupported operand type(s) for \(operation.rawValue): '\(a.typeName)' and '\(b.typeName)'")
  }

  private static func repeated(_ value: Value, _ count: Int, _ interpreter: Interpreter) throws -> Value {
    switch value {
    case .string(let text):
      try interpreter.requireRoom(for: text.utf8.count, times: count)
      return .string(text.repeated(count).marked(text.isMarkup))
    case .list(let elements): return .list(try repeated(elements, count, interpreter))
    case .tuple(let elements): return .tuple(try repeated(elements, count, interpreter))
    default: return .none
    }
  }

  private static func repeated(_ elements: Elements, _ count: Int, _ interpreter: Interpreter) throws
    -> Elements
  {
    try interpreter.requireRoom(for: elements.count * 64, times: count)
    return try Elements(Array(repeatElement(elements.items, count: max(count, 0)).joined()))
  }

  private static func whole(_ operation: Expression.Arithmetic, _ a: Int, _ b: Int) throws -> Value {
    switch operation {
    case .add: return try checked(a.addingReportingOverflow(b))
    case .subtract: return try checked(a.subtractingReportingOverflow(b))
    case .multiply: return try checked(a.multipliedReportingOverflow(by: b))
    case .divide:
      guard b != 0 else { throw TemplateError(.value, "division by zero") }
      return .float(Double(a) / Double(b))
    case .floorDivide, .modulo:
      guard b != 0 else { throw TemplateError(.value, "integer division or modulo by zero") }
      if b == -1 { return operation == .modulo ? .int(0) : try negative(.int(a)) }
      var (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
      if remainder != 0, (remainder < 0) != (b < 0) {
        quotient -= 1
        remainder += b
      }
      return .int(operation == .modulo ? remainder : quotient)
    case .power:
      if b < 0 { return try floating(.power, Double(a), Double(b)) }
      var result = 1
      for _ in 0..<min(b, 64) {
        let (product, overflow) = result.multipliedReportingOverflow(by: a)
        guard !overflow else { throw tooLarge() }
        result = product
      }
      if b > 64 {
        // Larger powers fit for these bases alone.
        guard (-1...1).contains(a) else { throw tooLarge() }
        return .int(a == -1 && b % 2 == 1 ? -1 : a == 0 ? 0 : 1)
      }
      return .int(result)
    }
  }

  private static func floating(_ operation: Expression.Arithmetic, _ a: Double, _ b: Double) throws -> Value {
    switch operation {
    case .add: return .float(a + b)
    case .subtract: return .float(a - b)
    case .multiply: return .float(a * b)
    case .divide:
      guard b != 0 else { throw TemplateError(.value, "float division by zero") }
      return .float(a / b)
    case .floorDivide, .modulo:
      guard b != 0 else { throw TemplateError(.value, "float floor division by zero") }
      var remainder = a.truncatingRemainder(dividingBy: b)
      var quotient = (a - remainder) / b
      if remainder == 0 {
        remainder = b < 0 ? -0.0 : 0.0
      } else if (remainder < 0) != (b < 0) {
        remainder += b
        quotient -= 1
      }
      var floor = quotient.rounded(.down)
      if quotient - floor > 0.5 { floor += 1 }
      return .float(operation == .modulo ? remainder : floor)
    case .power:
      if a == 0, b < 0 { throw TemplateError(.value, "0.0 cannot be raised to a negative power") }
      if a < 0, b != b.rounded() { throw TemplateError(.notSupported, "a complex number") }
      let result = pow(a, b)
      guard result.isFinite || !a.isFinite || !b.isFinite else {
        throw TemplateError(.value, "the result of ** is too large")
      }
      return .float(result)
    }
  }

  // MARK: comparisons

  static func compare(
    _ operation: Expression.Comparison, _ a: Value, _ b: Value, _ interpreter: Interpreter
  ) throws -> Bool {
    switch operation {
    case .equal:
      try interpreter.charge(comparing: a)
      return Value.equal(a, b)
    case .notEqual:
      try interpreter.charge(comparing: a)
      return !Value.equal(a, b)
    case .less: return try Value.less(a, b)
    case .greater: return try Value.less(b, a, sign: ">")
    case .lessOrEqual: return try lessOrEqual(a, b, "<=")
    case .greaterOrEqual: return try lessOrEqual(b, a, ">=")
    case .isIn: return try contains(b, a, interpreter)
    case .isNotIn: return !(try contains(b, a, interpreter))
    }
  }

  private static func lessOrEqual(_ a: Value, _ b: Value, _ sign: String) throws -> Bool {
    // Not "not greater": NaN is neither.
    if try Value.less(a, b, sign: sign) { return true }
    return Value.equal(a, b)
  }

  /// Python's `in`.
  static func contains(_ container: Value, _ value: Value, _ interpreter: Interpreter) throws -> Bool {
    switch container {
    case .string(let text):
      guard case .string(let part) = value else {
        throw TemplateError(
          .type, "'in <string>' requires string as left operand, not \(value.typeName)")
      }
      try interpreter.charge(text: text)
      return text.contains(part)
    case .dictionary(let dictionary): return try dictionary.get(value) != nil
    case .view(let view) where view.kind == .keys: return try view.dictionary.get(value) != nil
    case .none, .bool, .int, .float, .namespace, .function, .method, .macro, .cycler, .joiner:
      throw TemplateError(.type, "argument of type '\(container.typeName)' is not iterable")
    default:
      let iterator = try interpreter.iterator(over: container)
      while let item = try iterator.next() {
        try interpreter.charge()
        if Value.equal(item, value) { return true }
      }
      return false
    }
  }
}

extension Interpreter {
  /// Counts the work of comparing with a value.
  func charge(comparing value: Value) throws {
    switch value {
    case .string(let text): try charge(text: text)
    case .list, .tuple, .dictionary, .view: try charge(try value.size(limit: 100_000))
    default: break
    }
  }
}

extension Value {
  /// About how many values this one is made of.
  func size(limit: Int) throws -> Int {
    var count = 1
    var open = [self]
    while let value = open.popLast() {
      switch value {
      case .list(let elements), .tuple(let elements):
        count += elements.count
        open += elements.items.filter { $0.depth > 0 }
      case .dictionary(let dictionary):
        count += dictionary.count
        open += dictionary.values.filter { $0.depth > 0 }
      case .view(let view): open.append(.dictionary(view.dictionary))
      default: break
      }
      guard count <= limit else {
        throw TemplateError(.limit, "a comparison of lists of more than \(limit) values")
      }
    }
    return count
  }
}
