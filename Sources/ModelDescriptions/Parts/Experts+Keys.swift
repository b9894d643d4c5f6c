extension MetadataKey {
  /// The most experts that llama.cpp loads.
  package static let expertLimit = 1024
}

extension TypedKey where Value == Int {
  package static var expertCount: Self { .required("expert_count", in: 1...MetadataKey.expertLimit) }
  package static var expertUsedCount: Self {
    .required("expert_used_count", in: 1...MetadataKey.expertLimit, form: .singleOrPerBlock)
  }
  static var expertWidth: Self {
    .required("expert_feed_forward_length", in: MetadataKey.innerWidth, form: .singleOrPerBlock)
  }
  static var sharedExpertWidth: Self {
    .optional("expert_shared_feed_forward_length", as: "feed_forward_length", in: MetadataKey.innerWidth)
  }
  static var sharedExpertCount: Self { .required("expert_shared_count", in: 0...MetadataKey.expertLimit) }
  package static var expertGroupCount: Self {
    .optional("expert_group_count", else: 0, in: 0...MetadataKey.expertLimit)
  }
  package static var expertGroupUsedCount: Self { .optional("expert_group_used_count", else: 0) }
  /// Every how many layers there are experts.
  static var layerStep: Self { .required("interleave_moe_layer_step", in: 1...1) }
  /// 1 for a softmax, 2 for a sigmoid.
  static var expertScoring: Self { .required("expert_gating_func", in: 1...2) }
}

extension TypedKey where Value == Double {
  static var expertScale: Self { .optional("expert_weights_scale", else: 1, in: .notNegative) }
}

extension TypedKey where Value == Bool {
  static var normalizesExperts: Self { .optional("expert_weights_norm", else: false) }
}

extension Experts {
  /// The keys of models without experts; loaders read the counts of experts in any model.
  static var keysOfDenseModels: [MetadataKey] {
    MetadataKey.counts(
      .feedForwardSize,
      .expertCount.absent(.assumes("0"), 0).allowing(.integers(0...MetadataKey.expertLimit)),
      .expertUsedCount.absent(.assumes("0"), 0).allowing(.integers(0...MetadataKey.expertLimit)),
      .expertGroupCount, .expertGroupUsedCount)
  }

  /// The keys of a family with experts.
  static func keys(of family: ModelFamily) -> [MetadataKey] {
    let traits = family.traits
    let hasOwnWidth = !traits.expertWidthIsFeedForwardSize
    let whole = TypedKey<Int>.feedForwardSize.allowing(.integers(MetadataKey.innerWidth))
    var keys = MetadataKey.counts(
      .expertCount, .expertUsedCount, hasOwnWidth ? whole.absent(.assumes("0")) : whole, .expertGroupCount,
      .expertGroupUsedCount)
    if hasOwnWidth {
      let isRequired = traits.hasLeadingDense || traits.needsExpertWidth
      let width = TypedKey<Int>.expertWidth
      keys += MetadataKey.counts(
        isRequired ? width : width.absent(.assumes("feed_forward_length / expert_used_count")))
    }
    switch traits.sharedExpert {
    case .none: break
    case .gated: keys += MetadataKey.counts(.sharedExpertWidth)
    case .counted: keys += MetadataKey.counts(.sharedExpertCount)
    case .sized(let isAssumed):
      let assumed = isAssumed ? "the width of an expert" : "0"
      keys += MetadataKey.counts(.sharedExpertWidth.absent(.assumes(assumed)))
    }
    if traits.hasLeadingDense {
      keys += MetadataKey.counts(.leadingDenseCount)
    }
    if traits.saysRouter {
      let assumed = traits.assumedRouter.scoring
      keys += MetadataKey.counts(
        .expertScoring.absent(
          traits.needsScoringKey
            ? .assumesWrongly("softmax, which is right for few models") : .assumes("\(assumed)")))
    }
    return keys
  }

  /// Reads the experts.
  ///
  /// - Parameters:
  ///   - keys: The keys.
  ///   - traits: What all models of the family have.
  ///   - whole: The inner width of the layer, 0 when it is not said.
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  init(_ keys: KeyReader, _ traits: ModelFamily.Traits, feedForwardSize whole: Int) throws {
    let count = try keys.value(.expertCount)
    let used = try keys.value(.expertUsedCount, in: 1...count)
    // Some architectures know one width; early files of others have no key for that of an expert.
    let isJoint = traits.expertWidthIsFeedForwardSize
    let stated = isJoint ? nil : try keys.stated(.expertWidth)
    let width = stated.flatMap { $0 > 0 ? $0 : nil } ?? (isJoint ? whole : whole / used)
    guard width > 0 else { throw keys.fault(.expertWidth, expected: "a whole number above 0") }
    self.init(
      count: count, usedCount: used, width: width,
      router: try Router(keys, traits, expertCount: count, usedCount: used))
    switch traits.sharedExpert {
    case .none: break
    case .gated:
      let stated = try keys.stated(.sharedExpertWidth) ?? 0
      let shared = stated > 0 ? stated : whole
      guard shared != 0 else { throw keys.fault(.sharedExpertWidth, expected: "a whole number above 0") }
      sharedWidth = shared
    case .counted:
      hasSharedGate = false
      let shared = try keys.value(.sharedExpertCount)
      sharedWidth = shared > 0 ? shared * width : nil
    case .sized(let isAssumed):
      hasSharedGate = false
      let shared = try keys.stated(.sharedExpertWidth) ?? 0
      sharedWidth = shared > 0 ? shared : isAssumed ? width : nil
    }
  }

  /// How many routed experts the shared one is as wide as.
  var sharedCount: Int { (sharedWidth ?? 0) / max(1, width) }
}

extension Router {
  /// The router as the keys say, as the architecture has it where they are silent.
  fileprivate init(
    _ keys: KeyReader, _ traits: ModelFamily.Traits, expertCount: Int, usedCount: Int
  ) throws {
    self = traits.assumedRouter
    if traits.saysRouter {
      if let number = try keys.stated(.expertScoring) { scoring = number == 2 ? .sigmoid : .softmax }
      hasSelectionBias = scoring == .sigmoid
    }
    groupCount = max(1, try keys.value(.expertGroupCount))
    guard groupCount > 1 else { return }
    // All models that choose groups by a softmax choose them by the highest.
    if scoring == .softmax { groupRule = .highest }
    usedGroupCount = max(1, try keys.stated(.expertGroupUsedCount) ?? groupCount)
    switch groupFault(expertCount: expertCount, usedCount: usedCount) {
    case .count(let expected): throw keys.fault(.expertGroupCount, expected: expected)
    case .usedCount(let expected): throw keys.fault(.expertGroupUsedCount, expected: expected)
    case nil: break
    }
  }

  /// Writes what makes probabilities of scores.
  func writeScoring(_ keys: inout KeyWriter) { keys.add(.expertScoring, scoring == .softmax ? 1 : 2) }
}
