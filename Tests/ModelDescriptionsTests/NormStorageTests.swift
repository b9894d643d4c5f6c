import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Which program stored a checkpoint, and what that means for its norms.
@Suite("Norms stored minus one or whole")
struct NormStorageTests {
  /// What a describing of tensors ended with.
  private struct Outcome {
    /// Whether one is added to the norms of the trunk, of the next-token block, and of the gated delta nets.
    var adds: (trunk: Bool?, nextToken: Bool?, recurrent: Bool?)
    var warnings: [String]
    var error: DescriptionError?
  }

  private let norms = [
    "attn_norm.weight", "post_attention_norm.weight", "attn_q_norm.weight", "attn_k_norm.weight",
  ]

  private func describe(
    _ golden: String, formats: Set<String> = ["pt"], nextToken: NextTokenPolicy = .auto,
    values: (@Sendable (String) throws -> [Float]?)?, _ change: (inout [SourceTensor]) -> Void
  ) throws -> Outcome {
    let golden = GoldenCase(name: golden)
    var tensors = try golden.sources()
    change(&tensors)
    do {
      let map = try ModelDescription.describe(
        config: try golden.config(), tensors: tensors, options: DescriptionOptions(nextToken: nextToken),
        evidence: values.map { CheckpointEvidence(formats: formats, values: $0) })
      let trunk = map.model.layerCount
      func adds(_ matches: (OutputTensor) -> Bool) -> Bool? {
        let all = map.outputs.filter(matches).map { output -> Bool in
          guard case .feed(let feed) = output.content else { return false }
          return feed.operation == .addOne
        }
        // One answer for all of them, or none.
        return Set(all).count == 1 ? all[0] : nil
      }
      func isNorm(_ name: String) -> Bool { norms.contains { name.hasSuffix("." + $0) } }
      func isNext(_ name: String) -> Bool { name.hasPrefix("blk.\(trunk).") }
      return Outcome(
        adds: (
          adds { isNorm($0.name) && !isNext($0.name) || $0.name == "output_norm.weight" },
          adds { isNext($0.name) && (isNorm($0.name) || $0.name.hasSuffix("norm.weight")) },
          adds { $0.name.hasSuffix("ssm_norm.weight") }
        ), warnings: map.warnings)
    } catch let error as DescriptionError {
      return Outcome(adds: (nil, nil, nil), warnings: [], error: error)
    }
  }

  private static func turn(_ tensors: inout [SourceTensor]) {
    for index in tensors.indices where tensors[index].name.hasSuffix("conv1d.weight") {
      tensors[index].shape.swapAt(1, 2)
    }
  }

  private static func prefix(_ tensors: inout [SourceTensor]) {
    for index in tensors.indices { tensors[index].name = "language_model." + tensors[index].name }
  }

  private static func stack(_ tensors: inout [SourceTensor]) {
    var result: [SourceTensor] = []
    for var tensor in tensors {
      if tensor.name.hasSuffix("experts.gate_up_proj") {
        for role in ["gate_proj", "up_proj"] {
          result.append(
            SourceTensor(
              name: tensor.name.replacing("experts.gate_up_proj", with: "switch_mlp.\(role).weight"),
              elementType: tensor.elementType, shape: [tensor.shape[0], tensor.shape[1] / 2, tensor.shape[2]])
          )
        }
        continue
      }
      tensor.name = tensor.name.replacing("experts.down_proj", with: "switch_mlp.down_proj.weight")
      result.append(tensor)
    }
    tensors = result
  }

  private static let whole: @Sendable (String) -> [Float]? = { _ in [1.1, 0.9, 0.4, 1.7] }
  private static let minusOne: @Sendable (String) -> [Float]? = { _ in [0.1, -0.1, -0.6, 0.7] }
  private static let untrained: @Sendable (String) -> [Float]? = { _ in [0, 0, 0, 0] }
  private static let unclear: @Sendable (String) -> [Float]? = { _ in [0.1, 0.1, 0.05, 0.1] }

  @Test("transformers' form: one is added and nothing is said", arguments: [minusOne, untrained, unclear])
  func transformers(_ values: @escaping @Sendable (String) -> [Float]?) throws {
    for golden in ["qwen3_5", "qwen3_5_moe", "qwen3_next"] {
      let outcome = try describe(golden, values: values) { _ in }
      #expect(outcome.adds == (true, nil, false))
      #expect(outcome.warnings.isEmpty)
    }
  }

  @Test("transformers' form around norms that look whole: one is added, and that is said")
  func suspicious() throws {
    let outcome = try describe("qwen3_5", values: { _ in [1.1, 0.9, 0.8, 1.7] }) { _ in }
    #expect(outcome.adds.trunk == true)
    #expect(outcome.warnings.count == 1)
    #expect(outcome.warnings.first?.contains("added already") == true)
  }

