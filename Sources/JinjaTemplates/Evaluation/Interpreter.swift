internal import Foundation

/// Renders one template once.
///
/// Values that can hold each other in circles or long chains (namespaces, and scopes that macros see) are kept in
/// lists and emptied one by one at the end, so that releasing them needs no deep recursion either.
final class Interpreter {
  let template: JinjaTemplate
  let date: Date
  private let limits: JinjaLimits
  private var steps = 0
  private var depth = 0
  /// The line being worked on, for errors.
  var line = 1
  private var context: [Int: Value] = [:]
  /// The number of the name that loops know themselves by, if the template speaks of it.
  let loopName: Int?
  private var namespaces: [Namespace] = []
  private var keptScopes: [Scope] = []
  /// The text being made; blocks and macros make their own.
  var output = Text(utf8: [])

  init(_ template: JinjaTemplate, date: Date, limits: JinjaLimits) {
    self.template = template
    self.date = date
    self.limits = limits
    loopName = template.names.firstIndex(of: "loop")
  }

  func render(_ variables: [String: JinjaValue]) throws -> String {
    defer { releaseAll() }
    do {
      for (number, name) in template.names.enumerated() {
        if let value = variables[name] {
          context[number] = try Value(value)
        } else if let function = GlobalFunction(rawValue: name), function != .dictFromKeys {
          context[number] = .function(function)
        }
      }
      _ = try execute(template.body, Scope(parent: nil, hidden: template.hidden[template.body.id]))
      return output.string
    } catch var error as TemplateError {
      if error.line == 0 { error.line = line }
      throw error
    }
  }

  private func releaseAll() {
    for namespace in namespaces { namespace.clear() }
    for scope in keptScopes { scope.clear() }
  }

  // MARK: limits

  /// Counts work: steps, or bytes that are copied.
  func charge(_ count: Int = 1) throws {
    steps += max(count, 1)
    guard steps <= limits.steps else {
      throw TemplateError(.limit, "more than \(limits.steps) steps of work")
    }
  }

  /// Counts the work on a text.
  func charge(text: Text) throws { try charge(text.utf8.count >> 6) }

  /// A text of a size that was checked.
  func checked(_ text: Text) throws -> Value {
    try charge(text: text)
    guard text.utf8.count <= Value.textLimit else {
      throw TemplateError(.limit, "a text of more than \(Value.textLimit) bytes")
    }
    return .string(text)
  }

  /// Throws if a text of so many bytes is too long to be made.
  func requireRoom(for byteCount: Int, times count: Int = 1) throws {
    let (total, overflow) = byteCount.multipliedReportingOverflow(by: max(count, 0))
    guard !overflow, total <= Value.textLimit else {
      throw TemplateError(.limit, "a text or list of more than \(Value.textLimit) bytes")
    }
    try charge(total >> 6)
  }

  func deeper<T>(_ body: () throws -> T) throws -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= limits.depth else {
      throw TemplateError(.limit, "more than \(limits.depth) levels of nesting and of calls")
    }
    return try body()
  }

  // MARK: objects

  func makeNamespace() throws -> Namespace {
    try charge(16)
    let namespace = Namespace()
    namespaces.append(namespace)
    return namespace
  }

  /// Keeps a scope until the end because something refers to it.
  func keep(_ scope: Scope) throws {
    try charge(4)
    if keptScopes.last !== scope { keptScopes.append(scope) }
  }

  func scope(_ body: Body, in parent: Scope) -> Scope {
    Scope(parent: parent, hidden: template.hidden[body.id])
  }

  func value(of name: Int, _ scope: Scope) -> Value {
    let value = if let own = scope.lookUp(name) { own } else { context[name] }
    return value ?? .undefined("'\(template.names[name])' is undefined")
  }

  // MARK: output

  func write(_ text: Text) throws {
    try charge(text: text)
    output.append(text)
    guard output.utf8.count <= limits.outputSize else {
      throw TemplateError(.limit, "a result of more than \(limits.outputSize) bytes")
    }
  }

  /// What `body` writes, instead of writing it.
  func captured(_ body: () throws -> Flow) throws -> (text: Text, flow: Flow) {
    let saved = output
    output = Text(utf8: [])
    defer { output = saved }
    let flow = try body()
    return (output, flow)
  }
}

/// How a statement ends.
enum Flow {
  case next
  /// `break`
  case stop
  /// `continue`
  case proceed
}
