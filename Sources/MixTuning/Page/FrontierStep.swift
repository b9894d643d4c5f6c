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
    for role in TuningRole.allCases {
      let rows = groups.indices.filter { groups[$0].role == role }
      var byChange: [(change: Change, rows: [Int])] = []
      for row in rows where old[row] != new[row] {
        let change = Change(old: old[row], new: new[row])
        if let known = byChange.firstIndex(where: { $0.change == change }) {
          byChange[known].rows.append(row)
        } else {
          byChange.append((change, [row]))
        }
      }
      let present = rows.compactMap { groups[$0].layer }.sorted()
      for (change, changed) in byChange {
        let list = LayerList(changed.compactMap { groups[$0].layer }.sorted(), among: present)
        let layers = changed.count == rows.count ? nil : list.items.joined(separator: ", ")
        if let same = found.firstIndex(where: { $0.layers == layers && $0.change == change }) {
          found[same].roles.append(role.rawValue)
        } else {
          found.append(([role.rawValue], layers, change))
        }
      }
    }
    return found.map { roles, layers, change in
      let place = layers.map { " in \($0.contains(where: { ",.".contains($0) }) ? "layers" : "layer") \($0)" }
      return "\(roles.joined(separator: ", "))\(place ?? ""): \(change.old.name) → \(change.new.name)"
    }
  }
}
