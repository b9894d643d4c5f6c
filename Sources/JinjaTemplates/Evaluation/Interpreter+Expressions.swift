/// Expressions.
extension Interpreter {
  func evaluate(_ expression: Expression, _ scope: Scope) throws -> Value {
    try charge()
    switch expression.kind {
    case .constant(let constant):
      return switch constant {
      case .none: .none
      case .bool(let flag): .bool(flag)
      case .integer(let number): .int(number)
      case .float(let number): .float(number)
      case .text(let text): .string(text)
      }
    case .name(let name): return value(of: name, scope)
    default: return try deeper { try evaluateParts(expression, scope) }
    }
  }

  private func evaluateParts(_ expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.kind {
    case .constant, .name: return .none
    case .attribute(let value, let name): return try attribute(name, of: try evaluate(value, scope))
    case .item(let value, let item):
      let value = try evaluate(value, scope)
      return try self.item(try evaluate(item, scope), of: value)
    case .call(let callee, let arguments): return try evaluateCall(expression, callee, arguments, scope)
    case .filter(let value, let filter):
      let value = try evaluate(value, scope)
      let result = try apply(filter, to: value, scope)
      line = expression.line
      return result
    case .test(let value, let name, let arguments):
      let value = try evaluate(value, scope)
      return .bool(try Tests.run(name, value, try evaluate(arguments, scope), self))
    case .not(let value): return .bool(!(try evaluate(value, scope).isTrue))
    case .and(let parts): return try evaluateUntil(false, parts, scope)
    case .or(let parts): return try evaluateUntil(true, parts, scope)
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test, scope).isTrue { return try evaluate(then, scope) }
      guard let otherwise else {
        return .undefined("the inline if-expression evaluated to false and no else section was defined.")
      }
      return try evaluate(otherwise, scope)
    default: return try evaluateOperators(expression, scope)
    }
  }

  private func evaluateOperators(_ expression: Expression, _ scope: Scope) throws -> Value {
    switch expression.kind {
    case .tuple(let items): return .tuple(try Elements(items.map { try evaluate($0, scope) }))
    case .list(let items): return .list(try Elements(items.map { try evaluate($0, scope) }))
    case .dictionary(let items):
      var dictionary = Dictionary()
      for item in items {
        let key = try evaluate(item.key, scope)
        try dictionary.set(key, try evaluate(item.value, scope))
      }
      return .dictionary(dictionary)
    case .slice(let value, let start, let stop, let step):
      let value = try evaluate(value, scope)
      let bounds = try [start, stop, step].map { try $0.map { try evaluate($0, scope) } ?? .none }
      return try slice(value, bounds[0], bounds[1], bounds[2])
    case .negative(let value): return try Operators.negative(try evaluate(value, scope))
    case .positive(let value): return try Operators.positive(try evaluate(value, scope))
    case .arithmetic(let first, let rest):
      var result = try evaluate(first, scope)
      for (operation, operand) in rest {
        result = try Operators.apply(operation, result, try evaluate(operand, scope), self)
      }
      return result
    case .concatenation(let parts):
      var result = Text(utf8: [])
      let values = try parts.map { try evaluate($0, scope) }
      for value in values { result.append(try value.text()) }
      return try checked(result)
    case .comparison(let first, let rest):
      var left = try evaluate(first, scope)
      for (operation, operand) in rest {
        let right = try evaluate(operand, scope)
        guard try Operators.compare(operation, left, right, self) else { return .bool(false) }
        left = right
      }
      return .bool(true)
    default: return .none
    }
  }

  /// `and` and `or`: the first value that decides, or the last.
  private func evaluateUntil(_ decisive: Bool, _ parts: [Expression], _ scope: Scope) throws -> Value {
    var value = Value.none
    for part in parts {
      value = try evaluate(part, scope)
      if value.isTrue == decisive { break }
    }
    return value
  }

  private func evaluateCall(
    _ expression: Expression, _ callee: Expression, _ arguments: CallArguments, _ scope: Scope
  ) throws -> Value {
    let function = try evaluate(callee, scope)
    let values = try evaluate(arguments, scope)
    line = expression.line
    let result = try call(function, values)
    line = expression.line
    return result
  }

  func apply(_ filter: FilterCall, to value: Value, _ scope: Scope) throws -> Value {
    guard Filters.isKnown(filter.name) else { throw Filters.unknown(filter.name, line: line) }
    return try Filters.apply(filter.name, value, try evaluate(filter.arguments, scope), self)
  }

  func evaluate(_ arguments: CallArguments, _ scope: Scope) throws -> Arguments {
    var result = Arguments(try arguments.positional.map { try evaluate($0, scope) })
    for keyword in arguments.keywords {
      result.keywords.append((keyword.name, try evaluate(keyword.value, scope)))
    }
    if let list = arguments.list {
      let iterator = try iterator(over: try evaluate(list, scope))
      while let value = try iterator.next() {
        try charge()
        result.positional.append(value)
      }
    }
    if let more = arguments.dictionary {
      guard case .dictionary(let dictionary) = try evaluate(more, scope) else {
        throw TemplateError(.type, "argument after ** must be a mapping")
      }
      for (key, value) in zip(dictionary.keys, dictionary.values) {
        guard case .string(let name) = key else { throw TemplateError(.type, "keywords must be strings") }
        guard !result.keywords.contains(where: { $0.name == name.string }) else {
          throw TemplateError(.type, "multiple values for keyword argument '\(name.string)'")
        }
        result.keywords.append((name.string, value))
      }
    }
    return result
  }

  // MARK: iteration

  /// Goes through a value once.
  func iterator(over value: Value) throws -> ValueIterator {
    switch value {
    case .iterator(let iterator): return iterator
    case .list(let elements), .tuple(let elements): return try ValueIterator(elements.items)
    case .dictionary(let dictionary): return try ValueIterator(dictionary.keys)
    case .view(let view): return try ValueIterator(view.items)
    case .range(let range):
      try charge(range.count >> 3)
      return try ValueIterator(range.items)
    case .string(let text):
      try charge(text.utf8.count >> 2)
      return try ValueIterator(text.scalars.map { .string(Text([$0])) })
    case .undefined: return try ValueIterator([])
    case .unsafe: return try ValueIterator([])
    default: throw TemplateError(.type, "'\(value.typeName)' object is not iterable")
    }
  }

  /// All elements of a value.
  func items(of value: Value) throws -> [Value] {
    switch value {
    case .list(let elements), .tuple(let elements): return elements.items
    default:
      let iterator = try iterator(over: value)
      var result: [Value] = []
      while let item = try iterator.next() {
        try charge()
        result.append(item)
      }
      return result
    }
  }
}
