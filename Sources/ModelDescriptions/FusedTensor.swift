/// A tensor of a GGUF that holds the rows of several tensors which other files keep apart, or one under another name.
package struct FusedTensor: Hashable, Sendable {
  /// One of the tensors in it.
  package struct Part: Hashable, Sendable {
    /// The name that it has where it is kept apart.
    package var name: String
    /// What it is for.
    package var slot: TensorSlot
    /// Its shape, fastest dimension first.
    package var ggmlShape: [Int]
    /// Its rows within each matrix of the whole, in order, in units of its own rows.
    package var runs: [Range<Int>]

    /// Creates a part.
    package init(name: String, slot: TensorSlot, ggmlShape: [Int], runs: [Range<Int>]) {
      self.name = name
      self.slot = slot
      self.ggmlShape = ggmlShape
      self.runs = runs
    }

    /// Rows of one matrix of the part.
    var rowsPerMatrix: Int { runs.reduce(0) { $0 + $1.count } }
  }

  /// The name in the file.
  package var name: String
  /// What it is for as a whole.
  package var slot: TensorSlot
  /// The number of its block.
  package var block: Int
  /// The shape in the file, fastest dimension first.
  package var ggmlShape: [Int]
  /// What it holds.
  package var parts: [Part]
  /// Whether models of the architecture exist without all of its parts.
  package var isOptional: Bool
  /// Whether llama.cpp reads it in this architecture.
  package var isStandard: Bool
}

extension ModelFamily {
  /// The tensors that may stand for some of `expected` in a file.
  ///
  /// - Gate and up projections of all experts as one stack, each expert's gate rows first (`ffn_gate_up_exps`); read
  ///   by llama.cpp in the hybrid mixtures, those with latent attention and those whose files have it so.
  /// - Queries, keys and values of softmax attention as one matrix, and their biases as one vector (`attn_qkv`).
  /// - Both projections of a Qwen3-Next delta net, grouped by key head as checkpoints have them (`ssm_in`); made by
  ///   converters until January 2026.
  /// - The time step's bias under the name that Ollama's converter gives it (`ssm_dt`), which llama.cpp does not know.
  func fusedTensors(_ expected: [ExpectedTensor], _ model: HyperParameters) -> [FusedTensor] {
    struct Place: Hashable {
      var slot: TensorSlot
      var block: Int
    }
    var known: [Place: ExpectedTensor] = [:]
    for tensor in expected {
      if let block = tensor.block { known[Place(slot: tensor.slot, block: block)] = tensor }
    }
    var result: [FusedTensor] = []
    for tensor in expected {
      guard let block = tensor.block else { continue }
      func name(_ own: String) -> String { CommonTensors.target(block) + own }
      /// The tensor and those in other slots of the block; `nil` when it lacks one.
      func with(_ slots: TensorSlot...) -> [ExpectedTensor]? {
        let found = slots.compactMap { known[Place(slot: $0, block: block)] }
        return found.count == slots.count ? [tensor] + found : nil
      }
      switch tensor.slot {
      case .query:
        guard let parts = with(.key, .value) else { continue }
        result.append(FusedTensor(name("attn_qkv.weight"), .queryKeyValue, block, stacking: parts))
      case .queryBias:
        guard let parts = with(.keyBias, .valueBias) else { continue }
        result.append(FusedTensor(name("attn_qkv.bias"), .queryKeyValueBias, block, stacking: parts))
      case .expertGate:
        guard let parts = with(.expertUp) else { continue }
        var whole = FusedTensor(name(ExpertRule.joinedName), .expertGateUp, block, stacking: parts)
        whole.isStandard = traits.isHybrid || traits.isLatent || traits.joinsExpertGateAndUp
        result.append(whole)
      case .stepBias:
        var whole = FusedTensor(name("ssm_dt"), .stepBias, block, stacking: [tensor])
        whole.isStandard = false
        result.append(whole)
      case .deltaNetInput:
        guard let net = model.linearAttention, !traits.tilesValueHeads, let parts = with(.deltaNetGate)
        else { continue }
        result.append(net.interleaved(name("ssm_in.weight"), block, parts))
      default: continue
      }
    }
    return result
  }
}

extension FusedTensor {
  /// Tensors one after the other: values of vectors, rows of each matrix.
  fileprivate init(_ name: String, _ slot: TensorSlot, _ block: Int, stacking parts: [ExpectedTensor]) {
    // The dimension that grows: the only one of a vector, the rows of a matrix.
    let axis = parts[0].ggmlShape.count > 1 ? 1 : 0
    var shape = parts[0].ggmlShape
    shape[axis] = parts.reduce(0) { $0 + $1.ggmlShape[axis] }
    var start = 0
    let made = parts.map { part -> Part in
      let extent = part.ggmlShape[axis]
      // A vector is one row of its own length; fused ones are multiples of each other.
      let run = axis == 0 ? (start / extent)..<(start / extent + 1) : start..<(start + extent)
      start += extent
      return Part(name: part.name, slot: part.slot, ggmlShape: part.ggmlShape, runs: [run])
    }
    self.init(
      name: name, slot: slot, block: block, ggmlShape: shape, parts: made,
      isOptional: parts.allSatisfy(\.isOptional), isStandard: true)
  }
}

extension GatedDeltaNet {
  /// Queries, keys and values, and output gates, as one matrix: for each key head its query, its key, the values of
  /// its value heads and their gates.
  fileprivate func interleaved(_ name: String, _ block: Int, _ parts: [ExpectedTensor]) -> FusedTensor {
    let values = repetition * valueDim
    let group = 2 * keyDim + 2 * values
    func runs(_ offset: Int, _ count: Int) -> [Range<Int>] {
      (0..<keyHeadCount).map { ($0 * group + offset)..<($0 * group + offset + count) }
    }
    let (main, gate) = (parts[0], parts[1])
    return FusedTensor(
      name: name, slot: .deltaNetInputGate, block: block,
      ggmlShape: [main.ggmlShape[0], keyHeadCount * group],
      parts: [
        .init(
          name: main.name, slot: main.slot, ggmlShape: main.ggmlShape,
          runs: runs(0, keyDim) + runs(keyDim, keyDim) + runs(2 * keyDim, values)),
        .init(
          name: gate.name, slot: gate.slot, ggmlShape: gate.ggmlShape,
          runs: runs(2 * keyDim + values, values)),
      ], isOptional: false, isStandard: true)
  }
}
