internal import FileBytes

extension Router {
  /// What files of sigmoid routers have when they say nothing more.
  static let sigmoidWithBias: Router = {
    var router = Router(scoring: .sigmoid, normalizesTopK: true)
    router.hasSelectionBias = true
    return router
  }()

  /// A softmax, the chosen experts' weights divided by their sum as `norm_topk_prob` says.
  @Sendable static func withConfiguredSum(_ config: ModelConfig) throws -> Router {
    Router(normalizesTopK: try config.flag("norm_topk_prob"))
  }

  /// The router of DeepSeek-V3: a sigmoid, a bias on the choice, groups, a factor.
  @Sendable static func sigmoidWithBias(_ config: ModelConfig) throws -> Router {
    try refuse("softmax", where: .sigmoid, config)
    var router = sigmoidWithBias
    router.normalizesTopK = try config.flag("norm_topk_prob")
    try router.readScale(config)
    try router.readGroups(config)
    return router
  }

  /// The router of DeepSeek-V2: a softmax, groups where `topk_method` asks for them, a factor.
  @Sendable static func softmaxWithGroups(_ config: ModelConfig) throws -> Router {
    try refuse("sigmoid", where: .softmax, config)
    var router = Router(normalizesTopK: try config.flag("norm_topk_prob"))
    try router.readScale(config)
    let method = config["topk_method"]?.text ?? "greedy"
    switch method {
    case "greedy": break
    case "group_limited_greedy":
      router.groupRule = .highest
      try router.readGroups(config)
    default:
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: "topk_method", expected: "greedy or group_limited_greedy", found: method
        ))
    }
    return router
  }

  /// Refuses a configuration that names another scoring than that of its class, whose readers would disagree.
  private static func refuse(_ name: String, where scoring: Scoring, _ config: ModelConfig) throws {
    guard config["scoring_func"]?.text == name else { return }
    throw DescriptionError(
      .notSupported,
      Fault(
        file: config.file, subject: "scoring_func", expected: "\(scoring), as models of this class have it",
        found: name, remedy: "transformers computes \(scoring) whatever the key says, llama.cpp \(name)"))
  }

  private mutating func readScale(_ config: ModelConfig) throws {
    scale = decimal(try config.optionalFactor("routed_scaling_factor") ?? 1)
  }

  private mutating func readGroups(_ config: ModelConfig) throws {
    let count = try config.integer("n_routed_experts", in: 1...65536)
    groupCount = max(1, try config.optionalInteger("n_group", in: 0...65536) ?? 1)
    usedGroupCount = try config.optionalInteger("topk_group", in: 0...65536) ?? groupCount
    if groupCount == 1 { usedGroupCount = 1 }
    let used = try config.integer("num_experts_per_tok", in: 1...count)
    switch groupFault(expertCount: count, usedCount: used) {
    case .count(let expected): throw config.invalid("n_group", expected: expected)
    case .usedCount(let expected): throw config.invalid("topk_group", expected: expected)
    case nil: break
    }
    // All groups is no choice, which llama.cpp wants said as one group.
    if usedGroupCount == groupCount { (groupCount, usedGroupCount, groupRule) = (1, 1, .twoHighest) }
  }
}
