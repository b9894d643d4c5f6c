import FileBytes
import ModelDescriptions
import TensorTypes
import Testing
import TextTokenizers

/// Applies feeds to sources whose values are their own flat indices.
struct IndexedSources {
  var tensors: [SourceTensor]

  /// For each value of an output: which source and which flat index in it.
  func origins(_ output: OutputTensor) throws -> [[Int]] {
    guard case .feed(let feed) = output.content, let length = output.ggmlShape.first else { return [] }
    var result: [[Int]] = []
    for run in feed.runs {
      for offset in 0..<run.rowCount {
        let start = run.sourceRow(at: offset) * length
        for column in 0..<length {
          var from = column
          if case .blocks(let width, let order) = feed.columns {
            from = order[column / width] * width + column % width
          }
          result.append([run.source, start + from])
        }
      }
    }
    return result
  }
}

@Suite("Transforms")
struct TransformTests {
  private func mapped(_ golden: String, _ name: String) throws -> (
    sources: [SourceTensor], origins: [[Int]], output: OutputTensor
  ) {
    let golden = GoldenCase(name: golden)
    let sources = try golden.sources()
    let output = try #require(try golden.map().outputs.first { $0.name == name })
    return (sources, try IndexedSources(tensors: sources).origins(output), output)
  }

  private func index(_ sources: [SourceTensor], _ name: String) throws -> Int {
    try #require(sources.firstIndex { $0.name == name })
  }

  @Test("Value heads go from grouped to tiled")
  func headOrder() {
    func order(_ keyHeads: Int, _ valueHeads: Int) -> [Int] {
      GatedDeltaNet(
        keyHeadCount: keyHeads, valueHeadCount: valueHeads, keyDim: 1, valueDim: 1, kernelLength: 4
      ).tiledHeadOrder
    }
    #expect(order(2, 6) == [0, 3, 1, 4, 2, 5])
    #expect(order(16, 32) == Array(stride(from: 0, to: 32, by: 2)) + Array(stride(from: 1, to: 32, by: 2)))
    #expect(order(16, 48).prefix(18) == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45, 1, 4])
  }

  // Two key heads, six value heads of 128, hidden size 256.
  private let tiled = [0, 3, 1, 4, 2, 5]

  @Test("Rows of the split projections: queries and keys stay, value heads move")
  func splitProjections() throws {
    let (sources, origins, _) = try mapped("qwen3_5", "blk.0.attn_qkv.weight")
    let source = try index(sources, "model.layers.0.linear_attn.in_proj_qkv.weight")
    let rows = Array(0..<512) + tiled.flatMap { head in (0..<128).map { 512 + head * 128 + $0 } }
    #expect(origins == rows.flatMap { row in (0..<256).map { [source, row * 256 + $0] } })

    let (_, gates, _) = try mapped("qwen3_5", "blk.0.attn_gate.weight")
    #expect(gates.map { $0[1] } == tiled.flatMap { head in (0..<(128 * 256)).map { head * 128 * 256 + $0 } })
    let (_, alpha, _) = try mapped("qwen3_5", "blk.0.ssm_alpha.weight")
    #expect(alpha.map { $0[1] } == tiled.flatMap { head in (0..<256).map { head * 256 + $0 } })
  }

  @Test("Columns of the output projection and values per head move likewise")
  func columns() throws {
    let (_, origins, _) = try mapped("qwen3_5", "blk.0.ssm_out.weight")
    let columns = tiled.flatMap { head in (0..<128).map { head * 128 + $0 } }
    #expect(origins.map { $0[1] } == (0..<256).flatMap { row in columns.map { row * 768 + $0 } })
    let (_, decay, output) = try mapped("qwen3_5", "blk.0.ssm_a")
    #expect(decay.map { $0[1] } == tiled)
    guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
    #expect(feed.operation == .negateExponential)
    let (_, convolution, _) = try mapped("qwen3_5", "blk.0.ssm_conv1d.weight")
    let channels = Array(0..<512) + columns.map { 512 + $0 }
    #expect(convolution.map { $0[1] } == channels.flatMap { channel in (0..<4).map { channel * 4 + $0 } })
  }

  @Test("Interleaved projections are taken apart, heads stay grouped")
  func interleaved() throws {
    let (_, origins, _) = try mapped("qwen3_next", "blk.0.attn_qkv.weight")
    let group = 2 * 128 + 2 * 384
    func part(at offset: Int, _ count: Int) -> [Int] {
      (0..<2).flatMap { g in (0..<count).map { g * group + offset + $0 } }
    }
    let rows: [Int] = part(at: 0, 128) + part(at: 128, 128) + part(at: 256, 384)
    #expect(origins.map { $0[1] } == rows.flatMap { row in (0..<256).map { row * 256 + $0 } })
    let (_, gates, _) = try mapped("qwen3_next", "blk.0.attn_gate.weight")
    let gateRows = part(at: 640, 384)
    #expect(gates.map { $0[1] } == gateRows.flatMap { row in (0..<256).map { row * 256 + $0 } })
  }

