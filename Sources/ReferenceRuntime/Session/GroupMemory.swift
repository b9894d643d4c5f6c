internal import ModelDescriptions
internal import TensorCompute

/// What a ``GroupSession`` takes, foretold by the code that takes it.
package struct GroupMemory: Hashable, Sendable {
  /// Bytes that are kept for each token of a group.
  package var streamByteCountPerToken: Int
  /// Bytes of caches and recurrent states.
  package var stateByteCount: Int
  /// Bytes of scratch memory while layers run; given back before logits are made.
  package var scratchByteCount: Int
  /// Bytes of scratch memory while logits are made.
  package var logitsByteCount: Int

  /// Counts for a model; `nil` when an integer does not hold a sum.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - contextLength: The most tokens of a sequence.
  ///   - options: How the work is cut.
  ///   - threads: Threads that compute.
  ///   - cacheType: How keys and values are kept.
  package init?(
    _ model: LoadedModel, contextLength: Int, options: GroupOptions, threads: Int, cacheType: CacheType = .f32
  ) {
    let architecture = model.architecture
    let width = architecture.hiddenSize
    let batch = min(options.batchLength, contextLength)
    let rows = options.feedForwardRows
    let counter = ScratchCounter()
    _ = try? BranchScratch(counter, count: max(batch, rows), width: width)
    var shapes: Set<LayerState.Shape> = []
    var widest = width
    for layer in architecture.layers {
      shapes.insert(LayerState.Shape(layer.mixer))
      counter.addMixer(
        layer.mixer, count: batch, contextLength: contextLength, batchLength: options.batchLength,
        workers: threads)
      counter.addFeedForward(layer.feedForward, count: rows, width: width)
      if let part = layer.feedForward.dense { widest = max(widest, part.width) }
      if let part = layer.feedForward.experts { widest = max(widest, part.width * part.usedCount) }
    }
    var states = 0
    for shape in shapes {
      let bytes = shape.byteCount(
        contextLength: contextLength, batchLength: options.batchLength, type: cacheType)
      guard let bytes, bytes < .max / 1024 else { return nil }
      states += bytes
    }
    let values = counter.counts.values.reduce(0.0) { $0 + Double($1) }
    let tables = RotaryTableSize.valueCount(architecture, positions: contextLength)
    // Activations as codes: two bytes a value, sums and scales.
    let codes = 2.5 * Double(max(batch, rows)) * Double(widest)
    let scratch = 4 * (values + Double(tables)) + codes
    guard scratch < 1e18 else { return nil }
    streamByteCountPerToken = 4 * width
    stateByteCount = states
    scratchByteCount = Int(scratch)
    logitsByteCount = 4 * min(64, options.batchLength) * (model.vocabularySize + width)
  }
}

/// What the weights of a model take, in the parts that a ``GroupSession`` has ready at a time.
package struct GroupWeights: Hashable, Sendable {
  /// Of each layer.
  package var layers: [WeightFootprint]
  /// Of the output matrix.
  package var output: WeightFootprint

  /// Looks at the weights of a model.
  package init(_ model: LoadedModel) {
    layers = model.weights.layers.map { model.store.footprint(of: $0.matrices) }
    output = model.store.footprint(of: [model.weights.output.weights])
  }

  /// Of all together.
  package var all: WeightFootprint {
    layers.reduce(into: output) { sum, layer in
      sum.memoryByteCount += layer.memoryByteCount
      sum.readByteCount += layer.readByteCount
      sum.inflatedByteCount += layer.inflatedByteCount
    }
  }
}
