package import FileBytes
package import TensorTypes

/// What a user adds to a budget.
package struct MixConstraints: Hashable, Sendable {
  /// Roles whose layers all get one type.
  package var uniform: Set<TuningRole> = []
  /// The least type of roles, by bits per weight.
  package var least: [TuningRole: TensorType] = [:]
  /// The types that groups may get; `nil` for all candidates.
  ///
  /// Groups that no text reaches keep theirs.
  package var types: Set<TensorType>?

  /// Creates constraints; none.
  package init() {}

  /// The roles that a name of recipes stands for, such as `routed-experts` for both of its parts.
  ///
  /// - Parameters:
  ///   - name: The name.
  ///   - setting: What takes the name, for messages.
  /// - Returns: At least one role.
  /// - Throws: ``TuningError`` with `badConstraint`.
  package static func roles(named name: String, setting: Setting) throws -> [TuningRole] {
    let found = TuningRole.allCases.filter {
      $0.rawValue == name || $0.rawValue.hasPrefix(name + ".")
        || $0.recipeRoles.contains(name) && name != "any"
    }
    guard !found.isEmpty else {
      throw TuningError(
        .badConstraint,
        Fault(
          subject: Wording(setting),
          expected: "a role: \(TuningRole.allCases.map(\.rawValue).joined(separator: ", "))",
          found: "\"\(name)\""))
    }
    return found
  }
}

/// A table under constraints, as a solver takes it.
struct ConstrainedProblem {
  /// What is chosen together: the rows, and for every choice the index of each row's candidate.
  struct Unit {
    var rows: [Int]
    var choices: [(candidates: [Int], choice: MixProblem.Choice)]
  }

  private(set) var units: [Unit] = []

  /// The problem of the sizes and losses.
  var problem: MixProblem { MixProblem(groups: units.map { $0.choices.map(\.choice) }) }

  /// Applies constraints.
  ///
  /// - Throws: ``TuningError`` with `badConstraint` for a role that the model has not, and for a group that is left without a type.
  init(_ table: SensitivityTable, _ constraints: MixConstraints) throws {
    let present = Set(table.rows.map(\.group.role))
    let named =
      constraints.uniform.map { (Setting.uniformRoles, $0) }
      + constraints.least.keys.map { (Setting.leastTypes, $0) }
    for (setting, role) in named.sorted(by: { $0.1.rawValue < $1.1.rawValue }) where !present.contains(role) {
      throw TuningError(
        .badConstraint,
        Fault(
          file: table.model.name, subject: Wording(setting),
          expected: "a role of this model: "
            + Wording(TuningRole.allCases.filter(present.contains).map(\.rawValue).joined(separator: ", ")),
          found: "\(role.rawValue)"))
    }
    var open: [TuningRole: [(row: Int, candidates: [Int])]] = [:]
    for (index, row) in table.rows.enumerated() {
      let allowed = row.candidates.indices.filter { Self.allows(row.candidates[$0], of: row, constraints) }
      guard !allowed.isEmpty else { throw Self.nothingLeft(row, constraints, table) }
      if constraints.uniform.contains(row.group.role) {
        open[row.group.role, default: []].append((index, allowed))
      } else {
        units.append(
          Unit(
            rows: [index],
            choices: allowed.map { ([$0], Self.choice([row.candidates[$0]])) }))
      }
    }
    for (_, members) in open.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      units.append(try Self.joined(members, table, constraints))
    }
  }

  private static func choice(_ candidates: [SensitivityTable.Candidate]) -> MixProblem.Choice {
    MixProblem.Choice(
      byteCount: candidates.reduce(0) { $0 + $1.byteCount },
      loss: candidates.reduce(0) { $0 + $1.divergence })
  }

  private static func allows(
    _ candidate: SensitivityTable.Candidate, of row: SensitivityTable.Row, _ constraints: MixConstraints
  ) -> Bool {
    if let least = constraints.least[row.group.role], candidate.type.bitsPerWeight < least.bitsPerWeight {
      return false
    }
    return !row.isMeasured || constraints.types?.contains(candidate.type) ?? true
  }

  /// One unit of all layers of a role: the types that every layer may get.
  private static func joined(
    _ members: [(row: Int, candidates: [Int])], _ table: SensitivityTable, _ constraints: MixConstraints
  ) throws -> Unit {
    let first = table.rows[members[0].row]
    let types = members[0].candidates.map { first.candidates[$0].type }
    var choices: [(candidates: [Int], choice: MixProblem.Choice)] = []
    for type in types {
      let places = members.compactMap { member in
        member.candidates.first { table.rows[member.row].candidates[$0].type == type }
      }
      guard places.count == members.count else { continue }
      choices.append(
        (places, choice(zip(members, places).map { table.rows[$0.row].candidates[$1] })))
    }
    guard !choices.isEmpty else { throw nothingLeft(first, constraints, table) }
    return Unit(rows: members.map(\.row), choices: choices)
  }

  private static func nothingLeft(
    _ row: SensitivityTable.Row, _ constraints: MixConstraints, _ table: SensitivityTable
  ) -> TuningError {
    TuningError(
      .badConstraint,
      Fault(
        file: table.model.name, subject: "\(row.group.name)",
        expected: "a type that the constraints allow",
        found: "none among \(row.candidates.map(\.type.name).joined(separator: ", "))",
        remedy: "relax \(.candidateTypes), \(.leastTypes) or \(.uniformRoles)"))
  }
}
