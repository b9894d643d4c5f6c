internal import TensorTypes

/// What the step from one solved mix to the next larger one buys.
struct FrontierStep: Hashable {
  /// Bytes more.
  let byteCount: Int
  /// The divergence after the step over that before it, as predicted.
  let ratio: Double
  /// The divergence that is saved for each further megabyte, as predicted.
  let savedPerMegabyte: Double
  /// What changes, such as `attention.v in layers 0..3: q4_K → q6_K`.
  let changes: [String]

  /// Compares two mixes of one table.
  init(from small: TunedMix, to large: TunedMix, in table: SensitivityTable) {
    byteCount = large.fileByteCount - small.fileByteCount
    let saved = small.predictedDivergence - large.predictedDivergence
    ratio = small.predictedDivergence > 0 ? large.predictedDivergence / small.predictedDivergence : 1
    savedPerMegabyte = byteCount > 0 ? saved / (Double(byteCount) / 1e6) : 0
    changes = Self.changes(small.types(in: table), large.types(in: table), table.rows.map(\.group))
  }

  private struct Change: Hashable {
    let old: TensorType
    let new: TensorType
  }

  private static func changes(_ old: [TensorType], _ new: [TensorType], _ groups: [TuningGroup]) -> [String] {
    var found: [(roles: [String], layers: String?, change: Change)] = []
    var kinds: [(name: String, roles: [TuningRole])] = []
    for role in TuningRole.allCases where groups.contains(where: { $0.role == role }) {
      if kinds.last?.name == role.kind {
        kinds[kinds.count - 1].roles.append(role)
      } else {
        kinds.append((role.kind, [role]))
      }
    }
    for kind in kinds {
      var ofKind: [(roles: [String], layers: String?, change: Change)] = []
      for role in kind.roles {
        let rows = groups.indices.filter { groups[$0].role == role }
        let present = rows.compactMap { groups[$0].layer }.sorted()
        var byChange: [(change: Change, rows: [Int])] = []
        for row in rows where old[row] != new[row] {
          let change = Change(old: old[row], new: new[row])
          if let known = byChange.firstIndex(where: { $0.change == change }) {
            byChange[known].rows.append(row)
          } else {
            byChange.append((change, [row]))
          }
        }
        for (change, changed) in byChange {
          let list = LayerList(changed.compactMap { groups[$0].layer }.sorted(), among: present)
          let layers = changed.count == rows.count ? nil : list.items.joined(separator: ", ")
          if let same = ofKind.firstIndex(where: { $0.layers == layers && $0.change == change }) {
            ofKind[same].roles.append(role.rawValue)
          } else {
            ofKind.append(([role.rawValue], layers, change))
          }
        }
      }
      for var entry in ofKind {
        if entry.roles.count == kind.roles.count { entry.roles = [kind.name] }
        if entry.layers == nil,
          let same = found.firstIndex(where: { $0.layers == nil && $0.change == entry.change })
        {
          found[same].roles += entry.roles
        } else {
          found.append(entry)
        }
      }
    }
    return found.map { roles, layers, change in
      let place = layers.map { " in \($0.contains(where: { ",.".contains($0) }) ? "layers" : "layer") \($0)" }
      return "\(roles.joined(separator: ", "))\(place ?? ""): \(change.old.name) → \(change.new.name)"
    }
  }
}
