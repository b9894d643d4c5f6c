internal import TensorTypes

/// A rule of a recipe that is about to be written: which groups of a table it gives a type to.
struct MixRule: Hashable {
  /// The names of `role:`.
  var roles: [String]
  /// The value of `layers:`; `nil` for all layers.
  var layers: String?
  /// The type.
  var type: TensorType
  /// The indices of the table's rows that it decides about.
  var rows: [Int]

  /// What it selects, such as `attention.v in layers 0..3`.
  var selection: String {
    let roles = roles.joined(separator: ", ")
    guard let layers else { return roles }
    let isOne = !layers.contains("[") && !layers.contains("..")
    return "\(roles) in \(isOne ? "layer" : "layers") "
      + layers.replacing("[", with: "").replacing("]", with: "")
  }
}

extension MixRule {
  /// The rules that give types to all groups of a table, in the order in which they are tried.
  ///
  /// The type that most layers of a role have becomes the rule of the role; other layers are listed before it, a rule for each
  /// type. Roles of one kind (`attention.q`, `attention.k`, …) that agree share a rule, under the kind's own name when all of
  /// them do.
  ///
  /// - Parameters:
  ///   - groups: The groups.
  ///   - types: The type of each.
  /// - Returns: The rules; none catches a group of another rule that is tried after it.
  static func rules(of groups: [TuningGroup], types: [TensorType]) -> [MixRule] {
    var rules: [MixRule] = []
    // It is caught by any role, so that it goes first.
    for row in groups.indices where groups[row].role == .nextToken {
      rules.append(
        MixRule(
          roles: TuningRole.nextToken.recipeRoles, layers: TuningRole.nextToken.recipeLayers,
          type: types[row], rows: [row]))
    }
    var kinds: [String] = []
    var parts: [String: [RolePart]] = [:]
    for role in TuningRole.allCases where role != .nextToken {
      let rows = groups.indices.filter { groups[$0].role == role }
      guard !rows.isEmpty else { continue }
      let kind = role.kind
      if parts[kind] == nil { kinds.append(kind) }
      parts[kind, default: []].append(RolePart(role: role, rows: rows, groups: groups, types: types))
    }
    for kind in kinds {
      let roles = parts[kind] ?? []
      rules += merged(roles.map(\.exceptions).joined(), kind: kind, count: roles.count)
      rules += merged(roles.map(\.general), kind: kind, count: roles.count)
    }
    return rules
  }

  /// Joins rules of the roles of one kind that differ in nothing but the role.
  private static func merged(_ rules: some Sequence<MixRule>, kind: String, count: Int) -> [MixRule] {
    var result: [(rule: MixRule, count: Int)] = []
    for rule in rules {
      if let same = result.firstIndex(where: { $0.rule.layers == rule.layers && $0.rule.type == rule.type }) {
        result[same].rule.roles += rule.roles
        result[same].rule.rows += rule.rows
        result[same].count += 1
      } else {
        result.append((rule, 1))
      }
    }
    return result.map { found in
      var rule = found.rule
      if found.count == count { rule.roles = [kind] }
      return rule
    }
  }
}

/// A role with its layers.
private struct RolePart {
  /// The rule of the role, which catches what its exceptions leave.
  let general: MixRule
  /// Layers with other types, a rule for each type, in the order of their first layers.
  let exceptions: [MixRule]

  init(role: TuningRole, rows: [Int], groups: [TuningGroup], types: [TensorType]) {
    var rowsOfType: [TensorType: [Int]] = [:]
    for row in rows { rowsOfType[types[row], default: []].append(row) }
    func weights(_ rows: [Int]) -> Int { rows.reduce(0) { $0 + groups[$1].weights } }
    let order = rowsOfType.sorted { $0.value[0] < $1.value[0] }
    let general =
      order.max {
        ($0.value.count, weights($0.value), $1.value[0]) < ($1.value.count, weights($1.value), $0.value[0])
      }?.key ?? types[rows[0]]
    self.general = MixRule(roles: role.recipeRoles, type: general, rows: rowsOfType[general] ?? [])
    let present = rows.compactMap { groups[$0].layer }.sorted()
    exceptions = order.filter { $0.key != general }.map { type, rows in
      let layers = rows.compactMap { groups[$0].layer }.sorted()
      return MixRule(
        roles: role.recipeRoles, layers: LayerList(layers, among: present).yaml, type: type, rows: rows)
    }
  }
}

extension TuningRole {
  /// What stands before the first dot: the name that recipes have for all roles of the kind.
  var kind: String { rawValue.split(separator: ".").first.map(String.init) ?? rawValue }
}
