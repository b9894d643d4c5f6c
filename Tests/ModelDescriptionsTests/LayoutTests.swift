import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

@Suite("Layouts of the same checkpoint")
struct LayoutTests {
  /// Where each value of each output comes from, by output: source name, and rows in it.
  private func outputs(_ map: CheckpointMap) -> [String: [Int]] {
    Dictionary(map.outputs.map { ($0.name, $0.ggmlShape) }, uniquingKeysWith: { first, _ in first })
  }

  private func error(_ body: () throws -> Void) -> DescriptionError? {
    do {
      try body()
      return nil
    } catch {
      return error as? DescriptionError
    }
  }

  private func config(_ golden: GoldenCase, _ changes: [String: JSONValue]) throws -> ModelConfig {
    let members = try #require(try golden.config().document.members)
    return try ModelConfig(document: .object(members.merging(changes) { $1 }), file: "config.json")
  }

  @Test("Mixtral: fused as transformers holds it, stacked as MLX does, one by one under general names")
  func mixtral() throws {
    let golden = GoldenCase(name: "mixtral")
    let expected = outputs(try golden.map())
    let config = try golden.config()
    let sources = try golden.sources()
    let others = sources.filter { !$0.name.contains(".experts.") }
    let layers = Set(
      sources.compactMap { $0.name.hasPrefix("model.layers.") ? $0.name.split(separator: ".")[2] : nil })
    func renamed(_ tensors: [SourceTensor], _ from: String, _ to: String) -> [SourceTensor] {
      tensors.map { tensor in
        var tensor = tensor
        tensor.name = tensor.name.replacing(from, with: to)
        return tensor
      }
    }
    let gate = try #require(sources.first { $0.name.hasSuffix("experts.0.w1.weight") }).shape
    let (width, hidden) = (gate[0], gate[1])
    var fused = renamed(others, "block_sparse_moe", "mlp")
    var stacked = others
    var underMLP = renamed(others, "block_sparse_moe", "mlp")
    for layer in layers {
      let prefix = "model.layers.\(layer)."
      fused += [
        SourceTensor(
          name: prefix + "mlp.experts.gate_up_proj", elementType: .bf16, shape: [8, 2 * width, hidden]),
        SourceTensor(name: prefix + "mlp.experts.down_proj", elementType: .bf16, shape: [8, hidden, width]),
      ]
      for (name, shape) in [
        ("gate", [8, width, hidden]), ("up", [8, width, hidden]), ("down", [8, hidden, width]),
      ] {
        stacked.append(
          SourceTensor(
            name: prefix + "block_sparse_moe.switch_mlp.\(name)_proj.weight", elementType: .bf16, shape: shape
          ))
        underMLP.append(
          SourceTensor(name: prefix + "mlp.experts.\(name)_proj", elementType: .bf16, shape: shape))
      }
    }
    var single = renamed(sources, "block_sparse_moe", "mlp")
    for (from, to) in [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")] {
      single = renamed(single, ".\(from).weight", ".\(to).weight")
    }
    for tensors in [fused, stacked, underMLP, single] {
      #expect(outputs(try ModelDescription.describe(config: config, tensors: tensors)) == expected)
    }
    // gate rows first, then up rows, of each expert.
    let map = try ModelDescription.describe(config: config, tensors: fused)
    let up = try #require(map.outputs.first { $0.name == "blk.0.ffn_up_exps.weight" })
    guard case .feed(let feed) = up.content else { Issue.record("no feed"); return }
    #expect(feed.runs.map(\.firstRow) == (0..<8).map { (2 * $0 + 1) * width })
    #expect(feed.runs.allSatisfy { fused[$0.source].name == "model.layers.0.mlp.experts.gate_up_proj" })
  }

