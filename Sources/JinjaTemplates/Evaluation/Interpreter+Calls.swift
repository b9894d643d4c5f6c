/// Calls of macros, functions and methods.
extension Interpreter {
  func call(_ function: Value, _ arguments: Arguments) throws -> Value {
    try function.requireDefined()
    switch function {
    case .macro(let macro): return .string(try call(macro, arguments))
    case .function(let function): return try Functions.call(function, arguments, self)
    case .method(let method): return try Methods.call(method, arguments, self)
    case .loop(let loop):
      let bound = try arguments.bind(["iterable"], required: 1, "loop")
      guard let recurse = loop.recurse else {
        throw TemplateError(
          .type, "The loop must have the 'recursive' marker to be called recursively.")
      }
      return .string(try recurse(bound[0] ?? .none, loop.depth0 + 1))
    case .joiner(let joiner):
      _ = try arguments.bind([], required: 0, "joiner")
      defer { joiner.isUsed = true }
      return joiner.isUsed ? joiner.separator : .empty
    default: throw TemplateError(.type, "'\(function.typeName)' object is not callable")
    }
  }

  private func call(_ macro: Macro, _ arguments: Arguments) throws -> Text {
    try deeper {
      let saved = line
      defer { line = saved }
      let scope = try self.scope(macro, arguments)
      return try captured { try execute(macro.declaration.body, scope) }.text
    }
  }

  /// The variables that a macro begins with.
  private func scope(_ macro: Macro, _ arguments: Arguments) throws -> Scope {
    let declaration = macro.declaration
    let scope = self.scope(declaration.body, in: macro.scope)
    var keywords = arguments.keywords
    var rest = arguments.positional[...]
    var missing: [(id: Int, name: String, preset: Expression?)] = []
    func take(_ name: String) -> Value? {
      guard let place = keywords.firstIndex(where: { $0.name == name }) else { return nil }
      return keywords.remove(at: place).value
    }
    for parameter in declaration.parameters {
      if let value = rest.popFirst() ?? take(parameter.name) {
        scope.set(parameter.id, value)
      } else {
        missing.append((parameter.id, parameter.name, parameter.preset))
      }
    }
    if let caller = declaration.caller {
      scope.set(caller, take("caller") ?? .undefined("No caller defined"))
    }
    if let all = declaration.keywords {
      var dictionary = Dictionary()
      for keyword in keywords { try dictionary.set(.string(Text(keyword.name)), keyword.value) }
      scope.set(all, .dictionary(dictionary))
    } else if let keyword = keywords.first {
      throw TemplateError(.type, "macro '\(declaration.name)' takes no keyword argument '\(keyword.name)'")
    }
    if let all = declaration.rest {
      scope.set(all, .tuple(try Elements(Array(rest))))
    } else if !rest.isEmpty {
      throw TemplateError(
        .type,
        "macro '\(declaration.name)' takes not more than \(declaration.parameters.count) argument(s)")
    }
    for parameter in missing {
      scope.set(
        parameter.id,
        try parameter.preset.map { try evaluate($0, scope) }
          ?? .undefined("parameter '\(parameter.name)' was not provided"))
    }
    return scope
  }
}

/// The values that something is called with.
struct Arguments {
  var positional: [Value]
  var keywords: [(name: String, value: Value)] = []

  init(_ positional: [Value] = []) { self.positional = positional }

  /// The values by the names of the parameters; `nil` for what is not given.
  func bind(_ names: [String], required: Int = 0, _ function: String) throws -> [Value?] {
    guard positional.count <= names.count else {
      throw TemplateError(
        .type, "\(function)() takes at most \(names.count) arguments (\(positional.count) given)")
    }
    var result: [Value?] = positional + Array(repeating: nil, count: names.count - positional.count)
    for (name, value) in keywords {
      guard let place = names.firstIndex(of: name) else {
        throw TemplateError(.type, "\(function)() got an unexpected keyword argument '\(name)'")
      }
      guard result[place] == nil else {
        throw TemplateError(.type, "\(function)() got multiple values for argument '\(name)'")
      }
      result[place] = value
    }
    for place in 0..<required where result[place] == nil {
      throw TemplateError(.type, "\(function)() missing a required argument: '\(names[place])'")
    }
    return result
  }

  /// Positional values alone, of a method that takes no names.
  func positionalOnly(_ range: ClosedRange<Int>, _ function: String) throws -> [Value] {
    guard keywords.isEmpty else { throw TemplateError(.type, "\(function)() takes no keyword arguments") }
    guard range.contains(positional.count) else {
      throw TemplateError(
        .type,
        "\(function)() takes \(range.lowerBound) to \(range.upperBound) arguments (\(positional.count) given)"
      )
    }
    return positional
  }

  /// How deep the values nest.
  var depth: Int { (positional + keywords.map(\.value)).reduce(0) { max($0, $1.depth) } }
}
