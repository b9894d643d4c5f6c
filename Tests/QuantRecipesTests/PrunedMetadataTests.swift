import FileBytes
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("Metadata after pruning")
struct PrunedMetadataTests {
  /// Tensor names of `count` layers.
  private func names(_ count: Int) -> [String] {
    ["token_embd.weight"] + (0..<count).map { "blk.\($0).attn_norm.weight" }
  }

  private func prune(
    _ layers: String, of count: Int, _ architecture: String, _ entries: [(String, MetadataValue)]
  ) throws -> [String: MetadataValue] {
    let pruning = try LayerPruning(parsing: layers)
    let metadata =
      [MetadataEntry("general.architecture", .string(architecture))]
      + [("block_count", MetadataValue.uint32(UInt32(count)))].map {
        MetadataEntry(architecture + "." + $0.0, $0.1)
      }
      + entries.map { MetadataEntry($0.0.contains("tokenizer.") ? $0.0 : architecture + "." + $0.0, $0.1) }
    let result = try pruning.apply(to: metadata, names: try pruning.apply(to: names(count)))
    return Dictionary(
      uniqueKeysWithValues: result.map {
        (
          $0.key.hasPrefix(architecture + ".") ? String($0.key.dropFirst(architecture.count + 1)) : $0.key,
          $0.value
        )
      })
  }

  @Test("arrays with one element per layer lose those of dropped layers; others stay")
  func arrays() throws {
    let found = try prune(
      "1,3", of: 4, "qwen3moe",
      [
        ("attention.head_count_kv", .array(.int32([8, 4, 2, 1]))),
        ("feed_forward_length", .array(.uint32([1, 2, 3, 4]))),
        ("some.new_key", .array(.float32([0.5, 1, 2, 4]))),
        ("attention.sliding_window_pattern", .array(.bool([true, false, true, true]))),
        ("rope.dimension_sections", .array(.int32([11, 11, 10, 0]))), ("expert_count", .uint32(8)),
        ("other", .array(.int32([1, 2, 3]))), ("tokenizer.ggml.scores", .array(.float32([1, 2, 3, 4]))),
      ])
    #expect(found["attention.head_count_kv"] == .array(.int32([8, 2])))
    #expect(found["feed_forward_length"] == .array(.uint32([1, 3])))
    #expect(found["some.new_key"] == .array(.float32([0.5, 2])))
    #expect(found["attention.sliding_window_pattern"] == .array(.bool([true, true])))
    // Four sections of rotary dimensions, not one per layer.
    #expect(found["rope.dimension_sections"] == .array(.int32([11, 11, 10, 0])))
    #expect(found["other"] == .array(.int32([1, 2, 3])))
    #expect(found["tokenizer.ggml.scores"] == .array(.float32([1, 2, 3, 4])))
  }

  @Test("layers that take features of pictures stay, those after them may go")
  func deepstack() throws {
    let keys: [(String, MetadataValue)] = [("n_deepstack_layers", .uint32(2))]
    #expect(try prune("2,3", of: 5, "qwen3vl", keys)["n_deepstack_layers"] == .uint32(2))
    #expect(throws: RecipeError.self) { try prune("1", of: 5, "qwen3vl", keys) }
    #expect(try prune("0", of: 5, "qwen3vl", [("n_deepstack_layers", .uint32(0))]).isEmpty == false)
  }

