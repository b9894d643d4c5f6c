internal import TensorCompute

/// What inflating compressed shards takes while a model goes through its layers, foretold by the code that does it.
package struct Inflation: Hashable, Sendable {
  /// One file.
  package struct Shard: Hashable, Sendable {
    /// Its name.
    package var name: String
    /// Its size on disk.
    package var storedByteCount: Int
    /// Its size, inflated.
    package var byteCount: Int
    /// How often its stream is started at the front, for each group of windows after the first.
    package var startsPerGroup: Int
    /// How often in all, opening the model included.
    package var startCount: Int
    /// Bytes that come out of the stream in all, those that are skipped included.
    package var inflatedByteCount: Int

    /// Bytes of the file that are read in all, taken as evenly compressed.
    package var readByteCount: Int {
      byteCount > 0 ? Int(Double(storedByteCount) / Double(byteCount) * Double(inflatedByteCount)) : 0
    }
  }

  /// The compressed files, in the order of the checkpoint.
  package var shards: [Shard]

  /// Bytes that come out of all streams.
  package var inflatedByteCount: Int { shards.reduce(0) { $0 + $1.inflatedByteCount } }
  /// Bytes that are read of all files.
  package var readByteCount: Int { shards.reduce(0) { $0 + $1.readByteCount } }
}

extension LoadedModel {
  /// What inflating the compressed shards takes when windows go through layer by layer, see ``GroupSession``.
  ///
  /// A stream is read from front to back. A shard whose tensors are in the order of layers is inflated once for each
  /// group; where a layer needs what lies before the place of the stream, it starts over.
  ///
  /// - Parameters:
  ///   - groupCount: Groups of windows; 0 for windows one by one, which have all weights inflated at once.
  ///   - givesWeightsBack: Whether weights are given back as soon as a layer is done.
  /// - Returns: The work; `nil` for a model without compressed shards.
  package func inflation(groupCount: Int, givesWeightsBack: Bool) -> Inflation? {
    guard let store = store as? CheckpointTensorStore else { return nil }
    let (embedding, output) = ([weights.embedding.weights], [weights.output.weights])
    let layers = weights.layers.map(\.matrices)
    guard groupCount > 0 else {
      return store.inflation(of: [.load(embedding + output + layers.joined())], groupCount: 1)
    }
    // What a GroupSession does: the next layer is loaded while one computes, which is given back then.
    var group: [CheckpointTensorStore.LoadStep] = [.load(embedding), .release(embedding), .load(layers[0])]
    for index in layers.indices {
      if index + 1 < layers.count { group.append(.load(layers[index + 1])) }
      group.append(.release(layers[index]))
    }
    group += [.load(output), .release(output)]
    if !givesWeightsBack {
      group.removeAll { if case .release = $0 { true } else { false } }
    }
    return store.inflation(of: group, groupCount: groupCount)
  }
}

extension CheckpointTensorStore {
  /// What is done with weights, for ``inflation(of:groupCount:)``.
  enum LoadStep {
    case load([WeightMatrix])
    case release([WeightMatrix])
  }

  /// Goes through the steps of every group of windows without reading anything.
  func inflation(of group: [LoadStep], groupCount: Int) -> Inflation? {
    let files = shards.compactMap(\.region).filter { $0.compressed != nil }
    guard !files.isEmpty else { return nil }
    let streams = files.compactMap(\.compressed)
    let numbers = Dictionary(
      files.enumerated().map { (ObjectIdentifier($1), $0) }, uniquingKeysWith: { first, _ in first })
    func compressedRanges(of weights: [WeightMatrix]) -> [(Int, [Range<Int>])] {
      parts(of: weights).compactMap { part in numbers[ObjectIdentifier(part.region)].map { ($0, part.ranges) }
      }
    }
    var ranges = streams.map { shard in
      var ranges = LateRanges(keeping: shard.kept)
      ranges.load(ranges.kept) { _, _ in }
      return ranges
    }
    func go() {
      for step in group {
        switch step {
        case .load(let weights):
          for (index, wanted) in compressedRanges(of: weights) { ranges[index].load(wanted) { _, _ in } }
        case .release(let weights):
          for (index, unwanted) in compressedRanges(of: weights) { _ = ranges[index].release(unwanted) }
        }
      }
    }
    // From the second group on, streams are where the group before left them.
    let opened = ranges
    go()
    let first = ranges
    if groupCount > 1 { go() }
    let others = max(0, groupCount - 1)
    return Inflation(
      shards: streams.indices.map { index in
        let starts = ranges[index].startCount - first[index].startCount
        let bytes = ranges[index].inflatedByteCount - first[index].inflatedByteCount
        return Inflation.Shard(
          name: streams[index].name, storedByteCount: streams[index].storedByteCount,
          byteCount: streams[index].byteCount,
          startsPerGroup: groupCount > 1 ? starts : first[index].startCount - opened[index].startCount,
          startCount: first[index].startCount + others * starts,
          inflatedByteCount: first[index].inflatedByteCount + others * bytes)
      })
  }
}

extension LoadedModel {
  /// How often each compressed shard was started so far, and what came out, in the order of ``Inflation/shards``.
  package var inflated: [(startCount: Int, byteCount: Int)] {
    ((store as? CheckpointTensorStore)?.shards ?? []).compactMap { shard in
      (shard.region as? LateShard)?.total
    }
  }

  /// Whether the output matrix is the embedding.
  package var weightsAreTied: Bool { weights.output.name == weights.embedding.name }
}
