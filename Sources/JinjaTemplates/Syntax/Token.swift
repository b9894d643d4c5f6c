/// A piece of a template.
struct Token {
  enum Kind: Hashable {
    /// Text outside of tags.
    case data(Text)
    case blockBegin, blockEnd, variableBegin, variableEnd
    case name(String)
    case string(Text)
    case integer(Int)
    case float(Double)
    case symbol(Symbol)
    case end
  }

  /// Operators and delimiters.
  enum Symbol: String, CaseIterable {
    case floorDivide = "//"
    case power = "**"
    case equal = "=="
    case notEqual = "!="
    case greaterOrEqual = ">="
    case lessOrEqual = "<="
    case plus = "+"
    case minus = "-"
    case divide = "/"
    case times = "*"
    case modulo = "%"
    case tilde = "~"
    case leftBracket = "["
    case rightBracket = "]"
    case leftParenthesis = "("
    case rightParenthesis = ")"
    case leftBrace = "{"
    case rightBrace = "}"
    case greater = ">"
    case less = "<"
    case assign = "="
    case dot = "."
    case colon = ":"
    case pipe = "|"
    case comma = ","
    case semicolon = ";"

    /// With the scalars, longest first.
    static let table: [(scalars: [Unicode.Scalar], symbol: Symbol)] = allCases.map {
      (Array($0.rawValue.unicodeScalars), $0)
    }
  }

  var kind: Kind
  var line: Int

  /// As messages show it.
  var text: String {
    switch kind {
    case .data: "text"
    case .blockBegin: "{%"
    case .blockEnd: "%}"
    case .variableBegin: "{{"
    case .variableEnd: "}}"
    case .name(let name): name
    case .string: "a string"
    case .integer(let value): "\(value)"
    case .float(let value): "\(value)"
    case .symbol(let symbol): symbol.rawValue
    case .end: "the end of the template"
    }
  }
}
