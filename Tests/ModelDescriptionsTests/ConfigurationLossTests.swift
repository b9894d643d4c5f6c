import FileBytes
import ModelDescriptions
import TensorTypes
import Testing
import TextTokenizers

/// A recorded checkpoint with changes to its configuration, given as JSON; the tensors stay.
private func model(_ golden: String, _ changes: String) throws -> CheckpointMap {
  let golden = GoldenCase(name: golden)
  let members = try #require(try golden.config().document.members)
  let changed = try #require(try JSONValue(parsing: Array("{\(changes)}".utf8), file: "changes").members)
  let config = try ModelConfig(document: .object(members.merging(changed) { $1 }), file: "config.json")
  return try ModelDescription.describe(
    config: config, tensors: try golden.sources(), options: golden.options)
}

/// The error that describing it gives.
private func failure(_ golden: String, _ changes: String) -> DescriptionError? {
  do {
    _ = try model(golden, changes)
    return nil
  } catch { return error as? DescriptionError }
}

/// A table of rotary parameters as JSON.
private func rope(_ type: String, _ members: String = "") -> String {
  #"{"rope_type": "\#(type)"\#(members.isEmpty ? "" : ", " + members)}"#
}

@Suite("Sliding windows of configurations")
struct SlidingWindowTests {
  private static let used = #""use_sliding_window": true, "sliding_window": 64"#

  private static func types(_ names: String...) -> String {
    #""layer_types": ["# + names.map { #""\#($0)_attention""# }.joined(separator: ", ") + "]"
  }

