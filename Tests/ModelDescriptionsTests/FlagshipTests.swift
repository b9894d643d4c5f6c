import ModelDescriptions
import TensorTypes
import Testing

@Suite("Qwen3.6-35B-A3B")
struct FlagshipTests {
  @Test("The synthetic headers have the published counts")
  func headers() {
    let all = FlagshipCheckpoint.tensors(nextToken: .fused)
    #expect(all.count == 693 + 333 + 19)
    #expect(FlagshipCheckpoint.tensors(nextToken: .perExpert).count == 693 + 333 + 785)
    #expect(all.reduce(0) { $0 + $1.shape.reduce(1, *) } == 35_951_822_704)
  }

  @Test("Without the next-token block: 733 tensors, 69,365,647,872 bytes as BF16")
  func trunk() throws {
    let config = try FlagshipCheckpoint.config()
    for layout in FlagshipCheckpoint.NextTokenLayout.allCases {
      let map = try ModelDescription.describe(
        config: config, tensors: FlagshipCheckpoint.tensors(nextToken: layout),
        options: DescriptionOptions(nextToken: .drop))
      #expect(map.outputs.count == 733)
      #expect(map.outputs.count { $0.storage == .alwaysF32 } == 301)
      #expect(map.byteCount(as: .bf16) == 69_365_647_872)
      #expect(map.model.blockCount == 40)
      let dropped = [.none: 0, .fused: 19, .perExpert: 785][layout] ?? -1
      #expect(map.skipped.count == 333 + dropped)
    }
  }

  @Test("The vision tower: 333 tensors, of which that of the patches becomes two")
  func tower() throws {
    let text = FlagshipCheckpoint.configText.replacing(
      #""vision_config": {"depth": 27}"#, with: #""vision_config": {"out_hidden_size": 2048}"#)
    let config = try ModelConfig(parsing: Array(text.utf8))
    let tower = try VisionTower(
      config: config, pictures: PictureSettings(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5]))
    #expect(tower.depth == 27 && tower.imageSize == 768 && tower.deepstackBlocks.isEmpty)
    let tensors = FlagshipCheckpoint.tensors(nextToken: .fused)
    let map = try tower.map(tensors, config: config)
    #expect(map.outputs.count == 334 && map.skipped.count == 693 + 19)
    let own = tensors.filter { $0.name.hasPrefix("model.visual.") }
    func weights(_ shapes: [[Int]]) -> Int { shapes.reduce(0) { $0 + $1.reduce(1, *) } }
    let (after, before) = (weights(map.outputs.map(\.ggmlShape)), weights(own.map(\.shape)))
    #expect(after == before)
  }

  @Test(
    "With it: 753 tensors, 71,056,003,584 bytes as BF16",
    arguments: [FlagshipCheckpoint.NextTokenLayout.fused, .perExpert])
  func nextToken(_ layout: FlagshipCheckpoint.NextTokenLayout) throws {
    let map = try ModelDescription.describe(
      config: try FlagshipCheckpoint.config(), tensors: FlagshipCheckpoint.tensors(nextToken: layout))
    #expect(map.outputs.count == 753)
    #expect(map.outputs.count { $0.storage == .alwaysF32 } == 310)
    #expect(map.byteCount(as: .bf16) == 71_056_003_584)
    #expect(map.model.blockCount == 41)
    #expect(map.warnings.isEmpty)
    #expect(
      map.outputs.contains { $0.name == "blk.40.nextn.eh_proj.weight" && $0.ggmlShape == [4096, 2048] })
  }

  @Test("A checkpoint saved without its next-token block converts, with a warning")
  func lost() throws {
    let map = try ModelDescription.describe(
      config: try FlagshipCheckpoint.config(), tensors: FlagshipCheckpoint.tensors(nextToken: .none))
    #expect(map.outputs.count == 733)
    #expect(map.warnings.count == 1)
    #expect(throws: DescriptionError.self) {
      try ModelDescription.describe(
        config: try FlagshipCheckpoint.config(), tensors: FlagshipCheckpoint.tensors(nextToken: .none),
        options: DescriptionOptions(nextToken: .keep))
    }
  }

  @Test("Hyper-parameters")
  func hyperParameters() throws {
    let config = try FlagshipCheckpoint.config()
    let model = try HyperParameters(config: config, family: try .family(of: config))
    #expect(model.layerCount == 40)
    #expect(model.attention.headDim == 256)
    #expect(model.attention.rotaryDimensions == 64)
    #expect(model.attention.rope.theta == 1e7)
    #expect(model.attention.rope.sections == [11, 11, 10])
    #expect(
      model.layerKinds.indices.filter { model.layerKinds[$0] == .attention }
        == Array(stride(from: 3, to: 40, by: 4)))
    #expect(model.experts?.count == 256)
    #expect(model.experts?.router.normalizesTopK == true)
    #expect(model.linearAttention?.channelCount == 8192)
    #expect(model.linearAttention?.tiledHeadOrder.prefix(4) == [0, 2, 4, 6])
    #expect(model.normIsOffset)
    #expect(!model.tiedEmbeddings)
  }
}
