package import FileBytes

/// What a part of a run will do, for people.
package struct PartOutline: Hashable, Sendable {
  /// The part.
  package var part: RunPart
  /// Its share of the work of all parts, from 0 to 1.
  package var share: Double
  /// Bytes of source weights that it takes.
  package var sourceByteCount: Int
  /// The shards that it makes, where outputs are split.
  package var shards: [String]
}

extension PlanExecutor {
  /// What a part will do.
  package func outline(of part: RunPart) -> PartOutline {
    let shares = PartShares(outputs, count: part.count)
    let all = shares.costs.reduce(0, +)
    return PartOutline(
      part: part, share: all > 0 ? shares.costs[part.index] / all : 0,
      sourceByteCount: PartOfRun(part, outputs, Array(outputs.indices)).sourceByteCount(WorkUnion(outputs)),
      shards: outputs.indices.filter { outputs[$0].plan.files.count > 1 }.flatMap { index in
        shares.files(of: part, output: index).map { outputs[index].plan.files[$0].path }
      })
  }
}
