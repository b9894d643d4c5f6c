/// An expression of a template.
struct Expression: Sendable {
  indirect enum Kind: Sendable {
    case constant(Constant)
    case name(Int)
    case tuple([Expression])
    case list([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
    case call(Expression, CallArguments)
    case filter(Expression, FilterCall)
    case test(Expression, String, CallArguments)
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    /// Operators of one rank, from left to right.
    case arithmetic(Expression, [(operation: Arithmetic, operand: Expression)])
    case concatenation([Expression])
    case comparison(Expression, [(operation: Comparison, operand: Expression)])
    case and([Expression])
    case or([Expression])
    case conditional(test: Expression, then: Expression, otherwise: Expression?)
  }

  enum Arithmetic: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
  }

  enum Comparison: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn
  }

  enum Constant: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case text(Text)
  }

  let kind: Kind
  let line: Int
  /// How many expressions this one is made of, one inside the other.
  let depth: Int

  /// The most depth that is read; published templates have up to 20.
  static let depthLimit = 150

  init(_ kind: Kind, line: Int, parts: [Expression] = []) throws {
    self.kind = kind
    self.line = line
    var depth = 0
    for part in parts { depth = max(depth, part.depth) }
    self.depth = depth + 1
    guard depth < Self.depthLimit else {
      throw TemplateError(.limit, "an expression nested deeper than \(Self.depthLimit)", line: line)
    }
  }
}

/// What stands in the parentheses of a call.
struct CallArguments: Sendable {
  var positional: [Expression] = []
  var keywords: [(name: String, value: Expression)] = []
  var list: Expression?
  var dictionary: Expression?

  var parts: [Expression] {
    positional + keywords.map(\.value) + [list, dictionary].compactMap(\.self)
  }
}

/// A filter with its arguments.
struct FilterCall: Sendable {
  var name: String
  var arguments: CallArguments
}