  @Test("Fused experts: gate rows first, then up rows, expert by expert")
  func fused() throws {
    let (sources, gates, _) = try mapped("qwen3_moe-fused", "blk.1.ffn_gate_exps.weight")
    let source = try index(sources, "model.layers.1.mlp.experts.gate_up_proj")
    #expect(gates.count == 12 * 256 * 256)
    #expect(gates == (0..<12).flatMap { e in (0..<65536).map { [source, e * 131072 + $0] } })
    let (_, ups, _) = try mapped("qwen3_moe-fused", "blk.1.ffn_up_exps.weight")
    #expect(ups == (0..<12).flatMap { e in (0..<65536).map { [source, e * 131072 + 65536 + $0] } })
  }

  @Test("Experts stored one by one are stacked in order of number, not of name")
  func stacked() throws {
    let config = try ModelConfig(
      document: .object(
        try #require(try GoldenCase(name: "qwen3_moe").config().document.members).merging([
          "num_experts": .integer(12)
        ]) { $1 }), file: "config.json")
    var tensors = try GoldenCase(name: "qwen3_moe").sources().filter { !$0.name.contains(".experts.") }
    tensors = tensors.map { tensor in
      var tensor = tensor
      if tensor.name.hasSuffix("mlp.gate.weight") { tensor.shape = [12, 256] }
      return tensor
    }
    for layer in 0..<2 {
      for expert in (0..<12).sorted(by: { "\($0)" < "\($1)" }) {
        for name in ["down", "gate", "up"] {
          tensors.append(
            SourceTensor(
              name: "model.layers.\(layer).mlp.experts.\(expert).\(name)_proj.weight", elementType: .bf16,
              shape: [256, 256]))
        }
      }
    }
    let map = try ModelDescription.describe(config: config, tensors: tensors)
    let output = try #require(map.outputs.first { $0.name == "blk.1.ffn_up_exps.weight" })
    guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
    #expect(
      feed.runs.map { tensors[$0.source].name }
        == (0..<12).map { "model.layers.1.mlp.experts.\($0).up_proj.weight" })
  }

  @Test("The llama architecture pairs adjacent rows; biases follow their rows")
  func pairing() throws {
    let (_, origins, _) = try mapped("llama", "blk.0.attn_k.weight")
    let rows = (0..<2).flatMap { head in (0..<64).map { head * 64 + ($0 % 2) * 32 + $0 / 2 } }
    #expect(origins.map { $0[1] } == rows.flatMap { row in (0..<256).map { row * 256 + $0 } })
    let golden = GoldenCase(name: "llama")
    let members = try #require(try golden.config().document.members)
    let config = try ModelConfig(
      document: .object(members.merging(["attention_bias": .bool(true)]) { $1 }), file: "config.json")
    var tensors = try golden.sources()
    for layer in 0..<2 {
      for (name, size) in [("q", 256), ("k", 128), ("v", 128), ("o", 256)] {
        tensors.append(
          SourceTensor(
            name: "model.layers.\(layer).self_attn.\(name)_proj.bias", elementType: .bf16, shape: [size]))
      }
    }
    let map = try ModelDescription.describe(config: config, tensors: tensors)
    let bias = try #require(map.outputs.first { $0.name == "blk.0.attn_k.bias" })
    #expect(bias.storage == .alwaysF32)
    #expect(try IndexedSources(tensors: tensors).origins(bias).map { $0[1] } == rows)
  }

  @Test("Norms of the hybrid families get one added, except that of the delta net")
  func norms() throws {
    let map = try GoldenCase(name: "qwen3_5_moe-nested-mtp").map()
    for output in map.outputs {
      guard case .feed(let feed) = output.content else { continue }
      let isNorm = output.name.hasSuffix("norm.weight")
      let expected: ValueOperation =
        isNorm && !output.name.hasSuffix("ssm_norm.weight")
        ? .addOne : output.name.hasSuffix("ssm_a") ? .negateExponential : .identity
      #expect(feed.operation == expected, "\(output.name)")
    }
  }

  @Test("Rotary factors of Llama 3.1 become a tensor")
  func rotaryFactors() throws {
    let map = try GoldenCase(name: "llama-llama3-f32").map()
    let first = try #require(map.outputs.first)
    #expect(first.name == "rope_freqs.weight")
    guard case .values(let factors) = first.content else { Issue.record("no values"); return }
    #expect(factors.count == 32)
    #expect(factors[0] == 1 && factors[31] == 8)
    #expect(zip(factors, factors.dropFirst()).allSatisfy { $0 <= $1 })
  }
}
