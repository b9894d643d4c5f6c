/// A tensor of a GGUF that holds the rows of several tensors which other files keep apart, or one under another name.
public struct FusedTensor: Hashable, Sendable {
  /// One of the tensors in it.
  public struct Part: Hashable, Sendable {
    /// The name that it has where it is kept apart.
    public var name: String
    /// Its shape, fastest dimension first.
    public var ggmlShape: [Int]
    /// Its rows within each matrix of the whole, in order, in units of its own rows.
    public var runs: [Range<Int>]

    /// Creates a part.
    public init(name: String, ggmlShape: [Int], runs: [Range<Int>]) {
      self.name = name
      self.ggmlShape = ggmlShape
      self.runs = runs
    }

    /// Rows of one matrix of the part.
    var rowsPerMatrix: Int { runs.reduce(0) { $0 + $1.count } }
  }

  /// The name in the file.
  public var name: String
  /// The shape in the file, fastest dimension first.
  public var ggmlShape: [Int]
  /// What it holds.
  public var parts: [Part]
  /// Whether models of the architecture exist without all of its parts.
  public var isOptional: Bool
  /// Whether llama.cpp reads it in this architecture.
  public var isStandard: Bool
}

extension ModelFamily {
  /// The tensors that may stand for some of `expected` in a file.
  ///
  /// - Gate and up projections of all experts as one stack, each expert's gate rows first (`ffn_gate_up_exps`); read
  ///   by llama.cpp in the hybrid mixtures and those with latent attention alone.
  /// - Queries, keys and values of softmax attention as one matrix, and their biases as one vector (`attn_qkv`).
  /// - Both projections of a Qwen3-Next delta net, grouped by key head as checkpoints have them (`ssm_in`); made by
  ///   converters until January 2026.
  /// - The time step's bias under the name that Ollama's converter gives it (`ssm_dt`), which llama.cpp does not know.
  func fusedTensors(_ expected: [ExpectedTensor], _ model: HyperParameters) -> [FusedTensor] {
    let known = Dictionary(expected.map { ($0.name, $0) }) { first, _ in first }
    var result: [FusedTensor] = []
    func stack(_ name: String, _ parts: [ExpectedTensor], isStandard: Bool = true) {
      // The dimension that grows: the only one of a vector, the rows of a matrix.
      let axis = parts[0].ggmlShape.count > 1 ? 1 : 0
      var shape = parts[0].ggmlShape
      shape[axis] = parts.reduce(0) { $0 + $1.ggmlShape[axis] }
      var start = 0
      let made = parts.map { part -> FusedTensor.Part in
        let extent = part.ggmlShape[axis]
        // A vector is one row of its own length; fused ones are multiples of each other.
        let run = axis == 0 ? (start / extent)..<(start / extent + 1) : start..<(start + extent)
        start += extent
        return .init(name: part.name, ggmlShape: part.ggmlShape, runs: [run])
      }
      result.append(
        FusedTensor(
          name: name, ggmlShape: shape, parts: made, isOptional: parts.allSatisfy(\.isOptional),
          isStandard: isStandard))
    }
    func others(_ tensor: ExpectedTensor, _ own: String, _ names: [String]) -> [ExpectedTensor]? {
      guard tensor.name.hasSuffix(own) else { return nil }
      let stem = tensor.name.dropLast(own.count)
      let found = names.compactMap { known[stem + $0] }
      return found.count == names.count ? [tensor] + found : nil
    }
    for tensor in expected where tensor.name.hasPrefix("blk.") {
      let block = "blk." + tensor.name.dropFirst(4).prefix { $0 != "." } + "."
      for suffix in ["weight", "bias"] {
        if let parts = others(tensor, ".attn_q." + suffix, [".attn_k." + suffix, ".attn_v." + suffix]) {
          stack(block + "attn_qkv." + suffix, parts)
        }
      }
      if let parts = others(tensor, ".ffn_gate_exps.weight", [".ffn_up_exps.weight"]) {
        stack(block + "ffn_gate_up_exps.weight", parts, isStandard: traits.isHybrid || traits.isLatent)
      }
      if tensor.name.hasSuffix(".ssm_dt.bias") {
        let part = FusedTensor.Part(name: tensor.name, ggmlShape: tensor.ggmlShape, runs: [0..<1])
        result.append(
          FusedTensor(
            name: block + "ssm_dt", ggmlShape: tensor.ggmlShape, parts: [part], isOptional: false,
            isStandard: false))
      }
      if let net = model.linearAttention, !traits.tilesValueHeads,
        let parts = others(tensor, ".attn_qkv.weight", [".attn_gate.weight"])
      {
        result.append(net.interleaved(block + "ssm_in.weight", parts))
      }
    }
    return result
  }
}

extension GatedDeltaNet {
  /// Queries, keys and values, and output gates, as one matrix: for each key head its query, its key, the values of
  /// its value heads and their gates.
  fileprivate func interleaved(_ name: String, _ parts: [ExpectedTensor]) -> FusedTensor {
    let values = repetition * valueDim
    let group = 2 * keyDim + 2 * values
    func runs(_ offset: Int, _ count: Int) -> [Range<Int>] {
      (0..<keyHeadCount).map { ($0 * group + offset)..<($0 * group + offset + count) }
    }
    let (main, gate) = (parts[0], parts[1])
    return FusedTensor(
      name: name, ggmlShape: [main.ggmlShape[0], keyHeadCount * group],
      parts: [
        .init(
          name: main.name, ggmlShape: main.ggmlShape,
          runs: runs(0, keyDim) + runs(keyDim, keyDim) + runs(2 * keyDim, values)),
        .init(name: gate.name, ggmlShape: gate.ggmlShape, runs: runs(2 * keyDim + values, values)),
      ], isOptional: false, isStandard: true)
  }
}
