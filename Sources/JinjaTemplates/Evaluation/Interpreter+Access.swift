/// Attributes, items and slices.
extension Interpreter {
  /// `value.name`: Python's attribute first, then the item of that name.
  func attribute(_ name: String, of value: Value) throws -> Value {
    try value.requireDefined()
    if let found = try pythonAttribute(name, of: value) { return found }
    if case .dictionary(let dictionary) = value, let item = dictionary.get(name) { return item }
    return missing(name, of: value)
  }

  /// `value[key]`: the item first, then Python's attribute.
  func item(_ key: Value, of value: Value) throws -> Value {
    try value.requireDefined()
    if let found = try pythonItem(key, of: value) { return found }
    guard case .string(let name) = key else {
      return .undefined("\(objectName(value)) has no element \(try key.representation().string)")
    }
    return try pythonAttribute(name.string, of: value) ?? missing(name.string, of: value)
  }

  private func objectName(_ value: Value) -> String {
    if case .none = value { return "None" }
    return "\(value.typeName) object"
  }

  private func missing(_ name: String, of value: Value) -> Value {
    .undefined("'\(objectName(value))' has no attribute '\(name)'")
  }

  private func pythonItem(_ key: Value, of value: Value) throws -> Value? {
    switch value {
    case .dictionary(let dictionary): return try? dictionary.get(key)
    case .list(let elements), .tuple(let elements):
      return index(key, count: elements.count).map { elements.items[$0] }
    case .range(let range): return index(key, count: range.count).map { .int(range[$0]) }
    case .string(let text):
      try charge(text: text)
      return index(key, count: text.count).map { .string(text.slice($0..<$0 + 1)) }
    default: return nil
    }
  }

  private func index(_ key: Value, count: Int) -> Int? {
    guard let index = key.integer else { return nil }
    let place = index < 0 ? index + count : index
    return 0..<count ~= place ? place : nil
  }

  /// What Python's `getattr` finds.
  func pythonAttribute(_ name: String, of value: Value) throws -> Value? {
    if name.hasPrefix("__"), name.hasSuffix("__") {
      if case .dictionary(let dictionary) = value, dictionary.get(name) != nil { return nil }
      return .unsafe("access to attribute '\(name)' of '\(value.typeName)' object is unsafe.")
    }
    switch value {
    case .namespace(let namespace): return namespace[name]
    case .loop(let loop): return try attribute(name, of: loop)
    case .cycler(let cycler):
      switch name {
      case "current": return cycler.items.items[cycler.position]
      case "pos": return .int(cycler.position)
      case "items": return .tuple(cycler.items)
      default: break
      }
    case .joiner(let joiner):
      if name == "sep" { return joiner.separator }
      if name == "used" { return .bool(joiner.isUsed) }
    case .macro(let macro):
      switch name {
      case "name": return .text(macro.declaration.name)
      case "arguments":
        return .tuple(Elements(flat: macro.declaration.parameters.map { .text($0.name) }))
      case "catch_kwargs": return .bool(macro.declaration.keywords != nil)
      case "catch_varargs": return .bool(macro.declaration.rest != nil)
      case "caller": return .bool(macro.declaration.caller != nil)
      default: break
      }
    case .function(.dict) where name == "fromkeys": return .function(.dictFromKeys)
    case .int, .bool, .float: return numberAttribute(name, of: value)
    case .range(let range):
      switch name {
      case "start": return .int(range.start)
      case "stop": return .int(range.stop)
      case "step": return .int(range.step)
      default: break
      }
    default: break
    }
    if Methods.changing(value).contains(name) {
      return .unsafe(
        "access to attribute '\(name)' of '\(value.typeName)' object is unsafe: templates cannot change values"
      )
    }
    return Methods.names(value).contains(name) ? .method(try Method(value, name)) : nil
  }

  private func numberAttribute(_ name: String, of value: Value) -> Value? {
    switch name {
    case "real": return value.integer.map { .int($0) } ?? value
    case "imag": if case .float = value { return .float(0) } else { return .int(0) }
    case "numerator": return value.integer.map { .int($0) }
    case "denominator": return value.integer.map { _ in .int(1) }
    default: return Methods.names(value).contains(name) ? try? .method(Method(value, name)) : nil
    }
  }

  private func attribute(_ name: String, of loop: LoopContext) throws -> Value? {
    switch name {
    case "index": return .int(loop.index0 + 1)
    case "index0": return .int(loop.index0)
    case "first": return .bool(loop.index0 == 0)
    case "last": return .bool(try loop.next() == nil)
    case "length": return .int(try loop.count())
    case "revindex": return .int(try loop.count() - loop.index0)
    case "revindex0": return .int(try loop.count() - loop.index0 - 1)
    case "depth": return .int(loop.depth0 + 1)
    case "depth0": return .int(loop.depth0)
    case "previtem":
      return loop.index0 == 0 ? .undefined("there is no previous item") : loop.previous ?? .none
    case "nextitem": return try loop.next() ?? .undefined("there is no next item")
    case "cycle", "changed": return .method(try Method(.loop(loop), name))
    default: return nil
    }
  }

  // MARK: slices

  func slice(_ value: Value, _ start: Value, _ stop: Value, _ step: Value) throws -> Value {
    try value.requireDefined()
    switch value {
    case .list(let elements):
      let places = try places(elements.count, start, stop, step)
      return .list(try Elements(places.map { elements.items[$0] }))
    case .tuple(let elements):
      let places = try places(elements.count, start, stop, step)
      return .tuple(try Elements(places.map { elements.items[$0] }))
    case .string(let text):
      let scalars = text.scalars
      try charge(text: text)
      return .string(
        Text(try places(scalars.count, start, stop, step).map { scalars[$0] }).marked(text.isMarkup))
    case .range: throw TemplateError(.notSupported, "a slice of a range")
    default: throw TemplateError(.type, "'\(value.typeName)' object cannot be sliced")
    }
  }

  /// The places that a slice means.
  private func places(_ count: Int, _ start: Value, _ stop: Value, _ step: Value) throws -> [Int] {
    func bound(_ value: Value) throws -> Int? {
      if case .none = value { return nil }
      guard let number = value.integer else {
        throw TemplateError(
          .type, "slice indices must be integers or None or have an __index__ method")
      }
      return number
    }
    let step = try bound(step) ?? 1
    guard step != 0 else { throw TemplateError(.value, "slice step cannot be zero") }
    let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
    func clamped(_ number: Int?, _ preset: Int) -> Int {
      guard let number else { return preset }
      let place = number < 0 ? number + count : number
      return min(max(place, low), high)
    }
    let first = clamped(try bound(start), step > 0 ? low : high)
    let end = clamped(try bound(stop), step > 0 ? high : low)
    try charge(count >> 3)
    // A step beyond the count takes one element; a larger one could not be added.
    let stride = step > 0 ? min(step, count + 1) : max(step, -count - 1)
    return Array(Swift.stride(from: first, to: end, by: stride))
  }
}
