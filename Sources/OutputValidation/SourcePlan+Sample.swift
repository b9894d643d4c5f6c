internal import CheckpointConversion
internal import FileBytes

extension SourcePlan {
  /// Keeps some of the pairs alone, the same ones every time: all roles have their turn, and of each role layers from
  /// the first to the last.
  ///
  /// - Parameter count: How many.
  /// - Returns: What to say of it; `nil` when there are no more pairs than that.
  mutating func sample(_ count: Int) -> Finding? {
    guard count < pairs.count else { return nil }
    // Roles as names without the number of the layer, in the order of the plan.
    var roles: [[Int]] = []
    var places: [String: Int] = [:]
    for (index, pair) in pairs.enumerated() {
      let name = plan.tensors[pair.planned].name
      let role = name.split(separator: ".").filter { !$0.allSatisfy(\.isNumber) }.joined(separator: ".")
      if let place = places[role] {
        roles[place].append(index)
      } else {
        places[role] = roles.count
        roles.append([index])
      }
    }
    var shares = [Int](repeating: 0, count: roles.count)
    var left = count
    while left > 0 {
      for role in roles.indices where left > 0 && shares[role] < roles[role].count {
        shares[role] += 1
        left -= 1
      }
    }
    let chosen = zip(roles, shares).flatMap { role, share in
      (0..<share).map { role[(2 * $0 + 1) * role.count / (2 * share)] }
    }
    let all = pairs.count
    keep(chosen.sorted())
    return Finding(
      .note, .notChecked, "\(.sampleTensors)", expected: "all \(all) tensors compared with the source",
      found: "\(count) of them: "
        + Wording(shortList(pairs.map { plan.tensors[$0.planned].name }, limit: 100)),
      remedy: "leave \(.sampleTensors) out to compare all")
  }
}
