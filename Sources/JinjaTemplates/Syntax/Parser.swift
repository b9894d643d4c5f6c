/// Turns tokens into statements.
struct Parser {
  private let tokens: [Token]
  private var position = 0
  /// The names of variables, by number.
  private(set) var names: [String] = []
  private var numbers: [String: Int] = [:]
  /// The numbers of the names that are read, in the order in which they are met.
  private var reads: [Int] = []
  private(set) var bodyCount = 0
  /// Inside of a for loop, where `break` has a meaning.
  private var isInLoop = false
  /// Inside of a condition, where Jinja looks up filters and tests when they are used.
  var isSoft = false
  /// Filters and tests that do not exist, outside of conditions.
  var unknown: [TemplateError] = []
  /// How many constructs are open.
  private var nesting = 0

  static let nestingLimit = 200

  init(_ template: String) throws { tokens = try Lexer.tokens(of: template) }

  // MARK: tokens

  var current: Token { tokens[position] }
  var following: Token { tokens[min(position + 1, tokens.count - 1)] }
  var line: Int { current.line }

  @discardableResult mutating func advance() -> Token {
    defer { if position < tokens.count - 1 { position += 1 } }
    return tokens[position]
  }

  func isName(_ name: String) -> Bool { current.kind == .name(name) }
  func isSymbol(_ symbol: Token.Symbol) -> Bool { current.kind == .symbol(symbol) }

  mutating func skip(_ symbol: Token.Symbol) -> Bool {
    guard isSymbol(symbol) else { return false }
    advance()
    return true
  }

  mutating func skipName(_ name: String) -> Bool {
    guard isName(name) else { return false }
    advance()
    return true
  }

  mutating func expect(_ symbol: Token.Symbol) throws {
    guard skip(symbol) else { throw unexpected("\"\(symbol.rawValue)\"") }
  }

  mutating func expectName() throws -> String {
    guard case .name(let name) = current.kind else { throw unexpected("a name") }
    advance()
    return name
  }

  private mutating func expect(_ kind: Token.Kind) throws {
    guard current.kind == kind else { throw unexpected("\"\(Token(kind: kind, line: 0).text)\"") }
    advance()
  }

  func unexpected(_ wanted: String) -> TemplateError {
    TemplateError(.syntax, "\(current.text) where \(wanted) should stand", line: line)
  }

  mutating func number(of name: String) -> Int {
    if let number = numbers[name] { return number }
    numbers[name] = names.count
    names.append(name)
    return names.count - 1
  }

  mutating func read(_ name: String) -> Int {
    let number = number(of: name)
    reads.append(number)
    return number
  }

  mutating func nested<T>(_ body: (inout Parser) throws -> T) throws -> T {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingLimit else {
      throw TemplateError(.limit, "more than \(Self.nestingLimit) constructs inside each other", line: line)
    }
    return try body(&self)
  }

  // MARK: statements

  /// The whole template.
  mutating func template() throws -> Body {
    let statements = try statements(until: [])
    if let error = unknown.first { throw error }
    bodyCount += 1
    return Body(statements: statements, id: bodyCount - 1)
  }

  /// Statements up to one of the tags, whose name is the current token then.
  private mutating func statements(until ends: [String]) throws -> [Statement] {
    try nested { parser in
      var result: [Statement] = []
      while true {
        let token = parser.current
        switch token.kind {
        case .data(let text):
          parser.advance()
          result.append(.text(text))
        case .variableBegin:
          parser.advance()
          result.append(.output(try parser.tuple()))
          try parser.expect(.variableEnd)
        case .blockBegin:
          parser.advance()
          if case .name(let name) = parser.current.kind, ends.contains(name) { return result }
          result += try parser.statement(ends)
          try parser.expect(.blockEnd)
        default:
          guard ends.isEmpty else {
            throw TemplateError(
              .syntax,
              "the end of the template where {% \(ends.joined(separator: " %} or {% ")) %} should stand",
              line: token.line)
          }
          return result
        }
      }
    }
  }

  /// What follows a tag's last word: the end of the tag and a body.
  private mutating func block(until ends: [String]) throws -> [Statement] {
    _ = skip(.colon)
    try expect(.blockEnd)
    return try statements(until: ends)
  }

