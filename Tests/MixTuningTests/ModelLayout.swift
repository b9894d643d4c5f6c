import FileBytes
import Foundation
import MixTuning
import ModelDescriptions
import QuantRecipes
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// Tensors and counts of a real model, told from its configuration under `samples/configs`.
struct ModelLayout {
  let name: String
  let facts: MixModelFacts
  let tensors: [MixTensor]

  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Mixtures with full, linear, latent and windowed attention, short convolutions, next-token prediction; a dense model with a
  /// tied embedding.
  static let names = [
    "qwen3.6-35b-a3b", "deepseek-v3", "glm-4.5-air", "lfm2-8b-a1b", "gpt-oss-20b", "gemma-4-26b-a4b",
    "llama-3.2-1b",
  ]

  init(_ name: String) throws {
    self.name = name
    let config = try ModelConfig(
      contentsOf: Self.repository.appendingPathComponent("samples/configs/\(name).json").path)
    let expected = try ModelDescription.expectedTensors(config: config)
    let map = try ModelDescription.describe(
      config: config, tensors: expected, options: DescriptionOptions(tensorsAreExpected: true))
    let metadata = try CheckpointMetadata.entriesWithoutVocabulary(
      files: TokenizerFolder(Self.repository.appendingPathComponent("samples/Pelican-10M-A5M").path),
      config: config, map: map, options: CheckpointMetadata.Options(fileType: 32))
    facts = try MixModelFacts.from(metadata: metadata)
    tensors = map.outputs.map {
      MixTensor(
        name: $0.name, ggmlShape: $0.ggmlShape, type: $0.storage == .alwaysF32 ? .f32 : .bf16,
        purpose: $0.purpose)
    }
  }

  /// Types that a group may get, by size.
  static let types: [TensorType] = [.q2_K, .q3_K, .iq4_xs, .q4_K, .q5_K, .q6_K, .q8_0, .f16]

  /// A table of the model with invented divergences, smaller for larger types.
  func table(name: String = "a model") throws -> SensitivityTable {
    var options = MixOptions()
    options.recipe = try RecipeLibrary.recipe("q8_0")
    let decisions = try TypeMixer.decide(mix: .q8_0, options: options, facts: facts, tensors: tensors)
    var groups: [TuningGroup] = []
    for (tensor, decision) in zip(tensors, decisions) {
      if case .notQuantizable = decision.reason { continue }
      let isExtra = tensor.purpose.block.map { $0 >= facts.layerCount - facts.nextTokenLayerCount } ?? false
      let role = isExtra ? .nextToken : try #require(Self.role(tensor.purpose), "\(tensor.name)")
      let layer = role.isPerLayer ? tensor.purpose.block : nil
      let weights = tensor.ggmlShape.reduce(1, *)
      if let known = groups.firstIndex(where: { $0.role == role && $0.layer == layer }) {
        groups[known].tensors.append(tensor.name)
        groups[known].weights += weights
      } else {
        groups.append(TuningGroup(role: role, layer: layer, tensors: [tensor.name], weights: weights))
      }
    }
    let rows = groups.map { group in
      SensitivityTable.Row(
        group: group, isMeasured: true,
        candidates: Self.types.enumerated().map { place, type in
          SensitivityTable.Candidate(
            type: type, storedTypes: [type],
            byteCount: group.weights / type.blockLength * type.blockByteCount,
            divergence: 0.01 / Double(1 << (2 * place)))
        })
    }
    return SensitivityTable(
      pouchVersion: "0.0.0",
      model: SensitivityTable.Model(
        name: name, fingerprint: "xxh64:0123456789abcdef", architecture: facts.architecture,
        layers: facts.layerCount - facts.nextTokenLayerCount, weights: groups.reduce(0) { $0 + $1.weights }),
      text: SensitivityTable.Text(
        name: "text.txt", hash: "fedcba9876543210", windows: 64, windowLength: 512),
      importance: nil, method: .measured, fixedByteCount: 1000, rows: rows)
  }

  private static func role(_ purpose: TensorPurpose) -> TuningRole? {
    switch purpose.slot {
    case .tokenEmbedding: .embedding
    case .output: .output
    case .query, .queryDown, .queryUp: .attentionQuery
    case .key, .latentKey: .attentionKey
    case .value, .latentValue: .attentionValue
    case .latentDown, .latentKeyValue: .attentionKeyValue
    case .queryKeyValue: .attentionQueryKeyValue
    case .attentionOutput: .attentionOutput
    case .deltaNetInput, .deltaNetInputGate, .shortConvolutionInput: .linearAttentionIn
    case .deltaNetGate, .deltaNetAlpha, .deltaNetBeta, .deltaNetGates: .linearAttentionGates
    case .deltaNetOutput, .shortConvolutionOutput: .linearAttentionOut
    case .gate, .up: .feedForwardGateUp
    case .down: .feedForwardDown
    case .expertGate, .expertUp, .expertGateUp: .routedExpertsGateUp
    case .expertDown: .routedExpertsDown
    case .sharedGate, .sharedUp, .sharedDown: .sharedExperts
    default: nil
    }
  }
}

extension SensitivityTable {
  /// A mix of this table, whatever its budget.
  func mix(_ choices: [Int], budget: TunedMix.Budget = .bitsPerWeight(4.5), actual: TunedMix.Actual? = nil)
    -> TunedMix
  {
    let chosen = zip(rows, choices).map { $0.candidates[$1] }
    let bytes = fixedByteCount + chosen.reduce(0) { $0 + $1.byteCount }
    let divergence = chosen.reduce(0) { $0 + $1.divergence }
    return TunedMix(
      budget: budget, choices: choices, fileByteCount: bytes,
      bitsPerWeight: 8 * Double(bytes) / Double(model.weights), predictedDivergence: divergence,
      lowerBound: divergence, isOptimal: true, actual: actual)
  }
}