  @Test("the interval of a hybrid model makes place for a list where it is not true any more")
  func hybrid() throws {
    let interval = ("full_attention_interval", MetadataValue.uint32(4))
    let flags = (0..<8).map { ($0 + 1) % 4 != 0 }
    let list = ("attention.recurrent_layers", MetadataValue.array(.bool(flags)))
    for entries in [[interval], [interval, list], [list], []] {
      let found = try prune("1,2", of: 8, "qwen35moe", entries)
      #expect(
        found["attention.recurrent_layers"] == .array(.bool([true, false, true, true, true, false])))
      #expect(found["full_attention_interval"] == nil)
      // A whole group of four leaves the interval true.
      let group = try prune("4,5,6,7", of: 8, "qwen35moe", entries)
      #expect(group["full_attention_interval"] == entries.first { $0.0 == interval.0 }?.1)
      #expect(
        group["attention.recurrent_layers"]
          == (entries.contains { $0.0 == list.0 } ? .array(.bool(Array(flags.prefix(4)))) : nil))
    }
  }

  @Test("layers for next-token prediction")
  func nextToken() throws {
    // Six layers of the trunk, the seventh predicts the next token.
    let entries: [(String, MetadataValue)] = [
      ("nextn_predict_layers", .uint32(1)), ("full_attention_interval", .uint32(3)),
      ("attention.recurrent_layers", .array(.bool([true, true, false, true, true, false, false]))),
      ("feed_forward_length", .array(.uint32([1, 2, 3, 4, 5, 6]))),
    ]
    let trunk = try prune("2,4", of: 7, "qwen35", entries)
    #expect(trunk["nextn_predict_layers"] == .uint32(1))
    #expect(trunk["attention.recurrent_layers"] == .array(.bool([true, true, true, false, false])))
    #expect(trunk["feed_forward_length"] == .array(.uint32([1, 2, 4, 6])))
    let without = try prune("6", of: 7, "qwen35", entries)
    #expect(without["nextn_predict_layers"] == nil)
    #expect(without["full_attention_interval"] == .uint32(3))
    #expect(without["attention.recurrent_layers"] == .array(.bool([true, true, false, true, true, false])))
    #expect(without["feed_forward_length"] == .array(.uint32([1, 2, 3, 4, 5, 6])))
    let error = #expect(throws: RecipeError.self) { try prune("0,1,2,3,4,5", of: 7, "qwen35", entries) }
    #expect(error?.code == .layerNotPrunable)
  }

  @Test("a hybrid model keeps both kinds of layers", arguments: ["3,7", "0,1,2,4,5,6"])
  func bothKinds(layers: String) throws {
    let error = #expect(throws: RecipeError.self) {
      try prune(layers, of: 8, "qwen3next", [("full_attention_interval", .uint32(4))])
    }
    #expect(error?.code == .layerNotPrunable)
    #expect(error?.fault.found.contains("attention would be left") == true)
  }

  @Test("leading dense layers are counted anew")
  func leadingDense() throws {
    let found = try prune("0,5", of: 6, "deepseek2", [("leading_dense_block_count", .uint32(3))])
    #expect(found["leading_dense_block_count"] == .uint32(2))
  }

  @Test(
    "what would become untrue is refused",
    arguments: [
      ("gemma3", "1", nil), ("smollm3", "0", nil), ("llama4", "5", ("interleave_moe_layer_step", 2)),
      ("cohere2", "0,1", ("attention.sliding_window_pattern", 4)),
      ("gemma3n", "7", ("attention.shared_kv_layers", 3)),
    ] as [(String, String, (String, UInt32)?)])
  func refused(architecture: String, layers: String, entry: (String, UInt32)?) throws {
    let entries = entry.map { [($0.0, MetadataValue.uint32($0.1))] } ?? []
    let error = #expect(throws: RecipeError.self) { try prune(layers, of: 8, architecture, entries) }
    #expect(error?.code == .layerNotPrunable)
    #expect(error?.fault.subject == Wording(.prunedLayers))
  }

  @Test(
    "last layers and whole groups can always be pruned",
    arguments: [("gemma3", "6,7"), ("gemma2", "2,3"), ("smollm3", "0,1,2,3"), ("llama", "0,3,5")])
  func accepted(architecture: String, layers: String) throws {
    #expect(try prune(layers, of: 8, architecture, [])["block_count"] == .uint32(8))
  }

  @Test("an array of another length is refused")
  func otherLength() throws {
    let error = #expect(throws: RecipeError.self) {
      try prune("1", of: 4, "qwen3", [("attention.head_count_kv", .array(.int32([1, 2, 3])))])
    }
    #expect(error?.code == .badMetadata)
    #expect(error?.fault.subject == "qwen3.attention.head_count_kv")
  }
}