  /// A body with variables of its own; `name` is its end tag, which is taken.
  private mutating func body(until end: String, isLoop: Bool? = nil) throws -> Body {
    let (statements, _) = try bodyParts(until: [end], isLoop: isLoop)
    return statements
  }

  private mutating func bodyParts(until ends: [String], isLoop: Bool? = nil) throws -> (Body, end: String) {
    let saved = (isSoft, isInLoop)
    isSoft = false
    isInLoop = isLoop ?? isInLoop
    let statements = try block(until: ends)
    (isSoft, isInLoop) = saved
    bodyCount += 1
    return (Body(statements: statements, id: bodyCount - 1), try expectName())
  }

  private static let foreignTags: Set<String> = [
    "extends", "include", "import", "from", "block", "autoescape", "trans", "debug",
  ]

  private mutating func statement(_ ends: [String]) throws -> [Statement] {
    let line = line
    guard case .name(let name) = current.kind else { throw unexpected("the name of a tag") }
    advance()
    switch name {
    case "if": return [try conditional()]
    case "for": return [try loop()]
    case "set": return [try assignment()]
    case "macro": return [.macro(try macro())]
    case "call": return [try callBlock(line)]
    case "filter":
      let saved = isSoft
      isSoft = false
      let filters = try self.filters(startsInside: true)
      isSoft = saved
      return [.filterBlock(filters, try body(until: "endfilter"), line: line)]
    case "with": return [try with()]
    case "generation": return [.generation(try body(until: "endgeneration", isLoop: false))]
    case "print":
      var outputs: [Statement] = []
      while current.kind != .blockEnd {
        if !outputs.isEmpty { try expect(.comma) }
        outputs.append(.output(try expression()))
      }
      return outputs
    case "break", "continue":
      guard isInLoop else { throw TemplateError(.syntax, "{% \(name) %} outside of a loop", line: line) }
      return [name == "break" ? .stop : .proceed]
    case _ where Self.foreignTags.contains(name):
      throw TemplateError(.notSupported, "the tag {% \(name) %}", line: line)
    default:
      let hint = ends.isEmpty ? "" : ", where {% \(ends.joined(separator: " %} or {% ")) %} could stand"
      throw TemplateError(.syntax, "the unknown tag {% \(name) %}\(hint)", line: line)
    }
  }

  private mutating func conditional() throws -> Statement {
    let saved = isSoft
    isSoft = true
    defer { isSoft = saved }
    var branches: [Statement.Branch] = []
    while true {
      let test = try tuple(conditionals: false)
      let statements = try block(until: ["elif", "else", "endif"])
      branches.append(Statement.Branch(test: test, statements: statements))
      switch try expectName() {
      case "elif": continue
      case "else":
        let otherwise = try block(until: ["endif"])
        advance()
        return .conditional(branches, otherwise: otherwise)
      default: return .conditional(branches, otherwise: [])
      }
    }
  }

  private mutating func loop() throws -> Statement {
    let line = line
    let target = try target(endsAt: "in")
    try checkLoopTarget(target, line)
    guard skipName("in") else { throw unexpected("\"in\"") }
    let items = try tuple(conditionals: false, endsAt: "recursive")
    var test: Expression?
    if skipName("if") {
      let saved = isSoft
      isSoft = false
      test = try expression()
      isSoft = saved
    }
    let isRecursive = skipName("recursive")
    let (body, end) = try bodyParts(until: ["endfor", "else"], isLoop: true)
    let otherwise = end == "else" ? try self.body(until: "endfor") : nil
    return .loop(
      Statement.Loop(
        target: target, items: items, test: test, isRecursive: isRecursive, body: body, otherwise: otherwise))
  }

  private func checkLoopTarget(_ target: Target, _ line: Int) throws {
    switch target {
    case .name(_, "loop"):
      throw TemplateError(
        .syntax, "\"loop\" as the variable of a loop, which has that name already", line: line)
    case .tuple(let targets): for part in targets { try checkLoopTarget(part, line) }
    default: break
    }
  }

  private mutating func assignment() throws -> Statement {
    let target = try target(endsAt: nil, takesAttributes: true)
    if skip(.assign) { return .assign(target, try tuple()) }
    let saved = isSoft
    isSoft = false
    let filters = try self.filters(startsInside: false)
    isSoft = saved
    return .assignBlock(target, filters, try body(until: "endset"))
  }

