/// Which weights a ``GroupDecoder`` keeps from step to step; the others are read again in every step.
///
/// Steps use all layers in turn, so that keeping some of them for good saves reading, and keeping those used last does
/// not.
package struct KeptWeights: Hashable, Sendable {
  /// Layers that are kept, from the first one on.
  package var layerCount: Int
  /// Whether the output matrix is kept.
  package var keepsOutput: Bool

  /// Creates a choice.
  package init(layerCount: Int, keepsOutput: Bool) {
    self.layerCount = layerCount
    self.keepsOutput = keepsOutput
  }

  /// All weights, for models that fit in memory.
  package static let all = KeptWeights(layerCount: .max, keepsOutput: true)
}

extension KeptWeights {
  /// The bytes of files that a step reads, if rows choose experts by chance; 0 where all weights are kept.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - rows: Rows of the step.
  /// - Returns: The bytes, each time they are read.
  package func readByteCount(of model: LoadedModel, rows: Int) -> Int {
    let stages = WeightStages.stages(of: model, self)
    return stages.reduce(0) { sum, stage in
      guard !stage.isKept else { return sum }
      let experts = model.store.footprint(of: stage.stacks.flatMap(\.matrices)).readByteCount
      return sum + model.store.footprint(of: stage.others).readByteCount
        + Int(Double(experts) * (stage.expectedShare(rows: rows, model.store) ?? 1))
    }
  }
}
