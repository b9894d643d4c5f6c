internal import FileBytes
internal import GGUFFormat

/// Which output file each tensor goes to.
struct ShardGroups {
  /// For each output file the tensors in it, in file order.
  let tensorIndices: [[Int]]
  /// Whether the output is a split set, with `split.*` keys and numbered names.
  let isSplit: Bool
  private let prefix: String
  private let singlePath: String

  /// Groups `tensors`, which are in output order; `sourceShards` says where each comes from.
  ///
  /// - Throws: `GGUFError` for limits that cannot be kept.
  init(choices: PlanChoices, tensors: [PlannedTensor], sourceShards: [Int]) throws {
    singlePath = choices.outputPath
    prefix = singlePath.hasSuffix(".gguf") ? String(singlePath.dropLast(5)) : singlePath
    switch choices.split {
    case .single:
      tensorIndices = [Array(tensors.indices)]
      isSplit = false
    case .limits(let maxByteCount, let maxTensorCount, let tensorsInFirst):
      let plan = try GGUFSplitPlan(
        tensorByteCounts: tensors.map(\.byteCount), style: .converter,
        limits: GGUFSplitPlan.Limits(
          tensorCount: maxTensorCount, byteCount: maxByteCount, firstShardIsEmpty: !tensorsInFirst))
      tensorIndices = plan.shards.map(Array.init)
      isSplit = !plan.isSingleFile
    case .asSource(let shardCount):
      var groups = [[Int]](repeating: [], count: shardCount)
      for (index, shard) in sourceShards.enumerated() { groups[shard].append(index) }
      tensorIndices = groups
      isSplit = shardCount > 1
    }
  }

  /// The path of output file `number`.
  func path(_ number: Int) -> String {
    isSplit ? GGUFSplitKeys.fileName(prefix: prefix, shard: number, count: tensorIndices.count) : singlePath
  }
}