  /// Two layers each; what transformers 5's configuration class and model make of the keys.
  private static let cases: [(golden: String, changes: String, windows: [Int?])] = [
    // Absence means 4096 for Mistral, null none; layer_types and use_sliding_window have no effect.
    ("mistral-linear", "", [4096, 4096]),
    ("mistral-linear", #""sliding_window": null"#, [nil, nil]),
    ("mistral-linear", #""sliding_window": 64, "use_sliding_window": false"#, [64, 64]),
    ("mistral-linear", #""sliding_window": 64, "# + types("full", "full"), [64, 64]),
    ("mistral-linear", #""model_type": "llama", "sliding_window": 64"#, [nil, nil]),
    ("llama", used, [nil, nil]),
    ("mixtral", "", [nil, nil]),
    ("mixtral", #""sliding_window": 64"#, [64, 64]),
    // The first max_window_layers layers are full in Qwen2 and Qwen3; 28 without the key.
    ("qwen2", #""sliding_window": 64, "max_window_layers": 0"#, [nil, nil]),
    ("qwen2", used, [nil, nil]),
    ("qwen2", used + #", "max_window_layers": 1"#, [nil, 64]),
    ("qwen2", #""use_sliding_window": true, "max_window_layers": 0"#, [4096, 4096]),
    ("qwen2", #""use_sliding_window": true, "max_window_layers": 0, "sliding_window": null"#, [nil, nil]),
    ("qwen3", used + ", " + types("sliding", "full"), [64, nil]),
    ("qwen3", #""sliding_window": 64, "# + types("full", "full"), [nil, nil]),
    // Every other layer below max_window_layers in Qwen2-MoE.
    ("qwen2_moe", used, [64, nil]),
    ("qwen2_moe", used + #", "max_window_layers": 0"#, [nil, nil]),
    ("qwen2_moe", used + ", " + types("full", "sliding"), [nil, 64]),
    // All layers in Qwen3-MoE, whatever the other keys say.
    ("qwen3_moe", used + #", "max_window_layers": 28"#, [64, 64]),
    ("qwen3_moe", used + ", " + types("full", "full"), [64, 64]),
    ("qwen3_moe", #""sliding_window": 64"#, [nil, nil]),
  ]

  @Test("Each family has its own rule", arguments: cases.indices)
  func rules(_ index: Int) throws {
    let (golden, changes, windows) = Self.cases[index]
    #expect(try model(golden, changes).model.windows == windows)
  }

  @Test("Hybrid families have no windows", arguments: ["qwen3_next", "qwen3_5", "qwen3_5_moe"])
  func hybrids(_ golden: String) throws {
    let map = try model(golden, Self.used + #", "max_window_layers": 0"#)
    #expect(map.model.windows.allSatisfy { $0 == nil })
    #expect(map.losses.isEmpty)
  }

  @Test("The output loses a window that is shorter than the context, and says so")
  func loss() throws {
    func losses(_ size: Int) throws -> [ConfigurationLoss] {
      try model(
        "qwen3", #""use_sliding_window": true, "max_window_layers": 1, "sliding_window": \#(size)"#
      ).losses
    }
    #expect(try losses(64).map(\.key) == ["sliding_window"])
    #expect(try losses(64).first?.isFatal == false)
    #expect(try losses(64).first?.text.contains("1 of 2 layers attend to the last 64 tokens") == true)
    #expect(try losses(2047).count == 1)
    #expect(try losses(2048).isEmpty)
    #expect(try model("qwen3", #""sliding_window": 64"#).losses.isEmpty)
    // A window of 4096 in a context of 2048 tokens, and of 32768.
    #expect(try model("mistral-linear", "").losses.isEmpty)
    #expect(try model("mistral-linear", #""max_position_embeddings": 32768"#).losses.count == 1)
  }

  @Test("Windows that contradict themselves are refused")
  func contradictions() {
    let types = Self.types("sliding", "full")
    #expect(failure("qwen3", types)?.code == .invalidConfig)
    #expect(failure("qwen2_moe", types)?.code == .invalidConfig)
    #expect(failure("qwen3", Self.used + ", " + Self.types("full"))?.code == .invalidConfig)
    #expect(failure("qwen3", Self.used + ", " + Self.types("full", "chunked"))?.code == .notSupported)
    for bad in ["0", "-1", #""64""#, "0.5", "[64]"] {
      let changes = #""use_sliding_window": true, "max_window_layers": 0, "sliding_window": "# + bad
      #expect(failure("qwen3", changes)?.code == .invalidConfig, "\(bad)")
    }
    #expect(failure("mistral-linear", #""sliding_window": 0"#)?.code == .invalidConfig)
    #expect(failure("qwen3", #""use_sliding_window": "yes""#)?.code == .invalidConfig)
    #expect(failure("qwen3", Self.used + #", "max_window_layers": -1"#)?.code == .invalidConfig)
  }
}

@Suite("What a GGUF cannot say")
struct ConfigurationLossTests {
  private static func list(_ value: String) -> String {
    "[" + [String](repeating: value, count: 32).joined(separator: ", ") + "]"
  }

  private static func scaled(_ type: String, _ members: String = "") -> String {
    #""rope_scaling": "# + rope(type, members)
  }

  private static func long(_ short: String, _ members: String) -> String {
    #""short_factor": \#(list(short)), "long_factor": \#(list("2")), "# + members
  }

  private static let type = "rope_parameters.rope_type"

  /// Keys, and whether a file would be wrong from the first token on; `nil` for no loss.
  private static let cases: [(golden: String, changes: String, key: String, isFatal: Bool?)] = [
    ("qwen3", #""hidden_act": "gelu""#, "hidden_act", true),
    ("llama", #""hidden_act": "relu""#, "hidden_act", true),
    ("qwen3_5", #""hidden_act": "gelu_pytorch_tanh""#, "hidden_act", true),
    ("mixtral", #""hidden_act": "swish""#, "", nil),
    ("qwen3", #""hidden_activation": "gelu""#, "", nil),
    ("qwen3", scaled("dynamic", #""factor": 4"#), type, false),
    ("qwen3", scaled("ntk", #""factor": 4"#), type, true),
    ("qwen3_moe", scaled("longrope", long("1.5", #""attention_factor": 1"#)), type, true),
    ("qwen3_moe", scaled("longrope", long("1", #""factor": 4"#)), type, true),
    ("qwen3_moe", scaled("su", long("1", #""attention_factor": 1"#)), type, false),
    ("llama", scaled("proportional"), type, false),
    ("llama", scaled("proportional", #""partial_rotary_factor": 0.5"#), type, true),
    ("llama", scaled("llama3", #""factor": 8"#), "", nil),
    ("qwen3", scaled("llama3", #""factor": 8"#), type, true),
    ("qwen3", scaled("yarn", #""factor": 4, "beta_fast": 32, "beta_slow": 1"#), "", nil),
    ("qwen3", scaled("yarn", #""factor": 4, "mscale": 1, "mscale_all_dim": 0"#), "", nil),
    ("qwen3", scaled("yarn", #""factor": 4, "attention_factor": null, "truncate": null"#), "", nil),
    ("qwen3", scaled("yarn", #""factor": 4, "beta_fast": 16"#), "rope_parameters", false),
    ("qwen3", scaled("yarn", #""factor": 4, "attention_factor": 1"#), "rope_parameters", false),
    ("qwen3", scaled("yarn", #""factor": 4, "mscale": 1, "mscale_all_dim": 1"#), "rope_parameters", false),
    ("qwen3", scaled("yarn", #""factor": 4, "truncate": false"#), "rope_parameters", false),
    ("llama", #""partial_rotary_factor": 0.5"#, "", nil),
    ("qwen3", #""mlp_bias": true"#, "", nil),
    ("qwen3_moe", #""norm_topk_prob": false"#, "norm_topk_prob", false),
    ("qwen3_moe", #""router_aux_loss_coef": 5, "attention_dropout": 0.5"#, "", nil),
  ]

  @Test("Losses are named, and those from the first token on refused", arguments: cases.indices)
  func losses(_ index: Int) throws {
    let (golden, changes, key, isFatal) = Self.cases[index]
    let map = try model(golden, changes)
    #expect(map.losses.map(\.key) == (isFatal == nil ? [] : [key]), "\(changes)")
    #expect(map.losses.first?.isFatal == isFatal, "\(changes)")
    guard isFatal == true else { return try map.refuseFatalLosses(file: "config.json") }
    let error = #expect(throws: DescriptionError.self) { try map.refuseFatalLosses(file: "config.json") }
    #expect(error?.code == .notSupported)
    #expect(error?.fault.subject.description == key)
  }

  @Test("Recorded conversions lose nothing", arguments: GoldenCase.all)
  func recordings(_ golden: GoldenCase) throws {
    #expect(try golden.map().losses.filter { $0.key != "norm_topk_prob" && !$0.isOfLlamaCppAlone }.isEmpty)
  }

  @Test("A bias that llama.cpp has no place for")
  func outputBias() throws {
    let golden = GoldenCase(name: "qwen3")
    let members = try #require(try golden.config().document.members)
    let config = try ModelConfig(
      document: .object(members.merging(["attention_bias": .bool(true)]) { $1 }), file: "config.json")
    var sources = try golden.sources()
    for weight in sources where weight.name.contains("self_attn.") && weight.name.hasSuffix("_proj.weight") {
      var bias = weight
      bias.name = String(weight.name.dropLast("weight".count)) + "bias"
      bias.shape = [weight.shape[0]]
      sources.append(bias)
    }
    let losses = try ModelDescription.describe(config: config, tensors: sources).losses
    #expect(losses.map(\.key) == ["attention_bias"])
    #expect(losses.first?.text.hasSuffix("llama.cpp refuses the file") == true)
  }
}

@Suite("Rotary embeddings of configurations")
struct RopeConfigurationTests {
  private func read(_ changes: String) throws -> RopeParameters {
    try model("qwen3", #""rope_theta": null, "# + changes).model.attention.rope
  }

  @Test("Values in the table count before those at the top level")
  func precedence() throws {
    let seven = rope("default", #""rope_theta": 7"#)
    #expect(try read(#""max_window_layers": 28"#).theta == 10000)
    #expect(try model("qwen3", #""rope_theta": 5"#).model.attention.rope.theta == 5)
    #expect(
      try model("qwen3", #""rope_theta": 5, "rope_parameters": \#(seven)"#).model.attention.rope.theta == 7)
    #expect(
      try model("qwen3", #""rope_theta": 5, "rope_scaling": \#(rope("default"))"#).model.attention.rope.theta
        == 5)
    #expect(try read(#""rope_scaling": {}, "rope_parameters": \#(seven)"#).theta == 7)
    // The length before the extension is the other way round.
    let yarn = rope("yarn", #""factor": 4, "original_max_position_embeddings": 200"#)
    let scaling = try read(#""original_max_position_embeddings": 100, "rope_scaling": "# + yarn).scaling
    guard case .yarn(let parameters) = scaling else {
      Issue.record("\(scaling)")
      return
    }
    #expect(parameters.originalContextLength == 100)
  }

  @Test("Tables that contradict each other are refused")
  func contradictions() throws {
    let yarn = rope("yarn", #""factor": 4, "original_max_position_embeddings": 200"#)
    let (plain, seven, eight) = (
      rope("default"), rope("default", #""rope_theta": 7"#), rope("default", #""rope_theta": 8"#)
    )
    func code(_ old: String, _ new: String) -> DescriptionError.Code? {
      failure("qwen3", #""rope_scaling": \#(old), "rope_parameters": \#(new)"#)?.code
    }
    #expect(code(yarn, plain) == .invalidConfig)
    #expect(code(yarn, yarn) == nil)
    // The base that the new table has is not in the old one, which is read with the one at the top level.
    #expect(code(plain, seven) == .invalidConfig)
    let both = #""rope_parameters": {"full_attention": \#(seven), "sliding_attention": \#(eight)}"#
    #expect(failure("qwen3", both)?.code == .notSupported)
    let same = #""rope_parameters": {"full_attention": \#(seven), "sliding_attention": \#(seven)}"#
    #expect(try read(same).theta == 7)
    #expect(try read(#""rope_parameters": {"full_attention": \#(seven)}"#).theta == 7)
  }

  @Test("Impossible values are refused")
  func impossible() {
    for bad in [
      #""linear""#, rope("linear"), rope("linear", #""factor": 0"#), rope("linear", #""factor": "2""#),
      rope("dynamic"), #"{"rope_type": 3}"#, rope("yarn", #""factor": -1"#),
      rope("yarn", #""factor": 2, "truncate": 1"#), rope("longrope", #""short_factor": [1]"#),
      rope("longrope", #""short_factor": [0], "long_factor": [1]"#), rope("default", #""rope_theta": 0"#),
      rope("default", #""partial_rotary_factor": 0"#), rope("default", #""partial_rotary_factor": 1.5"#),
    ] { #expect(failure("qwen3", #""rope_scaling": "# + bad)?.code == .invalidConfig, "\(bad)") }
    // Where transformers fails: a share of each head, with stretched angles.
    let linear = #""rope_scaling": \#(rope("linear", #""factor": 2"#)), "partial_rotary_factor": 0.5"#
    #expect(failure("qwen3", linear)?.code == .notSupported)
  }

  @Test("Families that turn whole heads do so whatever the share is, hybrid ones turn the share")
  func shares() throws {
    func dimensions(_ golden: String, _ changes: String) throws -> Int {
      try model(golden, changes).model.attention.rotaryDimensions
    }
    #expect(try dimensions("llama", #""partial_rotary_factor": 0.5"#) == 64)
    let half = rope("default", #""partial_rotary_factor": 0.5"#)
    #expect(try dimensions("qwen2", #""rope_scaling": "# + half) == 64)
    #expect(try dimensions("qwen3_5", "") == 32)
    #expect(try dimensions("qwen3_5", #""rope_parameters": "# + rope("default")) == 16)
  }

  @Test("Pairs that llama.cpp leaves unturned in text")
  func unturnedPairs() {
    func count(_ sections: [Int]?, _ dimensions: Int) -> Int? {
      RopeParameters(theta: 1e6, sections: sections).unturnedPairs(dimensions: dimensions)?.count
    }
    #expect(count(nil, 64) == 0)
    #expect(count([11, 11, 10], 64) == 0)
    #expect(count([11, 11, 10, 0], 16) == 0)
    #expect(count([2, 1, 1], 8) == 0)
    // Place 7 is one of height, which has places 1 and 4.
    #expect(count([4, 2, 2], 16) == 1)
    #expect(count([8, 4, 4, 0], 32) == 2)
    #expect(count([2, 2, 2, 2], 16) == 2)
    #expect(count([0, 0, 0, 0], 16) == nil)
    #expect(count([], 16) == nil)
    // Qwen3-VL as released: two slow pairs, a tenth of a radian at the end of its context.
    let released = RopeParameters(theta: 5e6, sections: [24, 20, 20])
    let pairs = released.unturnedPairs(dimensions: 128) ?? []
    #expect(pairs == [61, 62])
    #expect(abs(released.largestAngle(of: pairs, dimensions: 128, at: 262_144) - 0.1081) < 0.0005)
  }

  @Test(
    "Unturned pairs are refused where they turn fast, told where they turn slowly, no matter where hardly")
  func unturnedAngles() throws {
    func losses(_ sections: String, theta: String) throws -> [ConfigurationLoss] {
      try model(
        "qwen3_5",
        #""rope_parameters": {"rope_type": "default", "rope_theta": \#(theta), "mrope_section": \#(sections)}"#
      ).losses
    }
    #expect(try losses("[4, 2, 2]", theta: "1e9").isEmpty)
    #expect(try losses("[0, 4, 4]", theta: "1e4").map(\.isFatal) == [true])
    let slow = try losses("[4, 2, 2]", theta: "1e4")
    #expect(slow.map(\.isFatal) == [false] && slow[0].text.contains("radians within the context"))
  }
}

@Suite("Rotary embeddings of GGUF files")
struct RopeMetadataTests {
  private func read(_ keys: [String: MetadataValue]) throws -> RopeParameters {
    let entries = keys.map { MetadataEntry("qwen3." + $0.key, $0.value) }
    let others = [
      MetadataEntry("general.architecture", .string("qwen3")),
      MetadataEntry("qwen3.context_length", .uint32(512)),
    ]
    return try RopeParameters(KeyReader(entries + others, file: "x"))
  }

  /// As llama.cpp's loader and context do.
  @Test func scalings() throws {
    let factor = "rope.scaling.factor"
    func typed(_ type: String, _ others: [String: MetadataValue] = [:]) throws -> RopeParameters {
      try read(others.merging(["rope.scaling.type": .string(type), factor: .float32(4)]) { $1 })
    }
    #expect(try read([:]).scaling == .none)
    #expect(try read([:]).theta == 10000)
    #expect(try read([factor: .float32(4)]).scaling == .linear(factor: 4))
    #expect(try read([factor: .float32(0)]).scaling == .none)
    #expect(try read(["rope.scale_linear": .float32(4)]).scaling == .linear(factor: 4))
    let two = try read([factor: .float32(4), "rope.scale_linear": .float32(2)])
    #expect(two.scaling == .linear(factor: 4))
    #expect(try typed("none").scaling == .none)
    #expect(try typed("linear").scaling == .linear(factor: 4))
    let yarn = try typed(
      "yarn",
      [
        "rope.scaling.yarn_beta_fast": .float32(2), "rope.scaling.yarn_attn_factor": .float32(9),
        "rope.scaling.attn_factor": .float32(0.5),
      ])
    #expect(yarn.magnitude == 0.5)
    guard case .yarn(let parameters) = yarn.scaling else {
      Issue.record("\(yarn)")
      return
    }
    #expect(parameters.factor == 4 && parameters.originalContextLength == 512)
    #expect(parameters.betaFast == nil && parameters.attentionFactor == nil)
    let long = try typed("longrope", ["rope.scaling.original_context_length": .uint32(128)])
    guard case .longRope(let parameters) = long.scaling else {
      Issue.record("\(long)")
      return
    }
    #expect(parameters.factor == 4 && parameters.originalContextLength == 128)
    #expect(parameters.shortFactors == nil)
  }

  @Test func llamaFilesHaveFactorsByTheKindOfScaling() throws {
    var model = try GoldenCase(name: "llama").map().model
    func names() -> Set<String> {
      Set(
        ModelFamily.family(ggufArchitecture: "llama", isMixture: false)?.expectedTensors(model).map(\.name)
          ?? []
      )
      .filter { $0.hasPrefix("rope_") }
    }
    #expect(names() == ["rope_freqs.weight"])
    model.attention.rope = try read(["rope.scaling.type": .string("longrope")])
    #expect(names() == ["rope_factors_long.weight", "rope_factors_short.weight"])
  }

  @Test func impossible() {
    let cases: [[String: MetadataValue]] = [
      ["rope.scaling.type": .string("dynamic")], ["rope.scaling.type": .uint32(1)],
      ["rope.scaling.factor": .float32(-1)], ["rope.scaling.factor": .float32(.nan)],
      ["rope.scaling.factor": .string("4")], ["rope.freq_base": .float32(.infinity)],
      ["rope.scaling.original_context_length": .string("x")],
    ]
    for bad in cases {
      let error = #expect(throws: DescriptionError.self, "\(bad)") { try read(bad) }
      #expect(error?.code == .invalidMetadata)
    }
  }
}
