internal import TensorTypes

extension ExpertRule {
  /// The place of one matrix: rows of a source for one expert.
  struct Slot {
    var role: Role
    var expert: Int
    var firstRow: Int
    var rowCount: Int
    var order = RowOrder.identity
  }

  /// A tensor that holds matrices of experts: its row-major shape and where each matrix is.
  struct Layout {
    var shape: [Int]
    var runs: [Slot]
  }

  /// How a tensor of one of the layouts may hold its matrices, the most common one first; none if it is no such tensor.
  func layouts(of part: ExpertStack.Part) -> [Layout] {
    if let expert = part.expert {
      guard expert < count, let role = role(named: part.name) else { return [] }
      return [
        Layout(
          shape: matrix(role),
          runs: [Slot(role: role, expert: expert, firstRow: 0, rowCount: matrix(role)[0])])
      ]
    }
    let isJoint = part.name == "gate_up_proj"
    guard isJoint || Self.generalNames[part.name] != nil else { return [] }
    let roles = isJoint ? [.gate, .up] : [Self.generalNames[part.name] ?? .down]
    let rows = matrix(roles[0])[0] * roles.count
    let columns = matrix(roles[0])[1]
    let plain = Layout(
      shape: [count, rows, columns],
      runs: slots(roles) { expert, position, rowCount in
        isJoint && alternatesGateAndUp
          ? (expert * rows + position, .every(step: roles.count))
          : (expert * rows + position * rowCount, .identity)
      })
    guard mayBeTransposed else { return [plain] }
    let transposed = Layout(
      shape: [count, columns, rows],
      runs: slots(roles) { expert, position, rowCount in
        let first = expert * rows * columns
        return isJoint && alternatesGateAndUp
          ? (0, .columns(firstElement: first + position, stride: rows, step: roles.count))
          : (0, .columns(firstElement: first + position * rowCount, stride: rows))
      })
    return [plain, transposed]
  }

  private func slots(
    _ roles: [Role], place: (_ expert: Int, _ position: Int, _ rowCount: Int) -> (Int, RowOrder)
  ) -> [Slot] {
    (0..<count).flatMap { expert in
      roles.enumerated().map { position, role in
        let rowCount = matrix(role)[0]
        let (firstRow, order) = place(expert, position, rowCount)
        return Slot(role: role, expert: expert, firstRow: firstRow, rowCount: rowCount, order: order)
      }
    }
  }

  /// The role of a matrix; tools that take fused experts apart write the general names in every family.
  func role(named name: String) -> Role? {
    names.first { $0.value == name }?.key ?? Self.generalNames[name]
  }

  private static let generalNames: [String: Role] = ["gate_proj": .gate, "up_proj": .up, "down_proj": .down]
}

/// The matrices of a block's routed experts, as they are found.
struct ExpertStack {
  /// What the name of an expert tensor says.
  struct Part {
    /// The expert, `nil` for tensors that hold all of them.
    var expert: Int?
    /// The name of the matrix.
    var name: String

    /// Takes a name apart; `nil` when it is no expert tensor of the blocks with these prefixes.
    static func parse(_ name: String, prefixes: Dictionary<String, ExpertStack>.Keys) -> (
      prefix: String, part: Part
    )? {
      let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(
        Substring.init)
      guard let at = parts.firstIndex(where: { $0 == "experts" || $0 == "switch_mlp" }) else { return nil }
      let prefix = String(name[..<parts[at].startIndex])
      guard prefixes.contains(prefix) else { return nil }
      let rest = parts[(at + 1)...]
      guard let first = rest.first else { return nil }
      if parts[at] == "experts", let expert = Int(first), expert >= 0, String(expert) == first {
        guard rest.count == 3, rest.last == "weight" else { return nil }
        return (prefix, Part(expert: expert, name: String(rest[rest.startIndex + 1])))
      }
      guard rest.count == 1 || (rest.count == 2 && rest.last == "weight") else { return nil }
      return (prefix, Part(expert: nil, name: String(first)))
    }
  }

  let rule: ExpertRule
  /// True once a tensor was refused, so that the rest is not reported missing as well.
  var isBroken = false
  private var filled: [ExpertRule.Role: [RowRun?]]
  private var counts: [ExpertRule.Role: Int] = [:]
  private var written: Set<ExpertRule.Role> = []

  init(rule: ExpertRule) {
    self.rule = rule
    filled = [:]
  }

  /// Puts a matrix in its place; `false` when the place is taken.
  mutating func fill(_ role: ExpertRule.Role, expert: Int, _ run: RowRun) -> Bool {
    var runs = filled.removeValue(forKey: role) ?? [RowRun?](repeating: nil, count: rule.count)
    defer { filled[role] = runs }
    guard runs[expert] == nil else { return false }
    runs[expert] = run
    counts[role, default: 0] += 1
    return true
  }

  /// The roles that became complete and are to be written now.
  ///
  /// The per-expert layout writes all three once the last matrix is there; the others each when it comes.
  mutating func takeComplete(byExpert: Bool) -> [ExpertRule.Role] {
    let complete = rule.order.filter { counts[$0] == rule.count && !written.contains($0) }
    if byExpert, complete.count + written.count < rule.order.count { return [] }
    written.formUnion(complete)
    return complete
  }

  /// The experts of which a matrix was found.
  var presentExperts: Set<Int> {
    Set(filled.values.flatMap { runs in runs.indices.filter { runs[$0] != nil } })
  }

  /// The runs of a role, in order of expert.
  func runs(_ role: ExpertRule.Role) -> [RowRun] { (filled[role] ?? []).compactMap(\.self) }

  /// The runs of gate and up projections as one matrix per expert.
  var joinedRuns: [RowRun] {
    zip(runs(.gate), runs(.up)).flatMap { [$0, $1] }
  }

  /// The tensors that would complete the stack, in the per-expert layout or, if none was found, the fused one.
  var missingNames: [String] {
    if counts.isEmpty { return [rule.prefix + "experts (none of the known layouts)"] }
    return rule.order.flatMap { role -> [String] in
      let runs = filled[role] ?? [RowRun?](repeating: nil, count: rule.count)
      let gaps = runs.indices.filter { runs[$0] == nil }
      let name = rule.names[role] ?? role.rawValue
      if gaps.count == rule.count { return [rule.prefix + "experts.*.\(name).weight"] }
      return gaps.map { rule.prefix + "experts.\($0).\(name).weight" }
    }
  }
}
