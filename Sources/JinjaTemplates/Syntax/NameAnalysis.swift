/// Finds the names that a part of the template hides before it sets them.
///
/// Jinja decides by the text which variable a name means: a part (the template, a loop's or macro's body) that sets a
/// name before it reads it has a variable of its own from the start, undefined at first, even if the caller gave one
/// of that name. Names that are set under a condition alone are not hidden.
struct NameAnalysis {
  /// The hidden names, by number of the body.
  private(set) var hidden: [[Int]]
  private let names: [String]

  static func hidden(in template: Body, bodyCount: Int, names: [String]) -> [[Int]] {
    var analysis = NameAnalysis(hidden: Array(repeating: [], count: bodyCount), names: names)
    analysis.analyse(template, Part(around: nil))
    return analysis.hidden
  }

  /// A part with variables of its own.
  private final class Part {
    let around: Part?
    var known: Set<Int> = []
    var hidden: [Int] = []
    var inner: [(Body, parameters: [Int])] = []

    init(around: Part?) { self.around = around }

    func knows(_ name: Int) -> Bool { known.contains(name) || around?.knows(name) == true }
  }

  private mutating func analyse(_ body: Body, _ part: Part) {
    visit(body.statements, part, isConditional: false)
    hidden[body.id] = part.hidden
    for (body, parameters) in part.inner {
      let inner = Part(around: part)
      inner.known = Set(parameters)
      analyse(body, inner)
    }
  }

  private func store(_ name: Int, _ part: Part, isConditional: Bool) {
    if !part.knows(name), !isConditional { part.hidden.append(name) }
    part.known.insert(name)
  }

  private func store(_ target: Target, _ part: Part, isConditional: Bool) {
    switch target {
    case .name(let name, _): store(name, part, isConditional: isConditional)
    case .attribute(let name, _, _): load(name, part)
    case .tuple(let targets): for target in targets { store(target, part, isConditional: isConditional) }
    }
  }

  private func load(_ name: Int, _ part: Part) {
    if !part.knows(name) { part.known.insert(name) }
  }

  private func parameters(_ target: Target) -> [Int] {
    switch target {
    case .name(let name, _): [name]
    case .attribute: []
    case .tuple(let targets): targets.flatMap(parameters)
    }
  }

  private func visit(_ statements: [Statement], _ part: Part, isConditional: Bool) {
    for statement in statements { visit(statement, part, isConditional: isConditional) }
  }

  private func visit(_ statement: Statement, _ part: Part, isConditional: Bool) {
    switch statement {
    case .text, .stop, .proceed: break
    case .output(let expression): visit(expression, part)
    case .conditional(let branches, let otherwise):
      for branch in branches {
        visit(branch.test, part)
        visit(branch.statements, part, isConditional: true)
      }
      visit(otherwise, part, isConditional: true)
    case .loop(let loop):
      visit(loop.items, part)
      var own = parameters(loop.target)
      if let place = names.firstIndex(of: "loop") { own.append(place) }
      part.inner.append((loop.body, own))
      if let otherwise = loop.otherwise { part.inner.append((otherwise, [])) }
    case .assign(let target, let value):
      visit(value, part)
      store(target, part, isConditional: isConditional)
    case .assignBlock(let target, _, let body):
      store(target, part, isConditional: isConditional)
      part.inner.append((body, []))
    case .macro(let macro):
      if let name = macro.nameID { store(name, part, isConditional: isConditional) }
      visit(macro, part)
    case .callBlock(let block, let call):
      visit(call, part)
      visit(block, part)
    case .filterBlock(let filters, let body, _):
      for filter in filters { visit(filter.arguments, part) }
      part.inner.append((body, []))
    case .with(let values, let body):
      for value in values { visit(value.value, part) }
      part.inner.append((body, values.flatMap { parameters($0.target) }))
    case .generation(let body): part.inner.append((body, []))
    }
  }

  private func visit(_ macro: MacroDeclaration, _ part: Part) {
    let own = [macro.caller, macro.keywords, macro.rest].compactMap(\.self)
    part.inner.append((macro.body, macro.parameters.map(\.id) + own))
  }

  private func visit(_ arguments: CallArguments, _ part: Part) {
    for expression in arguments.parts { visit(expression, part) }
  }

  private func visit(_ expression: Expression, _ part: Part) {
    switch expression.kind {
    case .constant: break
    case .name(let name): load(name, part)
    case .tuple(let items), .list(let items), .concatenation(let items), .and(let items), .or(let items):
      for item in items { visit(item, part) }
    case .dictionary(let items):
      for item in items {
        visit(item.key, part)
        visit(item.value, part)
      }
    case .attribute(let value, _), .not(let value), .negative(let value), .positive(let value):
      visit(value, part)
    case .item(let value, let item):
      visit(value, part)
      visit(item, part)
    case .slice(let value, let start, let stop, let step):
      for item in [value, start, stop, step] { if let item { visit(item, part) } }
    case .call(let value, let arguments), .test(let value, _, let arguments):
      visit(value, part)
      visit(arguments, part)
    case .filter(let value, let filter):
      visit(value, part)
      visit(filter.arguments, part)
    case .arithmetic(let first, let rest):
      visit(first, part)
      for item in rest { visit(item.operand, part) }
    case .comparison(let first, let rest):
      visit(first, part)
      for item in rest { visit(item.operand, part) }
    case .conditional(let test, let then, let otherwise):
      for item in [test, then, otherwise] { if let item { visit(item, part) } }
    }
  }
}
