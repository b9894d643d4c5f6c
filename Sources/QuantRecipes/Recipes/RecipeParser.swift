internal import BlockQuantization
internal import FileBytes
internal import TensorTypes
internal import Yams

/// A recipe file as written, before its base is looked up.
struct RecipeDraft {
  var name = ""
  var description = ""
  var importanceUse: Recipe.ImportanceUse?
  /// The base with the line that names it.
  var base: (name: String, line: Int)?
  var defaultType: TensorType?
  var stockMix: StockMix?
  var rules: [RecipeRule] = []
  var provenance: [String: String] = [:]
  /// The line of the name.
  var nameLine = 1
}

/// Reads recipe files.
struct RecipeParser {
  /// The keys of a recipe.
  static let keys = [
    "name", "description", "base", "default", "file-type", "imatrix", "optional", "provenance", "rules",
  ]
  /// The keys of a rule.
  static let ruleKeys = [
    "pattern", "role", "category", "layers", "nth", "stacked", "when", "type", "why", "optional",
  ]
  /// The keys of a condition.
  static let conditionKeys = ["architecture", "experts", "queries-per-value", "size-class", "imatrix"]
  /// The keys of what a recipe was made from.
  static let provenanceKeys = [
    "made-by", "model", "text", "importance", "method", "gains", "budget", "bytes", "predicted", "bound",
  ]
  /// The most rules in one file.
  static let maxRuleCount = 512

  /// The tensor types that rules can give.
  static var typeNames: [String] {
    TensorType.allCases.filter(BlockQuantizer.canQuantize).map(\.name)
  }

  private let fields: RecipeFields

  /// Parses the bytes of a file.
  ///
  /// - Throws: ``RecipeError`` with a `recipe…` code, `badPattern` or `patternNotSupported`; the fault's file is
  ///   `file:line`.
  static func parse(_ bytes: [UInt8], file: String) throws -> RecipeDraft {
    let document = try RecipeDocument(bytes, file: file)
    return try RecipeParser(fields: RecipeFields(file: file)).recipe(document.root)
  }

  private func recipe(_ root: Node) throws -> RecipeDraft {
    let map = try fields.mapping(root, keys: Self.keys, what: "a recipe")
    var draft = RecipeDraft()
    let name = try fields.required("name", of: map, in: root)
    draft.name = try fields.text(name, "name", limit: 64)
    draft.nameLine = fields.line(name)
    let allowed = draft.name.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789_-.".utf8.contains($0) }
    guard allowed, draft.name.utf8.first.map({ !"-._".utf8.contains($0) }) ?? false else {
      throw fields.fault(
        .recipeValue, name, "name", "small letters, digits, _, - and ., starting with a letter or digit",
        "\"\(draft.name)\"", "it becomes part of file names")
    }
    draft.description = try fields.text(
      try fields.required("description", of: map, in: root), "description", limit: 2000)
    draft.importanceUse = try map["imatrix"].map { node in
      try fields.choice(node, "imatrix", Recipe.ImportanceUse.allCases.map { ($0.rawValue, $0) })
    }
    let areOptional = try map["optional"].map { try fields.flag($0, "optional") } ?? false
    if let node = map["provenance"] {
      for (key, value) in try fields.mapping(node, keys: Self.provenanceKeys, what: "provenance") {
        draft.provenance[key] = try fields.text(value, key, limit: 1000)
      }
    }
    try startingPoint(map, root, &draft)
    if let rules = map["rules"] {
      draft.rules = try self.rules(rules, recipe: draft.name, areOptional: areOptional)
    } else if draft.base != nil {
      throw fields.fault(
        .recipeKeyMissing, root, "rules", "rules on top of the base", "none",
        "add rules, or use the base itself")
    }
    return draft
  }

