import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// What the configuration says about quantization, against what the tensors say.
@Suite("Quantization entries and tensors")
struct SourceQuantizationTests {
  private let golden = GoldenCase(name: "qwen3_moe")
  private static let query = "model.layers.0.self_attn.q_proj.weight"
  private static let down = "model.layers.1.mlp.experts.3.down_proj.weight"

  private static let fp8: JSONValue = .object([
    "quant_method": .string("fp8"), "weight_block_size": .array([.integer(128), .integer(128)]),
  ])

  private func config(_ entry: JSONValue?, key: String = "quantization_config") throws -> ModelConfig {
    var members = try #require(try golden.config().document.members)
    members[key] = entry
    return try ModelConfig(document: .object(members), file: "config.json")
  }

  private func describe(
    _ entry: JSONValue?, _ change: (inout [SourceTensor]) -> Void = { _ in },
    options: DescriptionOptions = DescriptionOptions()
  ) throws -> CheckpointMap {
    var tensors = try golden.sources()
    change(&tensors)
    return try ModelDescription.describe(config: try config(entry), tensors: tensors, options: options)
  }

  private func error(_ entry: JSONValue?, _ change: (inout [SourceTensor]) -> Void) -> DescriptionError? {
    #expect(throws: DescriptionError.self) { try describe(entry, change) }
  }

  /// Makes every projection fp8 with scales.
  private static func quantize(_ tensors: inout [SourceTensor]) {
    for index in tensors.indices where tensors[index].name.hasSuffix("_proj.weight") {
      tensors[index].elementType = .f8E4M3
      let shape = tensors[index].shape.map { ($0 + 127) / 128 }
      tensors.append(
        SourceTensor(name: tensors[index].name + "_scale_inv", elementType: .f32, shape: shape))
    }
  }

  private static func remove(_ name: String, _ tensors: inout [SourceTensor]) {
    tensors.removeAll { $0.name == name }
  }

  @Test(
    "an entry that every tensor contradicts is a leftover, and said to be one",
    arguments: ["bitsandbytes", "gptq", "awq", "fp8", "compressed-tensors", "AWQ"])
  func leftover(method: String) throws {
    let map = try describe(.object(["quant_method": .string(method)]))
    #expect(map.warnings.count == 1 && !map.hasScales)
    #expect(map.warnings[0].contains(method.lowercased()) && map.warnings[0].contains("left over"))
    #expect(try map.outputs == golden.map().outputs)
  }

  @Test("also under other keys; an empty entry is none")
  func otherKeys() throws {
    for key in ["compression_config", "quantization"] {
      let entry: JSONValue = .object(["quant_method": .string("compressed-tensors")])
      let map = try ModelDescription.describe(
        config: try config(entry, key: key), tensors: try golden.sources())
      #expect(map.warnings.count == 1)
    }
    let mlx = try describe(.object(["group_size": .integer(64), "bits": .integer(4)]))
    #expect(mlx.warnings.first?.contains("mlx") == true)
    #expect(try describe(.object([:])).warnings.isEmpty)
    #expect(try describe(.null).warnings.isEmpty)
  }

  @Test(
    "tensors of a quantized checkpoint are named with the method",
    arguments: [
      ("gptq", "model.layers.0.self_attn.q_proj.qweight", ElementType.i32),
      ("awq", "model.layers.0.self_attn.q_proj.qzeros", .i32),
      ("awq", "model.layers.0.self_attn.q_proj.scales", .f16),
      ("bitsandbytes", "model.layers.0.self_attn.q_proj.weight.absmax", .f32),
      ("bitsandbytes", "model.layers.0.self_attn.q_proj.SCB", .f32),
      ("compressed-tensors", "model.layers.0.self_attn.q_proj.weight_scale", .bf16),
      ("modelopt", "model.layers.0.self_attn.q_proj.weight_scale_2", .f32),
    ])
  func quantized(method: String, name: String, type: ElementType) {
    let found = error(.object(["quant_method": .string(method)])) {
      $0.append(SourceTensor(name: name, elementType: type, shape: [4, 4]))
    }
    #expect(found?.code == .notSupported)
    #expect(found?.fault.found.contains(method) == true && found?.fault.found.contains(name) == true)
  }

  @Test("bytes in place of a weight are quantized, too")
  func integers() {
    let found = error(.object(["quant_method": .string("bitsandbytes")])) { tensors in
      for index in tensors.indices where tensors[index].name == Self.query {
        tensors[index].elementType = .u8
      }
    }
    #expect(found?.code == .notSupported && found?.fault.found.contains("\(Self.query) (U8)") == true)
  }

