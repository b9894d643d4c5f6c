import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing

/// Checkpoints that MLX quantized, and what becomes of a checkpoint for MLX.
@Suite("Quantized by MLX")
struct MLXQuantizationTests {
  private static let weight = "model.layers.0.self_attn.q_proj.weight"
  private let golden = GoldenCase(name: "qwen3_moe")

  private func config(_ entry: String = #"{"bits": 4, "group_size": 64, "mode": "affine"}"#) throws
    -> ModelConfig
  {
    let members = try #require(try golden.config().document.members)
    let table = try JSONValue(parsing: Array(entry.utf8), file: "")
    return try ModelConfig(
      document: .object(members.merging(["quantization": table, "quantization_config": table]) { $1 }),
      file: "config.json")
  }

  /// The tensors of the golden checkpoint with one matrix of 256 columns in groups.
  private func tensors(_ format: GroupFormat, without part: String? = nil) throws -> [SourceTensor] {
    var tensors = try golden.sources()
    let index = try #require(tensors.firstIndex { $0.name == Self.weight })
    let rows = tensors[index].shape[0]
    #expect(tensors[index].shape[1] == 256)
    tensors[index] = SourceTensor(name: Self.weight, elementType: .u32, shape: [rows, 8 * format.bits])
    for name in ["scales", "biases"] where name != part && (name == "scales" || format.hasBiases) {
      tensors.append(
        SourceTensor(
          name: Self.weight.replacing("weight", with: name), elementType: format.scaleType(weights: .bf16),
          shape: [rows, 256 / format.groupSize]))
    }
    return tensors
  }

  @Test("Shapes tell bits and groups of every format, whatever the entry says", arguments: GroupFormat.all)
  func forms(format: GroupFormat) throws {
    let tensors = try tensors(format)
    let map = try ModelDescription.describe(config: try config(), tensors: tensors)
    #expect(map.outputs.map(\.ggmlShape) == (try golden.map().outputs.map(\.ggmlShape)))
    #expect(map.warnings.contains { $0.contains("second rounding") })
    let output = try #require(map.outputs.first { $0.name == "blk.0.attn_q.weight" })
    guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
    let scale = try #require(feed.runs[0].scale)
    let codes: PackedCodes = format.mode == .affine ? .integers(bits: format.bits) : .e2m1
    #expect(map.encodings[feed.runs[0].source] == .codes(codes))
    #expect(scale.blockRows == 1 && scale.blockColumns == format.groupSize)
    #expect(tensors[scale.source].name.hasSuffix(".scales"))
    #expect(scale.bias.map { tensors[$0].name.hasSuffix(".biases") } == (format.hasBiases ? true : nil))
    switch format.mode {
    case .affine: #expect(map.encodings[scale.source] == nil)
    case .mxfp4: #expect(map.encodings[scale.source] == .element(.f8E8M0))
    case .nvfp4: #expect(map.encodings[scale.source] == .element(.f8E4M3))
    }
  }

  @Test("Missing scales and biases, and other modes, are named")
  func refusals() throws {
    let format = try #require(GroupFormat())
    for part in ["scales", "biases"] {
      let error = #expect(throws: DescriptionError.self) {
        try ModelDescription.describe(config: try config(), tensors: try tensors(format, without: part))
      }
      let name = Self.weight.replacing("weight", with: part)
      #expect(error?.fault.problems.contains { $0.contains(name) } == true, "\(String(describing: error))")
    }
    let error = #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(
        config: try config(#"{"bits": 8, "group_size": 32, "mode": "mxfp8"}"#), tensors: try tensors(format))
    }
    #expect(error?.fault.subject.hasSuffix("mode") == true && error?.fault.found.contains("mxfp8") == true)
    let silent = #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(config: try golden.config(), tensors: try tensors(format))
    }
    #expect(silent?.code == .invalidConfig)
  }

  @Test("Names or a configuration alone give the same sizes", arguments: ["biases", nil])
  func outlines(part: String?) throws {
    let format = try #require(part == nil ? GroupFormat(.nvfp4) : GroupFormat())
    let named = try ModelDescription.tensors(
      named: try tensors(format).map(\.name), config: try config())
    let shapes = try golden.map().outputs.map(\.ggmlShape).sorted { $0.lexicographicallyPrecedes($1) }
    let map = try ModelDescription.describe(config: try config(), tensors: named)
    #expect(map.outputs.map(\.ggmlShape).sorted { $0.lexicographicallyPrecedes($1) } == shapes)
    let expected = try ModelDescription.describe(
      config: try config(), tensors: try ModelDescription.expectedTensors(config: try config()),
      options: DescriptionOptions(tensorsAreExpected: true))
    #expect(expected.outputs.map(\.ggmlShape).sorted { $0.lexicographicallyPrecedes($1) } == shapes)
  }

  @Test("An entry beside plain weights is a leftover")
  func leftover() throws {
    let map = try ModelDescription.describe(config: try config(), tensors: try golden.sources())
    #expect(map.warnings.count { $0.contains("quantization entry (mlx)") } == 1)
  }

  @Test("For MLX tensors keep their values in their order")
  func arrangement() throws {
    let map = try ModelDescription.describe(
      config: try golden.config(), tensors: try golden.sources(), options: DescriptionOptions(isForMLX: true))
    let layout = try #require(map.mlx)
    let names = layout.order(of: map.outputs).map { map.outputs[$0].name }
    #expect(names.first == "model.embed_tokens.weight" && names.last == "lm_head.weight")
    #expect(
      Array(names[1...6]) == [
        "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
        "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
        "model.layers.0.self_attn.q_norm.weight", "model.layers.0.self_attn.k_norm.weight",
      ])
    let down = try #require(map.outputs.first { $0.name == "model.layers.1.mlp.switch_mlp.down_proj.weight" })
    guard case .feed(let feed) = down.content else { Issue.record("no feed"); return }
    #expect(feed.runs.count == down.ggmlShape[2] && feed.columns == .identity && feed.operation == .identity)
    #expect(layout.isFiner(.router) && !layout.isFiner(.query))
  }
}
