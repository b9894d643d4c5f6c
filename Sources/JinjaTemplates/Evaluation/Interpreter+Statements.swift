/// Statements.
extension Interpreter {
  func execute(_ body: Body, _ scope: Scope) throws -> Flow { try execute(body.statements, scope) }

  func execute(_ statements: [Statement], _ scope: Scope) throws -> Flow {
    for statement in statements {
      let flow = try deeper { try execute(statement, scope) }
      if flow != .next { return flow }
    }
    return .next
  }

  private func execute(_ statement: Statement, _ scope: Scope) throws -> Flow {
    try charge()
    switch statement {
    case .text(let text): try write(text)
    case .output(let expression):
      line = expression.line
      try write(try evaluate(expression, scope).text())
    case .conditional(let branches, let otherwise):
      for branch in branches {
        line = branch.test.line
        if try evaluate(branch.test, scope).isTrue { return try execute(branch.statements, scope) }
      }
      return try execute(otherwise, scope)
    case .loop(let loop): try execute(loop, scope)
    case .assign(let target, let expression):
      line = expression.line
      try checkNamespaces(target, scope)
      try assign(try evaluate(expression, scope), to: target, scope)
    case .assignBlock(let target, let filters, let body):
      return try execute(target, filters, body, scope)
    case .macro(let macro):
      try keep(scope)
      if let name = macro.nameID { scope.set(name, .macro(Macro(macro, scope))) }
    case .callBlock(let block, let call): try execute(block, call, scope)
    case .filterBlock(let filters, let body, let line):
      let inner = self.scope(body, in: scope)
      let (text, flow) = try captured { try execute(body, inner) }
      guard flow == .next else { return flow }
      self.line = line
      try write(try apply(filters, to: .string(text), inner).text())
    case .with(let values, let body):
      let inner = self.scope(body, in: scope)
      let results = try values.map { try evaluate($0.value, scope) }
      for (value, result) in zip(values, results) { try assign(result, to: value.target, inner) }
      return try execute(body, inner)
    case .generation(let body):
      _ = try execute(body, self.scope(body, in: scope))
    case .stop: return .stop
    case .proceed: return .proceed
    }
    return .next
  }

  private func apply(_ filters: [FilterCall], to value: Value, _ scope: Scope) throws -> Value {
    var value = value
    for filter in filters { value = try apply(filter, to: value, scope) }
    return value
  }

  private func execute(_ target: Target, _ filters: [FilterCall], _ body: Body, _ scope: Scope) throws -> Flow
  {
    try checkNamespaces(target, scope)
    let inner = self.scope(body, in: scope)
    let (text, flow) = try captured { try execute(body, inner) }
    guard flow == .next else { return flow }
    try assign(try apply(filters, to: .string(text), inner), to: target, scope)
    return .next
  }

  private func execute(_ block: MacroDeclaration, _ call: Expression, _ scope: Scope) throws {
    try keep(scope)
    line = call.line
    guard case .call(let callee, let arguments) = call.kind else { return }
    let function = try evaluate(callee, scope)
    var values = try evaluate(arguments, scope)
    values.keywords.append(("caller", .macro(Macro(block, scope))))
    try write(try self.call(function, values).text())
  }

  // MARK: assignment

  /// Throws unless all attributes that are set belong to namespaces; Jinja looks before it evaluates the value.
  private func checkNamespaces(_ target: Target, _ scope: Scope) throws {
    switch target {
    case .name: break
    case .attribute(let number, _, _):
      guard case .namespace = value(of: number, scope) else {
        throw TemplateError(.type, "cannot assign attribute on non-namespace object")
      }
    case .tuple(let targets): for target in targets { try checkNamespaces(target, scope) }
    }
  }

  func assign(_ value: Value, to target: Target, _ scope: Scope) throws {
    switch target {
    case .name(let number, _): scope.set(number, value)
    case .attribute(let number, _, let attribute):
      guard case .namespace(let namespace) = self.value(of: number, scope) else { return }
      try namespace.set(attribute, value)
    case .tuple(let targets):
      let iterator = try self.iterator(over: value)
      var values: [Value] = []
      while values.count <= targets.count, let next = try iterator.next() { values.append(next) }
      guard values.count == targets.count else {
        let problem = values.count < targets.count ? "not enough values" : "too many values"
        throw TemplateError(.value, "\(problem) to unpack (expected \(targets.count))")
      }
      for (part, value) in zip(targets, values) { try assign(value, to: part, scope) }
    }
  }

  // MARK: loops

  private func execute(_ loop: Statement.Loop, _ scope: Scope) throws {
    line = loop.items.line
    let items = try evaluate(loop.items, scope)
    guard loop.isRecursive else { return try run(loop, over: items, scope, depth0: 0) }
    try keep(scope)
    let (text, _) = try captured {
      try run(loop, over: items, scope, depth0: 0)
      return .next
    }
    try write(text)
  }

  private func run(_ loop: Statement.Loop, over items: Value, _ scope: Scope, depth0: Int) throws {
    let context = try context(loop, over: items, scope, depth0: depth0)
    var isEmpty = true
    while let value = try context.advance() {
      isEmpty = false
      try charge(2)
      let inner = self.scope(loop.body, in: scope)
      try assign(value, to: loop.target, inner)
      if let loopName { inner.set(loopName, .loop(context)) }
      if try execute(loop.body, inner) == .stop { break }
    }
    if isEmpty, let otherwise = loop.otherwise {
      _ = try execute(otherwise, self.scope(otherwise, in: scope))
    }
  }

  private func context(_ loop: Statement.Loop, over items: Value, _ scope: Scope, depth0: Int) throws
    -> LoopContext
  {
    let source = try iterator(over: items)
    var recurse: ((Value, Int) throws -> Text)?
    if loop.isRecursive {
      recurse = { [unowned self] value, depth in
        try self.deeper {
          let saved = self.line
          defer { self.line = saved }
          return try self.captured {
            try self.run(loop, over: value, scope, depth0: depth)
            return .next
          }.text
        }
      }
    }
    guard let test = loop.test else {
      return LoopContext(source, count: items.knownCount, depth0: depth0, recurse: recurse)
    }
    let filtered = try ValueIterator(depth: source.depth) { [unowned self] in
      while let value = try source.next() {
        try self.charge()
        let inner = Scope(parent: scope, hidden: [])
        try self.assign(value, to: loop.target, inner)
        if try self.evaluate(test, inner).isTrue { return value }
      }
      return nil
    }
    return LoopContext(filtered, count: nil, depth0: depth0, recurse: recurse)
  }
}

extension Value {
  /// The number of elements, where Python's `len` knows it.
  var knownCount: Int? {
    switch self {
    case .string(let text): text.count
    case .list(let elements), .tuple(let elements): elements.count
    case .dictionary(let dictionary): dictionary.count
    case .view(let view): view.dictionary.count
    case .range(let range): range.count
    case .undefined, .unsafe: 0
    default: nil
    }
  }
}