  @Test("fp8 weights without their scale are named; the others are fine")
  func missingScales() throws {
    #expect(try describe(Self.fp8, Self.quantize).hasScales)
    for name in [Self.query, Self.down] {
      let found = error(Self.fp8) {
        Self.quantize(&$0)
        Self.remove(name + "_scale_inv", &$0)
      }
      #expect(
        found?.problems == [
          .scaleMissing(name: name, scale: name + "_scale_inv", elementType: "F8_E4M3")
        ])
      #expect(found?.description.contains(name + "_scale_inv") == true)
    }
    let all = error(Self.fp8) {
      Self.quantize(&$0)
      $0.removeAll { $0.name.hasSuffix("_scale_inv") }
    }
    #expect(all?.problems.count == (try golden.sources().count { $0.name.hasSuffix("_proj.weight") }))
  }

  @Test("a 16-bit weight with a scale may be multiplied already or not")
  func leftoverScale() {
    let one = error(Self.fp8) { tensors in
      Self.quantize(&tensors)
      for index in tensors.indices where tensors[index].name == Self.query {
        tensors[index].elementType = .bf16
      }
    }
    #expect(
      one?.problems == [
        .scaleLeftOver(name: Self.query, scale: Self.query + "_scale_inv", elementType: "BF16")
      ])
    let all = error(Self.fp8) { tensors in
      Self.quantize(&tensors)
      for index in tensors.indices where tensors[index].elementType == .f8E4M3 {
        tensors[index].elementType = .bf16
      }
    }
    #expect(
      all?.problems.contains(
        .scaleLeftOver(name: Self.down, scale: Self.down + "_scale_inv", elementType: "BF16")) == true)
    // Nothing says what the scales are for.
    let silent = error(nil) {
      $0.append(SourceTensor(name: Self.query + "_scale_inv", elementType: .f32, shape: [2, 2]))
    }
    #expect(silent?.code == .invalidConfig && silent?.fault.found.contains(Self.query + "_scale_inv") == true)
  }

  @Test("a scale without a weight is one problem of its own")
  func strayScale() {
    let found = error(Self.fp8) {
      Self.quantize(&$0)
      $0.append(SourceTensor(name: "model.x.weight_scale_inv", elementType: .f32, shape: [1, 1]))
    }
    #expect(found?.problems == [.unknown(name: "model.x.weight_scale_inv", nearest: nil)])
    #expect(found?.description.contains("the scale of a weight that is not there") == true)
  }

  @Test("fp8 numbers in a checkpoint that knows of no scales are the weights, and said to be")
  func rawFP8() throws {
    let map = try describe(nil) { tensors in
      for index in tensors.indices where tensors[index].name.hasSuffix("_proj.weight") {
        tensors[index].elementType = .f8E5M2
      }
    }
    #expect(!map.hasScales && map.warnings.count == 1)
    #expect(map.warnings[0].contains("8-bit floats without scales"))
  }

  @Test("scales of activations and vision towers have no part in it")
  func activations() throws {
    let map = try describe(.object(["quant_method": .string("fp8")])) {
      $0.append(SourceTensor(name: "model.layers.0.self_attn.k_scale", elementType: .f32, shape: []))
      $0.append(SourceTensor(name: "visual.blocks.0.attn.qkv.weight_scale", elementType: .f32, shape: [1]))
    }
    #expect(map.warnings.count == 1 && map.skipped.count == 2)
  }

  @Test("tensors made up from the configuration do not contradict it")
  func expectations() throws {
    let entry = try config(Self.fp8)
    let tensors = try ModelDescription.expectedTensors(config: entry)
    let map = try ModelDescription.describe(
      config: entry, tensors: tensors, options: DescriptionOptions(tensorsAreExpected: true))
    #expect(map.warnings.isEmpty && map.hasScales)
    let other = try config(.object(["quant_method": .string("gptq")]))
    #expect(throws: DescriptionError.self) { try ModelDescription.expectedTensors(config: other) }
  }

  @Test("which weights were chosen is said with the map, and with what does not fit")
  func choices() throws {
    let options = DescriptionOptions(choices: ["a is read, b is not"])
    #expect(try describe(nil, options: options).warnings == ["a is read, b is not"])
    let error = #expect(throws: DescriptionError.self) {
      try describe(nil, { Self.remove(Self.query, &$0) }, options: options)
    }
    #expect(error?.fault.remedy.contains("a is read, b is not") == true)
  }

  @Test(
    "models of other kinds are called what they are",
    arguments: [
      ("Qwen3ForSequenceClassification", "qwen3", "classifier"), ("BertForMaskedLM", "bert", "encoder"),
      ("BertModel", "bert", "embeddings"), ("Gemma2Model", "gemma2", "embeddings"),
      ("T5ForConditionalGeneration", "t5", "decoder"),
      ("WhisperForConditionalGeneration", "whisper", "speech"),
      ("Gemma3ForConditionalGeneration", "gemma3", "also reads pictures"),
      ("DbrxForCausalLM", "dbrx", "mixture of experts of another family"),
      ("PhiForCausalLM", "phi", "convert_hf_to_gguf.py"), ("MambaForCausalLM", "mamba", "recurrent"),
    ])
  func kinds(architecture: String, type: String, part: String) throws {
    let config = try ModelConfig(
      document: .object(["architectures": .array([.string(architecture)]), "model_type": .string(type)]),
      file: "config.json")
    let error = #expect(throws: DescriptionError.self) { try ModelFamily.family(of: config) }
    #expect(
      error?.code == .notSupported && error?.fault.remedy.contains(part) == true,
      "\(String(describing: error))")
  }
}
