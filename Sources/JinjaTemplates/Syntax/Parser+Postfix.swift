/// What stands behind a value: attributes, items, calls, filters and tests.
extension Parser {
  mutating func postfix(_ first: Expression) throws -> Expression {
    var value = first
    while true {
      switch current.kind {
      case .symbol(.dot), .symbol(.leftBracket): value = try subscription(value)
      case .symbol(.leftParenthesis): value = try call(value)
      default: return value
      }
    }
  }

  mutating func filterExpression(_ first: Expression) throws -> Expression {
    var value = first
    while true {
      switch current.kind {
      case .symbol(.pipe):
        let line = line
        let filter = try filter()
        value = try Expression(
          .filter(value, filter), line: line, parts: [value] + filter.arguments.parts)
      case .name("is"): value = try test(value)
      case .symbol(.leftParenthesis): value = try call(value)
      default: return value
      }
    }
  }

  private mutating func subscription(_ value: Expression) throws -> Expression {
    let line = line
    if skip(.dot) {
      let token = advance()
      switch token.kind {
      case .name(let name): return try Expression(.attribute(value, name), line: line, parts: [value])
      case .integer(let index):
        let item = try Expression(.constant(.integer(index)), line: line)
        return try Expression(.item(value, item), line: line, parts: [value, item])
      default: throw TemplateError(.syntax, "\(token.text) where a name or number should stand", line: line)
      }
    }
    try expect(.leftBracket)
    var items: [Expression] = []
    var slice: Expression?
    while !isSymbol(.rightBracket) {
      if !items.isEmpty || slice != nil { try expect(.comma) }
      if let part = try sliceOrItem(value) {
        slice = part
      } else {
        items.append(try expression())
        if isSymbol(.colon) {
          slice = try self.slice(value, start: items.removeLast())
        }
      }
    }
    try expect(.rightBracket)
    if let slice {
      guard items.isEmpty else { throw TemplateError(.notSupported, "a slice with a comma", line: line) }
      return slice
    }
    let item =
      items.count == 1 ? items[0] : try Expression(.tuple(items), line: line, parts: items)
    return try Expression(.item(value, item), line: line, parts: [value, item])
  }

  /// A slice that begins with its colon.
  private mutating func sliceOrItem(_ value: Expression) throws -> Expression? {
    isSymbol(.colon) ? try slice(value, start: nil) : nil
  }

  private mutating func slice(_ value: Expression, start: Expression?) throws -> Expression {
    let line = line
    try expect(.colon)
    func isOpen(_ parser: Parser) -> Bool {
      !parser.isSymbol(.colon) && !parser.isSymbol(.rightBracket) && !parser.isSymbol(.comma)
    }
    let stop = isOpen(self) ? try expression() : nil
    var step: Expression?
    if skip(.colon), isOpen(self) { step = try expression() }
    return try Expression(
      .slice(value, start: start, stop: stop, step: step), line: line,
      parts: [value] + [start, stop, step].compactMap(\.self))
  }

  private mutating func call(_ value: Expression) throws -> Expression {
    let line = line
    let arguments = try callArguments()
    return try Expression(.call(value, arguments), line: line, parts: [value] + arguments.parts)
  }

  private mutating func callArguments() throws -> CallArguments {
    let line = line
    var result = CallArguments()
    func ensure(_ condition: Bool) throws {
      if !condition { throw TemplateError(.syntax, "arguments of a call in a wrong order", line: line) }
    }
    try expect(.leftParenthesis)
    var isFirst = true
    while !isSymbol(.rightParenthesis) {
      if !isFirst {
        try expect(.comma)
        if isSymbol(.rightParenthesis) { break }
      }
      isFirst = false
      if skip(.times) {
        try ensure(result.list == nil && result.dictionary == nil)
        result.list = try expression()
      } else if skip(.power) {
        try ensure(result.dictionary == nil)
        result.dictionary = try expression()
      } else if case .name(let name) = current.kind, following.kind == .symbol(.assign) {
        try ensure(result.dictionary == nil)
        guard !result.keywords.contains(where: { $0.name == name }) else {
          throw TemplateError(.syntax, "the argument \(name) twice", line: line)
        }
        advance()
        advance()
        result.keywords.append((name, try expression()))
      } else {
        try ensure(result.list == nil && result.dictionary == nil && result.keywords.isEmpty)
        result.positional.append(try expression())
      }
    }
    try expect(.rightParenthesis)
    return result
  }

  private mutating func dottedName() throws -> String {
    var name = try expectName()
    while skip(.dot) { name += "." + (try expectName()) }
    return name
  }

  private mutating func filter() throws -> FilterCall {
    try expect(.pipe)
    return try filterBehindPipe()
  }

  private mutating func filterBehindPipe() throws -> FilterCall {
    let line = line
    let name = try dottedName()
    if !isSoft, !Filters.isKnown(name) { unknown.append(Filters.unknown(name, line: line)) }
    let arguments = isSymbol(.leftParenthesis) ? try callArguments() : CallArguments()
    return FilterCall(name: name, arguments: arguments)
  }

  /// The filters of a block; `startsInside` for the tag `filter`, whose first filter has no pipe before it.
  mutating func filters(startsInside: Bool) throws -> [FilterCall] {
    var result: [FilterCall] = []
    if startsInside { result.append(try filterBehindPipe()) }
    while isSymbol(.pipe) { result.append(try filter()) }
    return result
  }

  private mutating func test(_ value: Expression) throws -> Expression {
    let line = line
    advance()
    let isNegated = skipName("not")
    let name = try dottedName()
    if !isSoft, !Tests.isKnown(name) { unknown.append(Tests.unknown(name, line: line)) }
    var arguments = CallArguments()
    switch current.kind {
    case .symbol(.leftParenthesis): arguments = try callArguments()
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"): throw TemplateError(.syntax, "two tests with \"is\" in a row", line: line)
    case .name, .string, .integer, .float, .symbol(.leftBracket), .symbol(.leftBrace):
      arguments.positional = [try postfix(try primary())]
    default: break
    }
    let test = try Expression(
      .test(value, name, arguments), line: line, parts: [value] + arguments.parts)
    return isNegated ? try Expression(.not(test), line: line, parts: [test]) : test
  }
}
