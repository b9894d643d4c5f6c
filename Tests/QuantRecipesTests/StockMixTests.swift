import FileBytes
import QuantRecipes
import TensorTypes
import Testing

@Suite("Stock mixes and facts")
struct StockMixTests {
  @Test(
    "names, aliases and numbers",
    arguments: [
      ("Q4_K_M", StockMix.q4_K_M), ("q4_k_m", .q4_K_M), ("Q4_K", .q4_K_M), ("q5_k", .q5_K_M),
      ("Q3_K", .q3_K_M),
      ("15", .q4_K_M), ("0", .f32), ("1", .f16), ("32", .bf16), ("38", .mxfp4_MOE), ("mxfp4_moe", .mxfp4_MOE),
      ("copy", .copy), ("bf16", .bf16), ("iq4_xs", .iq4_XS), ("25", .iq4_NL), ("21", .q2_K_S), ("7", .q8_0),
    ])
  func found(name: String, mix: StockMix) throws {
    #expect(try StockMix(name: name) == mix)
  }

  @Test("every mix is found by its own name, and by its number")
  func ownNames() throws {
    for mix in StockMix.allCases {
      #expect(try StockMix(name: mix.rawValue.lowercased()) == mix)
      if let number = mix.fileType { #expect(try StockMix(name: "\(number)") == mix) }
    }
    #expect(Set(StockMix.allCases.compactMap(\.fileType)).count == StockMix.allCases.count - 1)
  }

  @Test(
    "unknown names, with the nearest",
    arguments: [
      ("q4_km", "did you mean Q4_K_M?"), ("Q4KM", "did you mean Q4_K_M?"), ("q8", "did you mean Q8_0?"),
      ("nonsense", ""), ("", ""), ("4", ""), ("15x", ""), ("-1", ""),
    ])
  func unknown(name: String, remedy: String) throws {
    let error = try #require(throws: RecipeError.self) { _ = try StockMix(name: name) }
    #expect(error.code == .unknownMix)
    if !remedy.isEmpty { #expect(error.fault.remedy.description == remedy) }
    #expect(error.faultClass == .usage)
  }

  @Test(
    "mixes that exist elsewhere are not called unknown", arguments: ["IQ2_XXS", "iq3_m", "TQ1_0", "19", "40"])
  func unsupported(name: String) throws {
    #expect(try #require(throws: RecipeError.self) { _ = try StockMix(name: name) }.code == .mixNotSupported)
  }

  private let metadata = [
    MetadataEntry("general.architecture", .string("qwen35moe")),
    MetadataEntry("qwen35moe.block_count", .uint32(41)),
    MetadataEntry("qwen35moe.nextn_predict_layers", .uint32(1)),
    MetadataEntry("qwen35moe.expert_count", .uint32(256)),
    MetadataEntry("qwen35moe.attention.head_count", .uint32(16)),
    MetadataEntry("qwen35moe.attention.head_count_kv", .array(.int32([2, 0, 4]))),
  ]

  @Test("facts from metadata")
  func facts() throws {
    #expect(
      try MixModelFacts.from(metadata: metadata)
        == MixModelFacts(
          architecture: "qwen35moe", expertCount: 256, headCount: 16, headCountKV: 2, layerCount: 41,
          nextTokenLayerCount: 1))
    #expect(
      try MixModelFacts.from(metadata: Array(metadata.prefix(2)))
        == MixModelFacts(
          architecture: "qwen35moe", expertCount: 0, headCount: 0, headCountKV: 0, layerCount: 41))
    // Key and value heads default to the heads.
    #expect(try MixModelFacts.from(metadata: Array(metadata.prefix(5))).headCountKV == 16)
  }

  @Test("overrides reach the rules, except for arrays and missing head counts")
  func overriddenFacts() throws {
    let overrides = try KeyValueOverride.parse([
      "qwen35moe.expert_count=int:8", "qwen35moe.attention.head_count=int:32",
      "qwen35moe.attention.head_count_kv=int:8", "qwen35moe.block_count=str:no",
    ]).map(\.entry)
    let facts = try MixModelFacts.from(metadata: metadata, overrides: overrides)
    #expect(facts.expertCount == 8)
    #expect(facts.headCount == 32)
    #expect(facts.headCountKV == 2)
    #expect(facts.layerCount == 41)
  }

  @Test("metadata that does not serve", arguments: 0..<5)
  func badMetadata(change: Int) throws {
    var entries = metadata
    switch change {
    case 0: entries.removeFirst()
    case 1: entries[0].value = .uint32(1)
    case 2: entries.remove(at: 1)
    case 3: entries[3].value = .string("many")
    default: entries[5].value = .array(.float32([1]))
    }
    #expect(
      try #require(throws: RecipeError.self) { _ = try MixModelFacts.from(metadata: entries) }.code
        == .badMetadata)
  }
}