  /// Reads `base`, or `default` and `file-type`.
  private func startingPoint(_ map: [String: Node], _ root: Node, _ draft: inout RecipeDraft) throws {
    if let base = map["base"] {
      for key in ["default", "file-type"] {
        guard let node = map[key] else { continue }
        throw fields.fault(
          .recipeValue, node, key, "no \(key) beside base", "both",
          "leave \(key) out; a rule with role: any at the end gives all other tensors a type")
      }
      draft.base = (try fields.text(base, "base", limit: 1000), fields.line(base))
      return
    }
    guard let node = map["default"] else {
      throw fields.fault(
        .recipeKeyMissing, root, "base", "a base, such as base: q4_k_m", "neither base nor default",
        RecipeDocument.remedy)
    }
    let type = try self.type(node, "default")
    draft.defaultType = type
    draft.stockMix = try map["file-type"].map { node in
      let text = try fields.text(node, "file-type", limit: 64)
      let mixes = StockMix.allCases.filter { $0.defaultType != nil }
      guard let mix = mixes.first(where: { $0.rawValue == text }) else {
        throw fields.unknown(.recipeValue, node, "file-type", text, among: mixes.map(\.rawValue))
      }
      return mix
    }
    if draft.stockMix == nil { draft.stockMix = StockMix.allCases.first { $0.defaultType == type } }
    guard type.isQuantized || map["rules"] == nil else {
      throw fields.fault(
        .recipeValue, node, "default", "a quantized type where there are rules", type.name,
        "start from a quantized default, and give tensors that stay at 16 bits a rule")
    }
  }

  private func rules(_ node: Node, recipe: String, areOptional: Bool) throws -> [RecipeRule] {
    guard case .sequence(let items) = node else {
      throw fields.fault(
        .recipeValue, node, "rules", "a list of rules, each starting with -", fields.kind(node),
        RecipeDocument.remedy)
    }
    guard !items.isEmpty else {
      throw fields.fault(
        .recipeValue, node, "rules", "at least one rule", "an empty list", "add a rule, or leave the key out")
    }
    guard items.count <= Self.maxRuleCount else {
      throw fields.fault(
        .recipeTooLarge, node, "rules", "at most \(Self.maxRuleCount) rules", "\(items.count)",
        "join rules with lists of roles, or with patterns")
    }
    var seen: [Node: Int] = [:]
    return try items.enumerated().map { index, item in
      if let first = seen.updateValue(index, forKey: item) {
        throw fields.fault(
          .recipeKeyDuplicate, item, "rule \(index + 1)", "rules that differ", "rule \(first + 1) again",
          "delete one of them")
      }
      return try rule(item, number: index + 1, recipe: recipe, areOptional: areOptional)
    }
  }

  private func rule(_ node: Node, number: Int, recipe: String, areOptional: Bool) throws -> RecipeRule {
    let map = try fields.mapping(node, keys: Self.ruleKeys, what: "rule \(number)")
    let (subject, selection) = try self.subject(map, node, number: number)
    let type = try self.type(try fields.required("type", of: map, in: node), "type")
    let why = try fields.text(try fields.required("why", of: map, in: node), "why", limit: 1000)
    var rule = RecipeRule(
      recipe: recipe, file: fields.file, line: fields.line(node), type: type, why: why,
      isOptional: try map["optional"].map { try fields.flag($0, "optional") } ?? areOptional,
      subject: subject, selection: selection)
    rule.layers = try map["layers"].map { try places($0, "layers") }
    if let nth = map["nth"] {
      guard case .categories(let categories) = subject, categories.count == 1, categories[0].isNumbered else {
        throw fields.fault(
          .recipeValue, nth, "nth", "one category that is numbered: values, up, gate or down",
          selection, "use layers, which takes block numbers")
      }
      rule.nth = try places(nth, "nth")
    }
    rule.stacked = try map["stacked"].map { try fields.flag($0, "stacked") }
    rule.condition = try map["when"].map { try condition($0) } ?? RecipeCondition()
    rule.selection = try selection + details(map)
    return rule
  }

