import CheckpointConversion
import FileBytes
import Foundation
import MemoryEstimation
import ModelDescriptions
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("Sources") struct SourceTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// Totals of published checkpoints (trunk, without next-token blocks), from model cards and papers.
  static let published: [(name: String, parameters: Int)] = [
    ("qwen3-30b-a3b", 30_532_122_624), ("qwen3-235b-a22b", 235_093_634_560),
    ("qwen1.5-moe-a2.7b", 14_315_784_192), ("qwen2-57b-a14b", 57_408_658_944),
    ("mixtral-8x22b", 140_620_634_112), ("mixtral-8x7b", 46_702_792_704), ("qwen3-8b", 8_190_735_360),
    ("qwen2.5-7b", 7_615_616_512), ("qwen3-0.6b", 596_049_920), ("qwen3-next-80b-a3b", 79_674_391_296),
    ("qwen3-coder-480b-a35b", 480_154_875_392), ("llama-3.1-8b", 8_030_261_248),
    ("llama-3.2-1b", 1_235_814_400),
    ("deepseek-v2-lite", 15_706_484_224),
    ("deepseek-v2", 235_741_434_880),
    ("deepseek-v3", 671_026_419_200),
    ("kimi-k2", 1_026_408_232_448),
    ("glm-4.7-flash", 29_943_393_920),
    ("mistral-small-4", 118_972_826_624),
    ("glm-4.5", 352_797_829_024),
    ("glm-4.5-air", 106_852_251_264),
    ("glm-4.6", 352_797_829_024),
    ("olmoe-1b-7b", 6_919_161_856),
    ("deepseek-moe-16b", 16_375_728_128),
    ("qwen3-vl-30b-a3b", 30_532_122_624),
    ("qwen3-vl-235b-a22b", 235_093_634_560),
    ("qwen3-vl-8b", 8_190_735_360),
    ("gemma-4-26b-a4b", 25_233_141_790), ("gemma-4-31b", 30_697_345_340),
    ("gpt-oss-20b", 20_914_757_184),
    ("gpt-oss-120b", 116_829_156_672),
    ("minimax-m2", 228_689_764_864),
    ("ernie-4.5-21b-a3b", 21_825_437_888),
    ("ernie-4.5-300b-a47b", 299_484_163_264),
    ("hunyuan-a13b", 80_393_183_232),
    ("ling-mini-2.0", 16_255_643_392),
    ("ling-flash-2.0", 102_889_705_216),
    ("ling-1t", 999_705_328_640),
    ("granite-3.0-1b-a400m", 1_334_628_352),
    ("granite-3.0-3b-a800m", 3_298_793_472),
    ("granite-3.1-1b-a400m", 1_334_628_352),
    ("granite-3.1-3b-a800m", 3_298_793_472),
    ("k-exaone-236b-a23b", 236_571_156_352),
    ("lfm2-8b-a1b", 8_339_930_560),
    ("phi-3.5-moe", 41_873_153_344),
  ]

  @Test("built-in models have the published number of parameters", arguments: published)
  func parameters(name: String, parameters: Int) throws {
    var request = EstimateRequest(mix: .bf16)
    request.wishes.nextTokenBlocks = .drop
    let priced = try ModelSource(name).price(request)
    // Rotary factors are a tensor of the GGUF and no parameter.
    let factors = priced.tensors.filter { $0.name.hasPrefix("rope_") }.reduce(0) { $0 + $1.elementCount }
    #expect(priced.parameterCount - factors == parameters)
  }

  @Test("every built-in model is priced for both engines", arguments: BuiltInModels.names)
  func builtIn(name: String) throws {
    let priced = try ModelSource(name).price(EstimateRequest(mix: .q4_K_M))
    #expect(!priced.isExact && (2.0...7.0).contains(priced.bitsPerWeight))
    for engine in RunOptions.Engine.allCases {
      #expect(
        try priced.memory(of: engine, RunOptions(contextLength: 4096)).totalBytes > priced.tensorByteCount / 2
      )
    }
  }

  @Test("the flagship by name: 21.16 GB without its next-token block")
  func flagship() throws {
    var request = EstimateRequest(mix: .q4_K_M)
    request.wishes.nextTokenBlocks = .drop
    let priced = try ModelSource("Qwen/Qwen3.6-35B-A3B").price(request)
    #expect(priced.tensorByteCount == 21_155_768_832)
    #expect(
      priced.fileByteCount.lowerBound > 21_155_768_832 && priced.fileByteCount.upperBound < 21_175_000_000)
    // With the sample's tokenizer the size is exact: what pouch-convert plans for the checkpoint with that tokenizer.
    let exact = try ModelSource("qwen3.6-35b-a3b", tokenizerFolder: RandomModel.sample).price(request)
    #expect(exact.isExact && priced.fileByteCount.contains(exact.fileByteCount.lowerBound))
  }

  @Test(
    "experts that are MXFP4 in the source are kept by default, and another mix is told to be the worse one")
  func keptExperts() throws {
    let source = try ModelSource("gpt-oss-20b")
    func experts(_ priced: PricedModel) -> Int {
      priced.tensors.filter { $0.role == .routedExperts && $0.ggmlShape.count == 3 }.reduce(0) {
        $0 + $1.byteCount
      }
    }
    let kept = try source.price(EstimateRequest(mix: .mxfp4_MOE))
    // 24 layers, 32 experts, three matrices of 2880 x 2880, 17 bytes for 32 values.
    #expect(experts(kept) == 24 * 32 * 3 * 2880 * 2880 / 32 * 17)
    #expect(!kept.notices.contains { $0.contains("MXFP4") })
    let usual = try source.price(EstimateRequest(mix: .q4_K_M))
    #expect(experts(usual) == 14_332_723_200)
    let told = usual.notices.filter { $0.contains("MXFP4") }
    #expect(
      told == [
        "the source has experts as MXFP4, 10.2 GB; Q4_K_M makes q5_0, q8_0 of them, since its types do not fit rows of "
          + "2880, 14.3 GB with the same values at best, as llama-quantize does; the better file keeps them as they "
          + "are: pouch-convert MODEL --outtype MXFP4_MOE"
      ])
    let automatic = try source.price(EstimateRequest(mix: nil))
    #expect(automatic.mix == "MXFP4_MOE" && automatic.fileByteCount == kept.fileByteCount)
  }

  @Test("names almost right get a suggestion")
  func nearest() throws {
    #expect(BuiltInModels.canonicalName("Qwen/Qwen3-30B-A3B-Instruct") == "qwen3-30b-a3b")
    #expect(BuiltInModels.canonicalName("baidu/ERNIE-4.5-21B-A3B-Base-PT") == "ernie-4.5-21b-a3b")
    let error = #expect(throws: EstimationError.self) { try ModelSource("qwen3.6-35b-a3") }
    #expect(error?.code == .unknownModel && error?.fault.remedy == "did you mean qwen3.6-35b-a3b?")
    #expect(throws: EstimationError.self) { try ModelSource("no-model-at-all") }
    let missing = #expect(throws: EstimationError.self) { try ModelSource("./absent.gguf") }
    #expect(missing?.code == .unknownSource)
  }

  @Test("what is no source", arguments: ["weights.bin", "model.safetensors", "alone.index.json", "empty"])
  func noSource(name: String) throws {
    let path: String
    if name == "empty" {
      path = folder.path(name)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } else {
      path = try folder.write(name, Array(#"{"weight_map": {"a": "model.safetensors"}}"#.utf8))
    }
    let error = #expect(throws: EstimationError.self) { try ModelSource(path) }
    #expect([.unknownSource, .incompleteSource].contains(error?.code) && error?.fault.file == path)
  }

  @Test("every truncation of a configuration is refused or priced, never a crash")
  func truncated() throws {
    let bytes = try JSONSerialization.data(withJSONObject: RandomModel.config("qwen3_5_moe"))
    for count in stride(from: 0, to: bytes.count, by: 7) {
      let path = try folder.write("config.json", Array(bytes.prefix(count)))
      let error = #expect(throws: (any Error).self) { try ModelSource(path) }
      #expect((error as? any FaultError)?.faultClass == .rejected)
    }
  }

  @Test(
    "absurd numbers are refused",
    arguments: [
      ["num_experts": 65_536, "num_hidden_layers": 4096],
      ["head_dim": 65_536, "num_attention_heads": 65_536],
      ["hidden_size": 1 << 20, "moe_intermediate_size": 1 << 24, "num_experts": 60_000],
      ["num_hidden_layers": -1], ["vocab_size": 0], ["num_key_value_heads": 3],
      ["linear_num_value_heads": 65_536, "linear_value_head_dim": 65_536, "linear_num_key_heads": 1],
    ])
  func absurd(changes: [String: Int]) throws {
    let config = RandomModel.config("qwen3_5_moe", changes)
    let path = try RandomModel.writeConfig(config, in: folder, name: "absurd") + "/config.json"
    let error = #expect(throws: (any Error).self) { try ModelSource(path) }
    #expect((error as? any FaultError)?.faultClass == .rejected)
  }

  @Test("random numbers in a configuration never crash")
  func fuzz() throws {
    var generator = SeededGenerator(seed: 11)
    let keys = RandomModel.config("qwen3_5_moe").filter { $0.value is Int }.map(\.key).sorted()
    var priced = 0
    for _ in 0..<fuzzRounds(40) {
      var changes: [String: Any] = [:]
      for _ in 0..<2 {
        let key = keys[Int(generator.next() % UInt64(keys.count))]
        changes[key] = Int(truncatingIfNeeded: generator.next() >> (34 + generator.next() % 30))
      }
      let path =
        try RandomModel.writeConfig(
          RandomModel.config("qwen3_5_moe", changes), in: folder, name: "fuzz") + "/config.json"
      do {
        let model = try ModelSource(path).price(EstimateRequest(mix: .q4_K_M))
        for engine in RunOptions.Engine.allCases {
          _ = try model.memory(of: engine, RunOptions(contextLength: 1 << 20))
        }
        priced += 1
      } catch let error as any FaultError {
        #expect(error.faultClass != .failed)
      }
    }
    #expect(priced > 0)
  }

  @Test("options out of range are refused")
  func options() throws {
    let model = try ModelSource("qwen3-0.6b").price(EstimateRequest(mix: .q4_K_M))
    func expect(_ change: (inout RunOptions) -> Void) {
      var options = RunOptions(contextLength: 4096)
      change(&options)
      for engine in RunOptions.Engine.allCases {
        let error = #expect(throws: EstimationError.self) { try model.memory(of: engine, options) }
        #expect(error?.code == .badOption && error?.faultClass == .usage)
      }
    }
    expect { $0.contextLength = 0 }
    expect { $0.contextLength = -5 }
    expect { $0.contextLength = .max }
    expect { $0.microBatchLength = 0 }
    expect { $0.sequenceCount = 1000 }
    expect { $0.keyType = .q2_K }
    expect {
      $0.flashAttention = false
      $0.valueType = .q8_0
    }
  }
}
