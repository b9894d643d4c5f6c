import FileBytes
import ModelDescriptions
import TensorTypes
import TestSupport
import Testing
import TextTokenizers

/// What a file says of a tower is what its configuration said.
@Suite struct VisionTowerTests {
  private func config(_ generator: inout SeededGenerator) throws -> ModelConfig {
    func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let heads = number(1...4)
    let depth = number(1...6)
    let deepstack = (0..<depth).filter { _ in number(0...2) == 0 }
    let side = number(1...9)
    let text = """
      {"architectures": ["Qwen3VLForConditionalGeneration"],
       "text_config": {"hidden_size": \(number(1...99)), "rms_norm_eps": 1e-5},
       "vision_config": {"depth": \(depth), "hidden_size": \(heads * number(1...9)), "num_heads": \(heads),
         "intermediate_size": \(number(1...99)), "patch_size": \(number(1...20)),
         "spatial_merge_size": \(number(1...3)), "num_position_embeddings": \(side * side),
         "deepstack_visual_indexes": \(deepstack)}}
      """
    return try ModelConfig(parsing: Array(text.utf8))
  }

  @Test func keysAreReadAsTheyWereWritten() throws {
    var generator = SeededGenerator(seed: 4)
    let folder = try TemporaryFolder()
    let files = try TokenizerFolder(folder.path(""))
    for _ in 0..<50 {
      var tower = try VisionTower(
        config: try config(&generator),
        pictures: PictureSettings(mean: [0.5, 0.25, 0], deviation: [1, 0.5, 0.125]))
      // What mergers give is as wide as the vectors that it joins.
      tower.outputWidth = tower.textWidth
      tower.normEpsilon = Double(Float(tower.normEpsilon))
      let entries = VisionMetadata(files: files, tower: tower, outputs: [], fileType: 1, modelName: nil)
        .entries
      let shapes = Dictionary(uniqueKeysWithValues: tower.expectedTensors.map { ($0.name, $0.ggmlShape) })
      #expect(try VisionTower(metadata: entries, shapes: shapes, file: "") == tower)
      for key in VisionTower.keys {
        let name = key.fullName(VisionTower.architecture)
        let entry = try #require(entries.first { $0.key == name }, "\(name)")
        #expect(key.complaint(about: entry.value, blockCount: tower.depth) == nil, "\(name)")
      }
      let purposes = TensorPurposes(metadata: entries, names: Array(shapes.keys))
      #expect(shapes.keys.allSatisfy { purposes[$0].role == .vision && purposes[$0].slot != nil })
    }
  }

  /// Lengths that a file says may be anything.
  @Test func aHostileListIsNoLongerThanTheTower() throws {
    let entries = [
      MetadataEntry("general.architecture", .string("clip")),
      MetadataEntry("clip.projector_type", .string("qwen3vl_merger")),
      MetadataEntry(
        "clip.vision.is_deepstack_layers", .array(.bool([Bool](repeating: true, count: 100_000)))),
      MetadataEntry("clip.vision.image_mean", .array(.float32([0, 0, 0]))),
      MetadataEntry("clip.vision.image_std", .array(.float32([1, 1, 1]))),
      MetadataEntry("clip.vision.attention.layer_norm_epsilon", .float32(1e-6)),
    ]
    let counts = [
      "projection_dim", "image_size", "patch_size", "embedding_length", "feed_forward_length", "block_count",
      "attention.head_count",
    ].map { MetadataEntry("clip.vision." + $0, .uint32(2)) }
    let tower = try VisionTower(metadata: entries + counts, shapes: [:], file: "")
    #expect(tower.depth == 2 && tower.deepstackBlocks == [0, 1])
    for index in counts.indices {
      var fewer = counts
      fewer.remove(at: index)
      #expect(throws: DescriptionError.self) {
        try VisionTower(metadata: entries + fewer, shapes: [:], file: "")
      }
    }
  }
}