  /// What a rule looks at: exactly one of pattern, role and category.
  private func subject(
    _ map: [String: Node], _ node: Node, number: Int
  ) throws -> (subject: RecipeRule.Subject, selection: String) {
    let given = ["pattern", "role", "category"].filter { map[$0] != nil }
    guard given.count == 1, let key = given.first, let value = map[key] else {
      throw fields.fault(
        given.isEmpty ? .recipeKeyMissing : .recipeValue, node, "rule \(number)",
        "one of pattern, role and category", given.isEmpty ? "none" : given.joined(separator: " and "),
        "such as role: attention.v, or pattern: ffn_down_exps")
    }
    switch key {
    case "pattern":
      let text = try fields.text(value, "pattern", limit: 500)
      do {
        return (.pattern(try RulePattern(text)), text)
      } catch var error as RecipeError {
        error.fault.file = "\(fields.file):\(fields.line(value))"
        error.fault.subject = "pattern: \(text)"
        error.fault.remedy = "an expression is searched for anywhere in the name; \\. is a dot"
        error.code = .recipePattern
        throw error
      }
    case "role":
      let texts = try fields.list(value, "role")
      let roles = try texts.map { text, node in
        guard let role = RecipeRole(name: text) else {
          throw fields.unknown(.recipeRoleUnknown, node, "role", text, among: RecipeRole.all.map(\.name))
        }
        return role
      }
      return (.roles(roles), texts.map(\.text).joined(separator: ", "))
    default:
      let texts = try fields.list(value, "category")
      let categories = try texts.map { text, node in
        guard let found = TensorCategory.named.first(where: { $0.name == text }) else {
          throw fields.unknown(
            .recipeRoleUnknown, node, "category", text, among: TensorCategory.named.map(\.name))
        }
        return found.category
      }
      return (.categories(categories), texts.map(\.text).joined(separator: ", "))
    }
  }

  private func type(_ node: Node, _ key: String) throws -> TensorType {
    let text = try fields.text(node, key, limit: 64)
    guard let type = TensorType(name: text), BlockQuantizer.canQuantize(type) else {
      throw fields.unknown(.recipeTypeUnknown, node, key, text, among: Self.typeNames)
    }
    return type
  }

  private func places(_ node: Node, _ key: String) throws -> PlaceSelection {
    let texts = try fields.list(node, key)
    let (selection, problem) = PlaceSelection.parse(texts.map(\.text))
    guard let selection else {
      throw fields.fault(
        .recipeLayers, node, key,
        "numbers such as 3, ranges such as 0..3 or -2..-1, or "
          + PlaceSelection.names.map(\.name).joined(separator: ", "), problem,
        "numbers start at 0; -1 is the last")
    }
    return selection
  }

  private func condition(_ node: Node) throws -> RecipeCondition {
    let map = try fields.mapping(node, keys: Self.conditionKeys, what: "when")
    var condition = RecipeCondition()
    condition.architectures =
      try map["architecture"].map { try fields.list($0, "architecture").map(\.text) } ?? []
    func count(_ key: String) throws -> RecipeCondition.Count? {
      try map[key].map { node in
        let text = try fields.text(node, key, limit: 32)
        guard let count = RecipeCondition.Count(text) else {
          throw fields.fault(
            .recipeValue, node, key, "a count such as 8, or a range such as 4.. or ..1", "\"\(text)\"")
        }
        return count
      }
    }
    condition.experts = try count("experts")
    condition.queriesPerValue = try count("queries-per-value")
    condition.is70B = try map["size-class"].map { try fields.choice($0, "size-class", [("70b", true)]) }
    condition.importance = try map["imatrix"].map { try fields.flag($0, "imatrix") }
    return condition
  }

  /// The other parts of a selection, as they are shown.
  private func details(_ map: [String: Node]) throws -> String {
    var text = ""
    for key in ["layers", "nth"] {
      guard let node = map[key] else { continue }
      text += ", \(key) \(try fields.list(node, key).map(\.text).joined(separator: ", "))"
    }
    if let stacked = map["stacked"] {
      text += try fields.flag(stacked, "stacked") ? ", stacked" : ", not stacked"
    }
    guard let when = map["when"] else { return text }
    let conditions = try fields.mapping(when, keys: Self.conditionKeys, what: "when")
    for key in Self.conditionKeys {
      guard let node = conditions[key] else { continue }
      text += ", if \(key) \(try fields.list(node, key).map(\.text).joined(separator: " or "))"
    }
    return text
  }
}