  @Test("MLX's form: norms are taken as they are, which is said, also when values cannot be read")
  func mlx() throws {
    let readers: [@Sendable (String) -> [Float]?] = [Self.whole, Self.unclear, { _ in nil }]
    for (index, values) in readers.enumerated() {
      let moe = try describe("qwen3_5_moe", formats: ["mlx"], values: values) { tensors in
        Self.turn(&tensors)
        Self.prefix(&tensors)
        Self.stack(&tensors)
      }
      #expect(moe.adds == (false, nil, false), "\(index): \(moe.error?.description ?? "")")
      #expect(moe.warnings.count == 1)
      let text = moe.warnings.first ?? ""
      #expect(["conv1d", "switch_mlp", "language_model.", "mlx"].allSatisfy(text.contains))
      // Each of the other signs is enough beside the convolution.
      let dense = try describe("qwen3_5", formats: ["mlx"], values: values, Self.turn)
      #expect(dense.adds.trunk == false)
      let prefixed = try describe("qwen3_5", values: values) { tensors in
        Self.turn(&tensors)
        Self.prefix(&tensors)
      }
      #expect(prefixed.adds.trunk == false)
    }
  }

  @Test("Contradicting signs: the values decide, and that is said; unclear values are refused")
  func contradicting() throws {
    // The convolution alone; the convolution beside single experts; a stack beside transformers' convolutions.
    let cases: [(String, Set<String>, (inout [SourceTensor]) -> Void)] = [
      ("qwen3_5", ["pt"], Self.turn), ("qwen3_next", ["mlx"], Self.turn), ("qwen3_5_moe", ["pt"], Self.stack),
      ("qwen3_5", ["mlx"], { _ in }),
    ]
    for (golden, formats, change) in cases {
      let whole = try describe(golden, formats: formats, values: Self.whole, change)
      #expect(whole.adds.trunk == false)
      #expect(whole.warnings.first?.contains("contradict") == true)
      for values in [Self.minusOne, Self.untrained] {
        let offset = try describe(golden, formats: formats, values: values, change)
        #expect(offset.adds.trunk == true)
        #expect(offset.warnings.first?.contains("contradict") == true)
      }
      for values: @Sendable (String) -> [Float]? in [Self.unclear, { _ in nil }] {
        let error = try describe(golden, formats: formats, values: values, change).error
        #expect(error?.code == .contradiction)
        #expect(error?.fault.found.contains("norm weights") == true)
      }
    }
  }

  @Test("Convolutions of both forms are refused with their names")
  func mixedConvolutions() throws {
    let outcome = try describe("qwen3_5", formats: ["mlx"], values: Self.whole) { tensors in
      guard let first = tensors.firstIndex(where: { $0.name.hasSuffix("conv1d.weight") }) else { return }
      tensors[first].shape.swapAt(1, 2)
    }
    #expect(outcome.error?.code == .contradiction)
    #expect(outcome.error?.fault.subject.hasSuffix("conv1d.weight") == true)
  }

  @Test("One layer stored minus one in a checkpoint of MLX is refused by name")
  func mixedNorms() throws {
    let odd = "model.layers.1.input_layernorm.weight"
    let outcome = try describe(
      "qwen3_5", formats: ["mlx"],
      values: { name in name.hasSuffix(odd) ? [0.1, -0.1, -0.6, 0.7] : [1.1, 0.9, 0.4, 1.7] }
    ) { tensors in
      Self.turn(&tensors)
      Self.prefix(&tensors)
    }
    #expect(outcome.error?.code == .contradiction)
    #expect(outcome.error?.fault.subject.description == "language_model." + odd)
  }

  @Test("A next-token block beside a trunk of MLX goes by its own values")
  func nextToken() throws {
    func outcome(_ block: [Float]?, _ policy: NextTokenPolicy = .auto) throws -> Outcome {
      try describe(
        "qwen3_5-tied-mtp", formats: ["mlx"], nextToken: policy,
        values: { name in name.contains("mtp.") ? block : [1.1, 0.9, 0.4, 1.7] }, Self.turn)
    }
    let offset = try outcome([0.1, -0.1, -0.6, 0.7])
    #expect(offset.adds == (false, true, false))
    #expect(offset.warnings.count == 2)
    #expect(try outcome([1.1, 0.9, 0.4, 1.7]).adds == (false, false, false))
    for block: [Float]? in [[0.1, 0.1, 0.1, 0.1], nil] {
      let error = try outcome(block).error
      #expect(error?.code == .contradiction)
      #expect(error?.fault.remedy.settings == [.trunkAlone])
      #expect(try outcome(block, .drop).adds.trunk == false)
    }
  }

  @Test("Without files the shapes decide, in silence")
  func outline() throws {
    let own = try describe("qwen3_5", values: nil) { _ in }
    #expect(own.adds.trunk == true && own.warnings.isEmpty)
    let turned = try describe("qwen3_5", values: nil, Self.turn)
    #expect(turned.adds.trunk == false && turned.warnings.isEmpty)
  }
}