  private mutating func with() throws -> Statement {
    var values: [(target: Target, value: Expression)] = []
    while current.kind != .blockEnd {
      if !values.isEmpty { try expect(.comma) }
      let target = try target(endsAt: nil)
      try expect(.assign)
      values.append((target, try expression()))
    }
    return .with(values, try body(until: "endwith"))
  }

  // MARK: macros

  private mutating func macro() throws -> MacroDeclaration {
    let name = try expectName()
    let number = number(of: name)
    return try declaration(name: name, number: number, end: "endmacro", signature: { try $0.signature() })
  }

  private mutating func callBlock(_ line: Int) throws -> Statement {
    let parameters = isSymbol(.leftParenthesis) ? try signature() : []
    let call = try expression()
    guard case .call = call.kind else {
      throw TemplateError(.syntax, "a call block that calls nothing", line: line)
    }
    let declaration = try declaration(
      name: "caller", number: nil, end: "endcall", signature: { _ in parameters })
    return .callBlock(declaration, call)
  }

  private mutating func signature() throws -> [(name: String, id: Int, preset: Expression?)] {
    var result: [(name: String, id: Int, preset: Expression?)] = []
    try expect(.leftParenthesis)
    while !isSymbol(.rightParenthesis) {
      if !result.isEmpty { try expect(.comma) }
      let line = line
      let name = try expectName()
      let preset = skip(.assign) ? try expression() : nil
      if preset == nil, result.last?.preset != nil {
        throw TemplateError(.syntax, "the parameter \(name) without a default behind one with", line: line)
      }
      result.append((name, number(of: name), preset))
    }
    try expect(.rightParenthesis)
    return result
  }

  private mutating func declaration(
    name: String, number: Int?, end: String,
    signature: (inout Parser) throws -> [(name: String, id: Int, preset: Expression?)]
  ) throws -> MacroDeclaration {
    let saved = isSoft
    isSoft = false
    let line = line
    let parameters = try signature(&self)
    isSoft = saved
    let first = reads.count
    let body = try body(until: end, isLoop: false)
    let used = Set(reads[first...].map { names[$0] })
    func special(_ name: String) -> Bool { used.contains(name) && !parameters.contains { $0.name == name } }
    if let own = parameters.first(where: { $0.name == "caller" }), own.preset == nil, used.contains("caller")
    {
      throw TemplateError(.syntax, "a parameter \"caller\" without a default", line: line)
    }
    return MacroDeclaration(
      name: name, nameID: number, parameters: parameters, body: body,
      caller: special("caller") ? self.number(of: "caller") : nil,
      keywords: special("kwargs") ? self.number(of: "kwargs") : nil,
      rest: special("varargs") ? self.number(of: "varargs") : nil)
  }

  // MARK: targets

  /// Where values are assigned to: names, and attributes of namespaces if `takesAttributes`.
  private mutating func target(endsAt end: String?, takesAttributes: Bool = false) throws -> Target {
    var targets: [Target] = []
    var isTuple = false
    while true {
      if !targets.isEmpty { try expect(.comma) }
      if isTupleEnd(end) { break }
      targets.append(try nested { try $0.singleTarget(takesAttributes: takesAttributes) })
      guard isSymbol(.comma) else { break }
      isTuple = true
    }
    guard isTuple else {
      guard let only = targets.first else { throw unexpected("the name of a variable") }
      return only
    }
    return .tuple(targets)
  }

  private mutating func singleTarget(takesAttributes: Bool) throws -> Target {
    if skip(.leftParenthesis) {
      let target = try target(endsAt: nil, takesAttributes: false)
      try expect(.rightParenthesis)
      return target
    }
    let line = line
    let name = try expectName()
    guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
      throw TemplateError(.syntax, "an assignment to \(name)", line: line)
    }
    if takesAttributes, skip(.dot) {
      return .attribute(read(name), name, attribute: try expectName())
    }
    return .name(number(of: name), name)
  }

  func isTupleEnd(_ end: String?) -> Bool {
    switch current.kind {
    case .variableEnd, .blockEnd, .symbol(.rightParenthesis): true
    case .name(let name): name == end
    default: false
    }
  }
}