  @Test("Both names of Mixtral's block at once are a duplicate")
  func bothNames() throws {
    let golden = GoldenCase(name: "mixtral")
    var sources = try golden.sources()
    var router = try #require(sources.first { $0.name == "model.layers.0.block_sparse_moe.gate.weight" })
    router.name = "model.layers.0.mlp.gate.weight"
    sources.append(router)
    let config = try golden.config()
    #expect(
      error { _ = try ModelDescription.describe(config: config, tensors: sources) }?.problems
        == [.duplicate(name: router.name)])
  }

  @Test("A head left out is accepted when either place of the configuration ties it")
  func ties() throws {
    let golden = GoldenCase(name: "qwen3_5_moe-nested-mtp")
    let sources = try golden.sources().filter { $0.name != "lm_head.weight" }
    let members = try #require(try golden.config().document.members)
    let part = try #require(members["text_config"]?.members)
    func map(_ root: Bool?, _ text: Bool?) throws -> CheckpointMap? {
      var document = members
      var inner = part
      document["tie_word_embeddings"] = root.map { .bool($0) }
      inner["tie_word_embeddings"] = text.map { .bool($0) }
      document["text_config"] = .object(inner)
      let config = try ModelConfig(document: .object(document), file: "config.json")
      return try? ModelDescription.describe(config: config, tensors: sources)
    }
    for (root, text) in [(true, nil), (nil, true), (true, true)] as [(Bool?, Bool?)] {
      #expect(try map(root, text)?.warnings == [])
    }
    for (root, text) in [(true, false), (false, true)] {
      #expect(try map(root, text)?.warnings.first?.contains("tie_word_embeddings") == true)
    }
    for (root, text) in [(nil, nil), (false, nil), (nil, false), (false, false)] as [(Bool?, Bool?)] {
      #expect(try map(root, text) == nil)
    }
  }

  @Test("A next-token block that follows the trunk under its number, in both kinds of names")
  func numberedNextToken() throws {
    for name in ["qwen3_5-tied-mtp", "qwen3_next-mtp"] {
      let golden = GoldenCase(name: name)
      let expected = outputs(try golden.map())
      let layers = try HyperParameters(
        config: try golden.config(), family: try ModelFamily.family(of: try golden.config())
      ).layerCount
      for names in [
        [
          "fc": "eh_proj", "pre_fc_norm_embedding": "enorm", "pre_fc_norm_hidden": "hnorm",
          "norm": "shared_head.norm",
        ],
        [:],
      ] {
        let sources = try golden.sources().map { tensor in
          var tensor = tensor
          let parts = tensor.name.split(separator: ".").map(String.init)
          guard parts[0] == "mtp" else { return tensor }
          let rest =
            parts[1] == "layers"
            ? parts[3...].joined(separator: ".") : (names[parts[1]] ?? parts[1]) + ".weight"
          tensor.name = "model.layers.\(layers)." + rest
          return tensor
        }
        let map = try ModelDescription.describe(config: try golden.config(), tensors: sources)
        #expect(outputs(map) == expected)
        #expect(map.model.nextTokenLayerCount == 1)
        let dropped = try ModelDescription.describe(
          config: try golden.config(), tensors: sources, options: DescriptionOptions(nextToken: .drop))
        #expect(dropped.model.nextTokenLayerCount == 0)
        #expect(dropped.skipped.count >= expected.count - dropped.outputs.count)
      }
    }
  }

  @Test("A trunk with fewer experts than its next-token block is told of the trunk alone")
  func prunedTrunk() throws {
    let golden = GoldenCase(name: "qwen3_5_moe-nested-mtp")
    var sources = try golden.sources()
    let count = try #require(sources.first { $0.name.hasSuffix("mlp.gate.weight") }).shape[0]
    for index in sources.indices where !sources[index].name.contains("mtp.") {
      let name = sources[index].name
      if name.hasSuffix("mlp.gate.weight") || name.contains(".experts.") {
        sources[index].shape[0] = count - 3
      }
    }
    let members = try #require(try golden.config().document.members)
    var part = try #require(members["text_config"]?.members)
    part["num_experts"] = .integer(count - 3)
    let config = try ModelConfig(
      document: .object(members.merging(["text_config": .object(part)]) { $1 }), file: "config.json")
    let error = error { _ = try ModelDescription.describe(config: config, tensors: sources) }
    #expect(error?.code == .tensorMismatch)
    #expect(error?.fault.remedy.settings == [.trunkAlone])
    let map = try ModelDescription.describe(
      config: config, tensors: sources, options: DescriptionOptions(nextToken: .drop))
    #expect(map.model.experts?.count == count - 3)
  }

  @Test("Experts that kept their numbers are one problem of each block")
  func expertNumbers() throws {
    let golden = GoldenCase(name: "qwen3_moe")
    let kept = [0, 2, 3, 6, 7]
    var sources = try golden.sources().filter { tensor in
      guard let part = tensor.name.components(after: ".experts.") else { return true }
      return kept.contains(part)
    }
    for index in sources.indices where sources[index].name.hasSuffix("mlp.gate.weight") {
      sources[index].shape[0] = kept.count
    }
    let config = try config(golden, ["num_experts": .integer(5)])
    let error = error { _ = try ModelDescription.describe(config: config, tensors: sources) }
    #expect(
      error?.problems == [
        .expertNumbers(prefix: "model.layers.0.mlp.", numbers: kept),
        .expertNumbers(prefix: "model.layers.1.mlp.", numbers: kept),
      ])
    #expect(error?.fault.remedy.contains("kept the numbers") == true)
    let old = try golden.config()
    let other = self.error { _ = try ModelDescription.describe(config: old, tensors: sources) }
    #expect(other?.fault.remedy.contains("router has 5 rows, config.json says 8 experts") == true)
  }

  @Test("Layers beyond num_hidden_layers are named")
  func extraLayers() throws {
    let golden = GoldenCase(name: "qwen3_moe")
    let sources = try golden.sources()
    let config = try config(golden, ["num_hidden_layers": .integer(1)])
    let error = error { _ = try ModelDescription.describe(config: config, tensors: sources) }
    #expect(error?.fault.remedy.contains("of 2 layers, num_hidden_layers in config.json is 1") == true)
  }
}

extension String {
  /// The number that follows `mark`.
  fileprivate func components(after mark: String) -> Int? {
    guard let place = firstRange(of: mark) else { return nil }
    return self[place.upperBound...].split(separator: ".").first.flatMap { Int($0) }
  }
}
