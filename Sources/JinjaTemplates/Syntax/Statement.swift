/// A statement of a template.
enum Statement: Sendable {
  case text(Text)
  case output(Expression)
  indirect case conditional([Branch], otherwise: [Statement])
  indirect case loop(Loop)
  case assign(Target, Expression)
  indirect case assignBlock(Target, [FilterCall], Body)
  case macro(MacroDeclaration)
  case callBlock(MacroDeclaration, Expression)
  case filterBlock([FilterCall], Body, line: Int)
  case with([(target: Target, value: Expression)], Body)
  /// What the assistant says, as training code finds it; here the text alone counts.
  case generation(Body)
  case stop
  case proceed

  /// A condition with what follows from it.
  struct Branch: Sendable {
    var test: Expression
    var statements: [Statement]
  }

  /// A for loop.
  struct Loop: Sendable {
    var target: Target
    var items: Expression
    var test: Expression?
    var isRecursive: Bool
    var body: Body
    var otherwise: Body?
  }
}

/// Statements with variables of their own.
struct Body: Sendable {
  var statements: [Statement]
  /// The number of the body, for ``NameAnalysis``.
  var id: Int
}

/// Where a value goes.
indirect enum Target: Sendable {
  case name(Int, String)
  case attribute(Int, String, attribute: String)
  case tuple([Target])
}

/// A macro, or what stands in a call block.
final class MacroDeclaration: Sendable {
  let name: String
  /// The number of the name; `nil` for call blocks.
  let nameID: Int?
  let parameters: [(name: String, id: Int, preset: Expression?)]
  let body: Body
  /// The numbers of `caller`, `kwargs` and `varargs`, for macros that speak of them.
  let caller: Int?
  let keywords: Int?
  let rest: Int?

  init(
    name: String, nameID: Int?, parameters: [(name: String, id: Int, preset: Expression?)], body: Body,
    caller: Int?, keywords: Int?, rest: Int?
  ) {
    self.name = name
    self.nameID = nameID
    self.parameters = parameters
    self.body = body
    self.caller = caller
    self.keywords = keywords
    self.rest = rest
  }
}
