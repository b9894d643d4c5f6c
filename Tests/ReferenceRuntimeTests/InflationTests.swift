import Foundation
import ModelDescriptions
import ReferenceRuntime
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

/// What is foretold of inflating compressed shards is what happens.
@Suite struct InflationTests {
  /// How the tensors of a shard follow each other.
  enum Order: CaseIterable {
    case layers
    case names
    case reversed

    /// Tensors in this order; the embedding comes first and the output matrix last in that of layers.
    func sort(_ names: [String]) -> [String] {
      switch self {
      case .names: names.sorted()
      case .layers: names.sorted { (Self.rank($0), $0) < (Self.rank($1), $1) }
      case .reversed: names.sorted { (Self.rank($0), $0) > (Self.rank($1), $1) }
      }
    }

    private static func rank(_ name: String) -> Int {
      if name.contains("embed_tokens") { return -1 }
      guard let match = name.firstMatch(of: /layers\.([0-9]+)\./) else { return .max }
      return Int(match.1) ?? .max
    }
  }

  private func write(_ family: String, _ order: Order, fp8: Bool, in parent: TemporaryFolder) throws -> String
  {
    var stored = try StoredCheckpoint(folder: try GoldenModel(family).folder)
    if fp8 { stored.storeAsFP8(blockRows: 16, blockColumns: 20) }
    let folder = try stored.write(in: parent, name: "model")
    let items = order.sort(Array(stored.tensors.keys)).compactMap { name -> SafetensorsWriter.Item? in
      guard let tensor = stored.tensors[name], let type = ElementType(rawValue: tensor.type) else {
        return nil
      }
      return (SourceTensor(name: name, elementType: type, shape: tensor.shape), tensor.bytes)
    }
    try FileManager.default.removeItem(atPath: folder + "/model.safetensors")
    try SafetensorsWriter.writeCheckpoint([items], to: folder)
    let shard = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".safetensors") })
    try ZstdWriter.compressFile(folder + "/" + shard, to: folder + "/" + shard + ".zst")
    try FileManager.default.removeItem(atPath: folder + "/" + shard)
    return folder
  }

  @Test(arguments: ["qwen3_moe", "llama", "qwen3_5_moe", "deepseek_v3"], Order.allCases)
  func layerByLayer(_ family: String, _ order: Order) throws {
    let golden = try GoldenModel(family)
    for fp8 in [false, true] {
      let parent = try TemporaryFolder()
      let folder = try write(family, order, fp8: fp8, in: parent)
      for givesBack in [true, false] {
        // Convolutions are read when a model is opened, and stay.
        let kept = family == "qwen3_5_moe" ? 4096 : 100
        let model = try LoadedModel.open(path: folder, late: LateWeights(keptByteCount: kept))
        let group = GroupSession(
          model: model, contextLength: 64, threads: 1, options: GroupOptions(givesWeightsBack: givesBack))
        for count in 1...3 {
          #expect(try group.run([golden.tokens]))
          _ = try group.logits(sequence: 0, positions: 0..<3)
          group.releaseOutput()
          let foretold = try #require(model.inflation(groupCount: count, givesWeightsBack: givesBack))
          let found = model.inflated
          #expect(foretold.shards.map(\.startCount) == found.map(\.startCount), "group \(count), \(fp8)")
          #expect(
            foretold.shards.map(\.inflatedByteCount) == found.map(\.byteCount), "group \(count), \(fp8)")
        }
        let all = try #require(model.inflation(groupCount: 3, givesWeightsBack: givesBack))
        let starts = all.shards[0].startsPerGroup
        switch order {
        case _ where !givesBack: #expect(starts == 0)
        // A tied output matrix lies before all layers, and is read again after them.
        case .layers where !fp8: #expect(starts == (model.weightsAreTied ? 2 : 1))
        case .layers: #expect(starts >= 1)
        case .reversed: #expect(starts >= model.architecture.layers.count)
        case .names: #expect(starts >= 1)
        }
      }
    }
  }

  @Test(arguments: Order.allCases)
  func allAtOnce(_ order: Order) throws {
    let parent = try TemporaryFolder()
    let folder = try write("qwen3_moe", order, fp8: true, in: parent)
    let model = try LoadedModel.open(path: folder, isLate: true)
    let foretold = try #require(model.inflation(groupCount: 0, givesWeightsBack: false))
    _ = try Session(model: model, contextLength: 8, threads: 1)
    #expect(foretold.shards.map(\.startCount) == model.inflated.map(\.startCount))
    #expect(foretold.shards.map(\.inflatedByteCount) == model.inflated.map(\.byteCount))
  }

  @Test func plainShardsAreNotInflated() throws {
    let model = try LoadedModel.open(path: try GoldenModel("qwen3_moe").folder, isLate: true)
    #expect(model.inflation(groupCount: 3, givesWeightsBack: true) == nil && model.inflated.isEmpty)
  }
}
