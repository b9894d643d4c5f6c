/// Expressions, by rank: the weakest operators first.
extension Parser {
  /// One expression, or several with commas between them as a tuple.
  mutating func tuple(
    conditionals: Bool = true, endsAt end: String? = nil, isInParentheses: Bool = false
  ) throws -> Expression {
    let line = line
    var items: [Expression] = []
    var isTuple = false
    while true {
      if !items.isEmpty { try expect(.comma) }
      if isTupleEnd(end) { break }
      items.append(try expression(conditionals: conditionals))
      guard isSymbol(.comma) else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = items.first { return only }
      guard isInParentheses else { throw unexpected("an expression") }
    }
    return try Expression(.tuple(items), line: line, parts: items)
  }

  mutating func expression(conditionals: Bool = true) throws -> Expression {
    try nested { conditionals ? try $0.conditionalExpression() : try $0.orExpression() }
  }

  private mutating func conditionalExpression() throws -> Expression {
    let line = line
    let known = unknown.count
    let value = try orExpression()
    guard isName("if") else { return value }
    // All parts of a conditional expression are soft, the one before `if` too.
    unknown.removeSubrange(known...)
    let saved = isSoft
    isSoft = true
    defer { isSoft = saved }
    return try conditionals(value, line)
  }

  private mutating func conditionals(_ first: Expression, _ line: Int) throws -> Expression {
    var value = first
    while skipName("if") {
      let test = try orExpression()
      let otherwise = skipName("else") ? try nested { try $0.conditionalExpression() } : nil
      value = try Expression(
        .conditional(test: test, then: value, otherwise: otherwise), line: line,
        parts: [test, value] + [otherwise].compactMap(\.self))
    }
    return value
  }

  private mutating func orExpression() throws -> Expression {
    let line = line
    var parts = [try andExpression()]
    while skipName("or") { parts.append(try andExpression()) }
    return parts.count == 1 ? parts[0] : try Expression(.or(parts), line: line, parts: parts)
  }

  private mutating func andExpression() throws -> Expression {
    let line = line
    var parts = [try notExpression()]
    while skipName("and") { parts.append(try notExpression()) }
    return parts.count == 1 ? parts[0] : try Expression(.and(parts), line: line, parts: parts)
  }

  private mutating func notExpression() throws -> Expression {
    let line = line
    guard skipName("not") else { return try comparison() }
    let part = try nested { try $0.notExpression() }
    return try Expression(.not(part), line: line, parts: [part])
  }

  private mutating func comparison() throws -> Expression {
    let line = line
    let first = try sum()
    var rest: [(operation: Expression.Comparison, operand: Expression)] = []
    while let operation = comparisonOperator() { rest.append((operation, try sum())) }
    if rest.isEmpty { return first }
    return try Expression(.comparison(first, rest), line: line, parts: [first] + rest.map(\.operand))
  }

  private mutating func comparisonOperator() -> Expression.Comparison? {
    let operation: Expression.Comparison
    switch current.kind {
    case .symbol(.equal): operation = .equal
    case .symbol(.notEqual): operation = .notEqual
    case .symbol(.less): operation = .less
    case .symbol(.lessOrEqual): operation = .lessOrEqual
    case .symbol(.greater): operation = .greater
    case .symbol(.greaterOrEqual): operation = .greaterOrEqual
    case .name("in"): operation = .isIn
    case .name("not") where following.kind == .name("in"):
      advance()
      operation = .isNotIn
    default: return nil
    }
    advance()
    return operation
  }

  /// Operands with operators of one rank between them.
  private mutating func chain(
    _ operators: [Token.Symbol: Expression.Arithmetic], _ operand: (inout Parser) throws -> Expression
  ) throws -> Expression {
    let line = line
    let first = try operand(&self)
    var rest: [(operation: Expression.Arithmetic, operand: Expression)] = []
    while case .symbol(let symbol) = current.kind, let operation = operators[symbol] {
      advance()
      rest.append((operation, try operand(&self)))
    }
    if rest.isEmpty { return first }
    return try Expression(.arithmetic(first, rest), line: line, parts: [first] + rest.map(\.operand))
  }

  private mutating func sum() throws -> Expression {
    try chain([.plus: .add, .minus: .subtract]) { try $0.concatenation() }
  }

  private mutating func concatenation() throws -> Expression {
    let line = line
    var parts = [try product()]
    while skip(.tilde) { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : try Expression(.concatenation(parts), line: line, parts: parts)
  }

  private mutating func product() throws -> Expression {
    try chain([.times: .multiply, .divide: .divide, .floorDivide: .floorDivide, .modulo: .modulo]) {
      try $0.chain([.power: .power]) { try $0.unary() }
    }
  }

  private mutating func unary(withFilters: Bool = true) throws -> Expression {
    let line = line
    var value: Expression
    if isSymbol(.minus) || isSymbol(.plus) {
      let isNegative = isSymbol(.minus)
      advance()
      let part = try nested { try $0.unary(withFilters: false) }
      value = try Expression(isNegative ? .negative(part) : .positive(part), line: line, parts: [part])
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return withFilters ? try filterExpression(value) : value
  }

  mutating func primary() throws -> Expression {
    let token = current
    func constant(_ value: Expression.Constant) throws -> Expression {
      try Expression(.constant(value), line: token.line)
    }
    switch token.kind {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return try constant(.bool(true))
      case "false", "False": return try constant(.bool(false))
      case "none", "None": return try constant(.none)
      default: return try Expression(.name(read(name)), line: token.line)
      }
    case .string(let first):
      advance()
      var text = first
      while case .string(let more) = current.kind {
        text.append(more)
        advance()
      }
      return try constant(.text(text))
    case .integer(let value):
      advance()
      return try constant(.integer(value))
    case .float(let value):
      advance()
      return try constant(.float(value))
    case .symbol(.leftParenthesis):
      advance()
      let value = try tuple(isInParentheses: true)
      try expect(.rightParenthesis)
      return value
    case .symbol(.leftBracket): return try list()
    case .symbol(.leftBrace): return try dictionary()
    default: throw unexpected("an expression")
    }
  }

  private mutating func list() throws -> Expression {
    let line = line
    try expect(.leftBracket)
    var items: [Expression] = []
    while !isSymbol(.rightBracket) {
      if !items.isEmpty { try expect(.comma) }
      if isSymbol(.rightBracket) { break }
      items.append(try expression())
    }
    try expect(.rightBracket)
    return try Expression(.list(items), line: line, parts: items)
  }

  private mutating func dictionary() throws -> Expression {
    let line = line
    try expect(.leftBrace)
    var items: [(key: Expression, value: Expression)] = []
    while !isSymbol(.rightBrace) {
      if !items.isEmpty { try expect(.comma) }
      if isSymbol(.rightBrace) { break }
      let key = try expression()
      try expect(.colon)
      items.append((key, try expression()))
    }
    try expect(.rightBrace)
    return try Expression(.dictionary(items), line: line, parts: items.flatMap { [$0.key, $0.value] })
  }
}
