extension ShapeSelector {
  /// Reads a selector.
  init(_ fields: PromptFields) throws {
    self.init(
      shape: try fields.text("shape"), colour: try fields.text("colour"),
      minSize: try fields.number("minSize"), largest: try fields.integer("largest"))
  }
}

extension GeometryAssertion {
  /// Reads an assertion.
  ///
  /// - Throws: ``EvaluationError`` with `badPrompts`.
  init(_ fields: PromptFields) throws {
    guard let check = try fields.text("check").flatMap(Check.init) else {
      throw fields.refusal(
        "check", expected: "one of " + Check.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self.init(check, of: try fields.object("of").map { try ShapeSelector($0) })
    than = try fields.object("than").map { try ShapeSelector($0) }
    equals = try fields.integer("equals")
    atLeast = try fields.integer("atLeast")
    colours = try fields.texts("colours")
    values = try fields.numbers("values")
    x = try fields.number("x")
    y = try fields.number("y")
    angle = try fields.number("angle")
    columns = try fields.integer("columns")
    rows = try fields.integer("rows")
  }
}
