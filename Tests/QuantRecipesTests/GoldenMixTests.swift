import Foundation
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// The types that llama-quantize chose in dry runs, recorded by `scripts/conformance-mixes.py`.
struct GoldenMixes {
  var facts: MixModelFacts
  var tensors: [MixTensor] = []
  var options: [String: MixOptions] = [:]
  /// Layers that were dropped, and the names before.
  var pruned: String?
  var sourceNames: [String] = []
  /// The tensors were processed as they lie in the file.
  var isGivenOrder = false
  /// Mix, set of options, one type per tensor.
  var decisions: [(mix: String, options: String, types: [TensorType])] = []

  /// All recorded models.
  static let names: [String] = {
    let folder = Bundle.module.url(forResource: "Golden", withExtension: nil)
    let files = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
    return files.filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()
  }()

  init(_ name: String) throws {
    let url = try #require(Bundle.module.url(forResource: "Golden/\(name)", withExtension: "txt"))
    facts = MixModelFacts(architecture: "", expertCount: 0, headCount: 0, headCountKV: 0, layerCount: 0)
    var letters: [Character: TensorType] = [:]
    var mix = ""
    var seen: [String: [TensorType]] = [:]
    for line in try String(contentsOf: url, encoding: .utf8).split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      switch words[0] {
      case "model": break
      case "facts":
        let numbers = words[2...].compactMap { Int($0) }
        try #require(numbers.count == 5)
        facts = MixModelFacts(
          architecture: words[1], expertCount: numbers[0], headCount: numbers[1], headCountKV: numbers[2],
          layerCount: numbers[3], nextTokenLayerCount: numbers[4])
      case "tensor":
        let type = try #require(TensorType(name: words[2]))
        tensors.append(
          MixTensor(
            name: words[1], ggmlShape: words[3].split(separator: ",").compactMap { Int($0) }, type: type))
      case "options": options[words[1]] = try Self.options(Array(words.dropFirst(2)))
      case "pruned": pruned = words[1]
      case "source": sourceNames.append(words[1])
      case "order": isGivenOrder = true
      case "types":
        for word in words.dropFirst() {
          let type: TensorType = try #require(TensorType(name: String(word.dropLast(2))))
          letters[try #require(word.last)] = type
        }
      case "mix":
        mix = words[1]
        seen = [:]
      default:
        let types =
          words[1] == "="
          ? try #require(seen[words[2]])
          : try words[1].map { try #require(letters[$0]) }
        try #require(types.count == tensors.count)
        seen[words[0]] = types
        decisions.append((mix, words[0], types))
      }
    }
  }

  private static func options(_ flags: [String]) throws -> MixOptions {
    var options = MixOptions()
    options.allowRequantize = true
    var rest = flags.makeIterator()
    func value() throws -> String {
      let next = rest.next()
      return try #require(next)
    }
    while let flag = rest.next() {
      switch flag {
      case "--pure": options.pure = true
      case "--leave-output-tensor": options.leaveOutputTensor = true
      case "--imatrix":
        _ = try value()
        options.importanceSupplied = true
      case "--tensor-type":
        try options.tensorTypeRules.append(TensorTypeRule(parsing: value()))
      case "--output-tensor-type":
        options.outputTensorType = try TensorTypeRule.tensorType(named: value())
      case "--token-embedding-type":
        options.tokenEmbeddingType = try TensorTypeRule.tensorType(named: value())
      default: Issue.record("unknown flag \(flag)")
      }
    }
    return options
  }
}

@Suite("Types chosen equal llama-quantize's")
struct GoldenMixTests {
  @Test("there are recordings")
  func present() {
    #expect(GoldenMixes.names.count >= 34)
  }

  @Test("every decision", arguments: GoldenMixes.names)
  func everyDecision(name: String) throws {
    let golden = try GoldenMixes(name)
    #expect(golden.decisions.count >= 8 * 18)
    // The processing order is what the dry run printed.
    let names = golden.tensors.map(\.name)
    #expect(golden.isGivenOrder != (TypeMixer.processingOrder(names) == Array(names.indices)))
    for (mixName, set, expected) in golden.decisions {
      let mix = try StockMix(name: mixName)
      var options = try #require(golden.options[set])
      options.keepsGivenOrder = golden.isGivenOrder
      let found = try TypeMixer.decide(
        mix: mix, options: options, facts: golden.facts, tensors: golden.tensors)
      if let first = zip(found, expected).enumerated().first(where: { $0.element.0.type != $0.element.1 }) {
        Issue.record(
          """
          \(name) \(mixName) \(set): \(names[first.offset]) is \(first.element.0), \
          llama-quantize says \(first.element.1.name)
          """)
      }
      #expect(found.count == expected.count)
    }
  }

  @Test("names after pruning", arguments: ["llama-pruned", "mixtral-pruned", "qwen35moe-pruned"])
  func pruned(name: String) throws {
    let golden = try GoldenMixes(name)
    let pruning = try LayerPruning(parsing: try #require(golden.pruned))
    let result = try pruning.apply(to: golden.sourceNames)
    let kept = result.names.compactMap(\.self)
    #expect(TypeMixer.processingOrder(kept).map { kept[$0] } == golden.tensors.map(\.name))
    #expect(result.blockCount == golden.facts.layerCount - pruning.layers.count)
  }

  @Test("decisions do not depend on the order tensors are given in")
  func anyOrder() throws {
    let golden = try GoldenMixes("llama-gqa4")
    var generator = SeededGenerator(seed: 1)
    let order = golden.tensors.indices.shuffled(using: &generator)
    let shuffled = order.map { golden.tensors[$0] }
    for (mixName, set, expected) in golden.decisions where set == "normal" {
      let found = try TypeMixer.decide(
        mix: try StockMix(name: mixName), options: try #require(golden.options[set]), facts: golden.facts,
        tensors: shuffled)
      #expect(found.map(\.type) == order.map { expected[$0] })
    }
  }
}
