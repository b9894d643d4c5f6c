/// What can stand behind `|`.
enum Filters {
  private static let names: Set<String> = [
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape",
    "first",
    "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list",
    "lower",
    "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
    "selectattr",
    "slice", "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount",
  ]
  /// Filters of Jinja that no chat template has use for.
  private static let foreign: Set<String> = [
    "filesizeformat", "pprint", "random", "striptags", "urlencode", "urlize", "wordwrap", "xmlattr",
  ]

  static func isKnown(_ name: String) -> Bool { names.contains(name) || foreign.contains(name) }

  static func unknown(_ name: String, line: Int) -> TemplateError {
    TemplateError(.syntax, "the filter \"\(name)\", which does not exist", line: line)
  }

  static func apply(_ name: String, _ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws
    -> Value
  {
    if foreign.contains(name) {
      throw TemplateError(.notSupported, "the filter \"\(name)\"", line: interpreter.line)
    }
    if let result = try TextFilters.apply(name, value, arguments, interpreter) { return result }
    if let result = try SequenceFilters.apply(name, value, arguments, interpreter) { return result }
    if let result = try SelectionFilters.apply(name, value, arguments, interpreter) { return result }
    switch name {
    case "default", "d":
      let bound = try arguments.bind(["default_value", "boolean"], name)
      let isReplaced = value.isUndefined || (bound[1]?.isTrue == true && !value.isTrue)
      return isReplaced ? bound[0] ?? .empty : value
    case "attr":
      guard case .string(let attribute)? = try arguments.bind(["name"], required: 1, name)[0] else {
        throw TemplateError(.type, "attr() wants the name of an attribute")
      }
      try value.requireDefined()
      return try interpreter.pythonAttribute(attribute.string, of: value)
        ?? .undefined("'\(value.typeName) object' has no attribute '\(attribute.string)'")
    case "tojson": return try json(value, arguments, interpreter)
    default: return try NumberFilters.apply(name, value, arguments, interpreter)
    }
  }

  /// `tojson`, as the transformers library defines it: nothing is escaped for HTML.
  private static func json(_ value: Value, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Value
  {
    let bound = try arguments.bind(["ensure_ascii", "indent", "separators", "sort_keys"], "tojson")
    var writer = JSONWriter()
    writer.escapesNonASCII = bound[0]?.isTrue ?? false
    writer.sortsKeys = bound[3]?.isTrue ?? false
    switch bound[1] {
    case .string(let indent)?: writer.indent = indent
    case .some(.none), nil: break
    case let width?:
      guard let width = width.integer else { throw TemplateError(.type, "tojson() wants a number as indent") }
      guard width <= 1000 else { throw TemplateError(.limit, "an indent of more than 1000") }
      writer.indent = Text(String(repeating: " ", count: max(width, 0)))
    }
    if writer.indent != nil { writer.itemSeparator = "," }
    switch bound[2] {
    case .some(.none), nil: break
    case let separators?:
      let parts = try interpreter.items(of: separators)
      guard parts.count == 2 else { throw TemplateError(.value, "tojson() wants two separators") }
      writer.itemSeparator = try StringMethods.string(parts[0])
      writer.keySeparator = try StringMethods.string(parts[1])
    }
    return try interpreter.checked(try writer.text(of: value))
  }
}
