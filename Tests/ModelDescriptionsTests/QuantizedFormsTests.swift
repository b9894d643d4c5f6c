import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Every form of quantized weights that is read, and what is said of those that are not.
@Suite("Forms of quantized weights")
struct QuantizedFormsTests {
  /// A form with a checkpoint's entry, and the tensors of a matrix: endings, types and shapes.
  struct Form: CustomTestStringConvertible {
    var testDescription: String
    var entry: String
    var parts: @Sendable (_ rows: Int, _ columns: Int) -> [(String, ElementType, [Int])]
    /// The scale that a matrix has, without the numbers of its sources.
    var scale: @Sendable (_ rows: Int, _ columns: Int) -> BlockScale
    var encoding: SourceEncoding?
    /// 1 for scales of scales that divide, -1 for those that multiply.
    var common = 0
  }

  private static func compressed(_ format: String, _ weights: String) -> String {
    #"{"quant_method": "compressed-tensors", "format": "\#(format)", "config_groups": {"group_0": {"weights": {"#
      + weights + "}}}}"
  }

  private static func scale(_ rows: Int, _ columns: Int, _ matrix: Int) -> BlockScale {
    BlockScale(source: 0, blockRows: rows, blockColumns: columns, matrixRows: matrix)
  }

  static let forms: [Form] = [
    Form(
      testDescription: "fp8, one scale", entry: #"{"quant_method": "fp8", "weight_block_size": null}"#,
      parts: { [("", .f8E4M3, [$0, $1]), ("_scale_inv", .f32, [])] }, scale: { scale($0, $1, $0) }),
    Form(
      testDescription: "fp8, blocks as exponents",
      entry: #"{"quant_method": "fp8", "weight_block_size": [100, 60]}"#,
      parts: { rows, columns in
        [("", .f8E5M2, [rows, columns]), ("_scale_inv", .f8E8M0, [(rows + 99) / 100, (columns + 59) / 60])]
      }, scale: { rows, _ in scale(100, 60, rows) }),
    Form(
      testDescription: "fp8, rows, by a common name", entry: #"{"quant_method": "fp8"}"#,
      parts: { [("", .f8E4M3, [$0, $1]), ("_scale", .bf16, [$0])] }, scale: { scale(1, $1, $0) }),
    Form(
      testDescription: "float-quantized, rows",
      entry: compressed("float-quantized", #""num_bits": 8, "type": "float", "strategy": "channel""#),
      parts: { [("", .f8E4M3, [$0, $1]), ("_scale", .bf16, [$0, 1])] }, scale: { scale(1, $1, $0) }),
    Form(
      testDescription: "float-quantized, one scale",
      entry: compressed("float-quantized", #""num_bits": 8, "type": "float", "strategy": "tensor""#),
      parts: { [("", .f8E4M3, [$0, $1]), ("_scale", .bf16, [1])] }, scale: { scale($0, $1, $0) }),
    Form(
      testDescription: "float-quantized, blocks",
      entry: compressed(
        "float-quantized",
        #""num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]"#),
      parts: { rows, columns in
        [("", .f8E4M3, [rows, columns]), ("_scale", .f32, [(rows + 127) / 128, (columns + 127) / 128])]
      }, scale: { rows, _ in scale(128, 128, rows) }),
    Form(
      testDescription: "naive-quantized, signed bytes",
      entry: compressed("naive-quantized", #""num_bits": 8, "type": "int", "strategy": "channel""#),
      parts: { [("", .i8, [$0, $1]), ("_scale", .f32, [$0, 1])] }, scale: { scale(1, $1, $0) }),
    Form(
      testDescription: "pack-quantized, 4 bits",
      entry: compressed(
        "pack-quantized", #""num_bits": 4, "type": "int", "strategy": "group", "group_size": 32"#),
      parts: {
        [("_packed", .i32, [$0, $1 / 8]), ("_scale", .bf16, [$0, $1 / 32]), ("_shape", .i64, [2])]
      }, scale: { rows, _ in scale(1, 32, rows) }, encoding: .codes(.offset4)),
    Form(
      testDescription: "pack-quantized, 8 bits, rows",
      entry: compressed("pack-quantized", #""num_bits": 8, "type": "int", "strategy": "channel""#),
      parts: { [("_packed", .i32, [$0, $1 / 4]), ("_scale", .f16, [$0, 1]), ("_shape", .i32, [2])] },
      scale: { scale(1, $1, $0) }, encoding: .codes(.offset8)),
    Form(
      testDescription: "nvfp4-pack-quantized",
      entry: compressed("nvfp4-pack-quantized", #""num_bits": 4, "type": "float", "group_size": 16"#),
      parts: {
        [
          ("_packed", .u8, [$0, $1 / 2]), ("_scale", .f8E4M3, [$0, $1 / 16]), ("_global_scale", .f32, [1]),
        ]
      }, scale: { rows, _ in scale(1, 16, rows) }, encoding: .codes(.e2m1), common: 1),
    Form(
      testDescription: "mxfp4-pack-quantized",
      entry: compressed("mxfp4-pack-quantized", #""num_bits": 4, "type": "float", "group_size": 32"#),
      parts: { [("_packed", .u8, [$0, $1 / 2]), ("_scale", .u8, [$0, $1 / 32])] },
      scale: { rows, _ in scale(1, 32, rows) }, encoding: .codes(.e2m1)),
    Form(
      testDescription: "modelopt, NVFP4", entry: #"{"quant_method": "modelopt", "quant_algo": "NVFP4"}"#,
      parts: {
        [("", .u8, [$0, $1 / 2]), ("_scale", .f8E4M3, [$0, $1 / 16]), ("_scale_2", .f32, [])]
      }, scale: { rows, _ in scale(1, 16, rows) }, encoding: .codes(.e2m1), common: -1),
    Form(
      testDescription: "modelopt, fp8", entry: #"{"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}"#,
      parts: { [("", .f8E4M3, [$0, $1]), ("_scale", .f32, [])] }, scale: { scale($0, $1, $0) }),
  ]

  private let golden = GoldenCase(name: "qwen3_moe")
  private static let weight = "model.layers.0.mlp.experts.3.down_proj.weight"

  private func config(_ entry: String) throws -> ModelConfig {
    var members = try #require(try golden.config().document.members)
    members["quantization_config"] = try JSONValue(parsing: Array(entry.utf8), file: "entry")
    return try ModelConfig(document: .object(members), file: "config.json")
  }

  /// The golden's tensors with every projection in a form.
  private func stored(_ form: Form) throws -> [SourceTensor] {
    try golden.sources().flatMap { tensor -> [SourceTensor] in
      guard tensor.name.hasSuffix("_proj.weight") else { return [tensor] }
      return form.parts(tensor.shape[0], tensor.shape[1]).map {
        SourceTensor(name: tensor.name + $0.0, elementType: $0.1, shape: $0.2)
      } + [
        SourceTensor(
          name: tensor.name.replacing(".weight", with: ".input_scale"), elementType: .f32, shape: [])
      ]
    }
  }

  private static func shapes(_ map: CheckpointMap) -> [String: [Int]] {
    Dictionary(map.outputs.map { ($0.name, $0.ggmlShape) }, uniquingKeysWith: { first, _ in first })
  }

  private func problems(_ form: Form, _ change: (inout [SourceTensor]) throws -> Void) throws
    -> [TensorProblem]
  {
    var tensors = try stored(form)
    try change(&tensors)
    let error = #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(config: try config(form.entry), tensors: tensors)
    }
    #expect(error?.code == .tensorMismatch)
    return error?.problems ?? []
  }

  @Test("Weights are their codes with their scales, whatever their tensors are called", arguments: forms)
  func read(_ form: Form) throws {
    let tensors = try stored(form)
    let map = try ModelDescription.describe(config: try config(form.entry), tensors: tensors)
    let plain = try golden.map()
    #expect(Self.shapes(map) == Self.shapes(plain))
    // llama.cpp's converter comes to words after everything else.
    let isReordered = form.parts(32, 32)[0].1 == .i32
    #expect((map.outputs.map(\.name) != plain.outputs.map(\.name)) == isReordered)
    #expect(map.hasScales && map.warnings.isEmpty)
    #expect(map.skipped.allSatisfy { $0.name.hasSuffix(".input_scale") } && !map.skipped.isEmpty)
    var checked = 0
    for output in map.outputs {
      guard case .feed(let feed) = output.content else { continue }
      for run in feed.runs {
        let name = tensors[run.source].name
        guard name.contains("_proj.weight") else {
          #expect(run.scale == nil && map.encodings[run.source] == nil)
          continue
        }
        checked += 1
        #expect(map.encodings[run.source] == form.encoding)
        var expected = form.scale(run.rowCount, output.ggmlShape[0])
        let found = try #require(run.scale)
        let weight = name.replacing("_packed", with: "")
        #expect(tensors[found.source].name.hasPrefix(weight + "_scale"))
        expected.source = found.source
        expected.common = found.common
        #expect(found == expected)
        #expect((found.common == nil) == (form.common == 0))
        if let common = found.common {
          #expect(common.divides == (form.common == 1))
          #expect(tensors[common.source].name == weight + (common.divides ? "_global_scale" : "_scale_2"))
        }
        let type = tensors[found.source].elementType
        #expect(
          map.encoding(of: found.source, tensors[found.source]) == .element(type == .u8 ? .f8E8M0 : type))
      }
    }
    #expect(checked == (try golden.sources().count { $0.name.hasSuffix("_proj.weight") }))
  }

  @Test("The same from the names of an index, and from the configuration alone", arguments: forms)
  func expectations(_ form: Form) throws {
    let config = try config(form.entry)
    let tensors = try stored(form)
    let named = try ModelDescription.tensors(named: tensors.map(\.name), config: config)
    // A name does not tell a scale for the tensor from one for each row.
    let isAmbiguous = form.testDescription.contains("common name")
    for (named, tensor) in zip(named, tensors)
    where !tensor.name.hasSuffix(".input_scale") && !isAmbiguous {
      #expect(
        named.shape.reduce(1, *) == tensor.shape.reduce(1, *),
        "\(tensor.name): \(named.shape) \(tensor.shape)")
    }
    let plain = Self.shapes(try golden.map())
    #expect(Self.shapes(try ModelDescription.describe(config: config, tensors: named)) == plain)
    let expected = try ModelDescription.describe(
      config: config, tensors: try ModelDescription.expectedTensors(config: config),
      options: DescriptionOptions(tensorsAreExpected: true))
    #expect(Self.shapes(expected) == plain)
  }

  @Test("Scales that are missing, stray, of other shapes or types are named", arguments: forms)
  func damage(_ form: Form) throws {
    let parts = form.parts(256, 256)
    let codes = Self.weight + parts[0].0
    let type = parts[0].1.rawValue
    // The shape is not needed; the golden's matrices have 256 rows and columns.
    for part in parts.dropFirst() where part.0 != "_shape" {
      let name = Self.weight + part.0
      #expect(
        try problems(form) { $0.removeAll { $0.name == name } }.contains {
          guard case .scaleMissing(codes, let scale, type) = $0 else { return false }
          return scale == name || form.testDescription.contains("common name")
        }, "\(name)")
      let wrong = part.2 + [3]
      let found = try problems(form) { tensors in
        let index = try #require(tensors.firstIndex { $0.name == name })
        tensors[index].shape = wrong
      }
      #expect(
        found.contains {
          if case .shape(name, wrong, _) = $0 { true } else { false }
        }, "\(found)")
      let typed = try problems(form) { tensors in
        let index = try #require(tensors.firstIndex { $0.name == name })
        tensors[index].elementType = .i16
      }
      #expect(typed == [.elementType(name: name, found: "I16")])
      let stray = "model.layers.9.mlp.up_proj.weight" + part.0
      let more = try problems(form) {
        $0.append(SourceTensor(name: stray, elementType: part.1, shape: part.2))
      }
      #expect(more == [.unknown(name: stray, nearest: nil)])
    }
    // 16-bit weights beside scales may be multiplied already.
    let plain = try problems(form) { tensors in
      tensors.removeAll { $0.name == codes }
      tensors.append(SourceTensor(name: Self.weight, elementType: .bf16, shape: [256, 256]))
    }
    #expect(
      plain.contains(
        .scaleLeftOver(name: Self.weight, scale: Self.weight + parts[1].0, elementType: "BF16")))
    let widened = try problems(form) { tensors in
      let index = try #require(tensors.firstIndex { $0.name == codes })
      tensors[index].shape[1] += 1
    }
    #expect(widened.contains(.shape(name: codes, found: [256, parts[0].2[1] + 1], expected: parts[0].2)))
  }

  @Test("Stacks of matrices, with a scale for each or for all")
  func stacks() throws {
    let golden = GoldenCase(name: "qwen3_moe-fused")
    for (shape, blockRows) in [([12], 512), ([12, 1, 1], 512), ([1], 12 * 512), ([12, 512, 1], 1)] {
      var members = try #require(try golden.config().document.members)
      members["quantization_config"] = .object(["quant_method": .string("fp8")])
      var tensors = try golden.sources()
      let index = try #require(tensors.firstIndex { $0.name == "model.layers.0.mlp.experts.gate_up_proj" })
      #expect(tensors[index].shape == [12, 512, 256])
      tensors[index].elementType = .f8E4M3
      tensors.append(
        SourceTensor(name: tensors[index].name + "_scale_inv", elementType: .f32, shape: shape))
      let map = try ModelDescription.describe(
        config: try ModelConfig(document: .object(members), file: "config.json"), tensors: tensors)
      let output = try #require(map.outputs.first { $0.name == "blk.0.ffn_up_exps.weight" })
      guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
      let scale = try #require(feed.runs[3].scale)
      #expect(scale.blockRows == blockRows)
      let first = feed.runs[3].firstRow
      #expect(first == 3 * 512 + 256)
      let expected = shape.count == 3 && shape[1] == 512 ? first : shape[0] == 12 ? 3 : 0
      #expect(scale.index(row: first, column: 255, rowLength: 256) == expected)
    }
  }

  @Test("Blocks of MXFP4 stand for the tensor whose name they lengthen")
  func blocks() throws {
    let golden = GoldenCase(name: "qwen3_moe-fused")
    var members = try #require(try golden.config().document.members)
    members["quantization_config"] = .object(["quant_method": .string("mxfp4")])
    let tensors = try golden.sources().flatMap { tensor -> [SourceTensor] in
      guard tensor.name.contains(".experts.") else { return [tensor] }
      let groups = tensor.shape.dropLast() + [tensor.shape[2] / 32]
      return [
        SourceTensor(name: tensor.name + "_blocks", elementType: .u8, shape: groups + [16]),
        SourceTensor(name: tensor.name + "_scales", elementType: .u8, shape: Array(groups)),
      ]
    }
    let map = try ModelDescription.describe(
      config: try ModelConfig(document: .object(members), file: "config.json"), tensors: tensors)
    #expect(map.outputs.map(\.ggmlShape) == (try golden.map().outputs.map(\.ggmlShape)))
    let output = try #require(map.outputs.first { $0.name == "blk.0.ffn_down_exps.weight" })
    guard case .feed(let feed) = output.content else { Issue.record("no feed"); return }
    let scale = try #require(feed.runs[0].scale)
    #expect(scale == BlockScale(source: scale.source, blockRows: 1, blockColumns: 32, matrixRows: 256))
    #expect(map.encodings[feed.runs[0].source] == .codes(.e2m1))
    #expect(map.encodings[scale.source] == .element(.f8E8M0))
  }

  @Test(
    "What is not read is refused with its key",
    arguments: [
      (#"{"quant_method": "fp8", "weight_block_size": [128]}"#, "weight_block_size", "an array of 1"),
      (
        #"{"quant_method": "compressed-tensors", "format": "pack-quantized"}"#, "config_groups", "no such key"
      ),
      (compressed("marlin-24", #""num_bits": 4"#), "format", "marlin-24"),
      (
        compressed("pack-quantized", #""num_bits": 4, "symmetric": false, "group_size": 128"#),
        "config_groups.group_0.weights.symmetric", "false"
      ),
      (
        compressed("pack-quantized", #""num_bits": 3, "group_size": 128"#),
        "config_groups.group_0.weights.num_bits", "3"
      ),
      (
        compressed("float-quantized", #""num_bits": 8, "type": "float", "strategy": "token""#),
        "config_groups.group_0.weights.strategy", "token"
      ),
      (
        compressed("pack-quantized", #""num_bits": 4, "group_size": 0"#),
        "config_groups.group_0.weights.group_size", "0"
      ),
      (
        #"{"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}}"#,
        "sparsity_config.format", "sparse-24-bitmask"
      ),
      (
        #"{"quant_method": "compressed-tensors", "transform_config": {"config_groups": {}}}"#,
        "transform_config", ""
      ),
      (#"{"quant_method": "modelopt"}"#, "quant_algo", "no such key"),
      (#"{"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}"#, "quant_algo", "W4A8_AWQ"),
      (#"{"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 32}"#, "group_size", "32"),
      (
        #"{"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "INT4"}}}"#,
        "quantized_layers.a.quant_algo", "INT4"
      ),
    ])
  func refused(entry: String, key: String, found: String) throws {
    let config = try config(entry)
    var tensors = try golden.sources()
    tensors.append(SourceTensor(name: Self.weight + "_scale", elementType: .f32, shape: [1]))
    let error = #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(config: config, tensors: tensors)
    }
    #expect(error?.fault.subject.description == "quantization_config." + key, "\(String(describing: error))")
    #expect(error?.fault.found.contains(found) == true)
    #expect(error?.faultClass == .rejected && error?.code != .tensorMismatch)
  }

  @Test("Zero points, orders of columns and factors of columns are refused by their tensors")
  func unreadParts() throws {
    for part in ["weight_zero_point", "weight_g_idx", "pre_quant_scale"] {
      var tensors = try stored(Self.forms[7])
      let name = Self.weight.replacing("weight", with: part)
      tensors.append(SourceTensor(name: name, elementType: .i32, shape: [32, 8]))
      let error = #expect(throws: DescriptionError.self) {
        try ModelDescription.describe(config: try config(Self.forms[7].entry), tensors: tensors)
      }
      #expect(error?.code == .notSupported && error?.fault.found.contains(name) == true)
    }
  }

  @Test("Packed codes whose columns would become rows are refused")
  func columns() throws {
    let golden = GoldenCase(name: "kimi_k2-int4")
    var tensors = try golden.sources()
    let name = "model.layers.0.self_attn.kv_b_proj.weight"
    let index = try #require(tensors.firstIndex { $0.name == name })
    let shape = tensors[index].shape
    tensors[index] = SourceTensor(
      name: name + "_packed", elementType: .i32, shape: [shape[0], shape[1] / 8])
    tensors.append(
      SourceTensor(name: name + "_scale", elementType: .bf16, shape: [shape[0], shape[1] / 32]))
    let error = #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(config: try golden.config(), tensors: tensors)
    }
    #expect(error?.problems == [.packedColumns(name: name + "_packed")])
  }

  @Test("Layers of two forms are told apart by their tensors")
  func mixture() throws {
    let entry =
      #"{"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}, "#
      + #""b": {"quant_algo": "NVFP4", "group_size": 16}}}"#
    var tensors = try golden.sources()
    let first = try #require(tensors.firstIndex { $0.name == Self.weight })
    tensors[first].elementType = .f8E4M3
    tensors.append(SourceTensor(name: Self.weight + "_scale", elementType: .f32, shape: []))
    let other = "model.layers.1.mlp.experts.3.down_proj.weight"
    let second = try #require(tensors.firstIndex { $0.name == other })
    tensors[second] = SourceTensor(name: other, elementType: .u8, shape: [256, 128])
    tensors.append(SourceTensor(name: other + "_scale", elementType: .f8E4M3, shape: [256, 16]))
    tensors.append(SourceTensor(name: other + "_scale_2", elementType: .f32, shape: []))
    let map = try ModelDescription.describe(config: try config(entry), tensors: tensors)
    #expect(map.encodings == [second: .codes(.e2m1)])
  }

  @Test("What Model Optimizer says in a file of its own counts where config.json is silent")
  func ownFile() throws {
    let folder = try TemporaryFolder()
    let document = #"{"architectures": ["Qwen3MoeForCausalLM"]"#
    _ = try folder.write("config.json", Array((document + "}").utf8))
    _ = try folder.write(
      "hf_quant_config.json",
      Array(#"{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4"}}"#.utf8))
    let config = try ModelConfig(contentsOf: folder.path("config.json"))
    #expect(config["quantization_config"]?["quant_algo"]?.text == "NVFP4")
    #expect(config["quantization_config"]?["quant_method"]?.text == "modelopt")
    _ = try folder.write(
      "config.json", Array((document + #", "quantization_config": {"quant_method": "fp8"}}"#).utf8))
    let own = try ModelConfig(contentsOf: folder.path("config.json"))
    #expect(own["quantization_config"]?["quant_algo"] == nil)
  }
}
