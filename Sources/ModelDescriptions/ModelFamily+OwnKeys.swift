internal import FileBytes
internal import TextTokenizers

extension ModelFamily {
  /// A key, or keys that belong together, which not all architectures have in a GGUF.
  ///
  /// A family lists its own in the order in which llama.cpp's converter writes them, after the file type.
  struct OwnKey: Sendable {
    /// What is written from.
    struct Source {
      let model: HyperParameters
      /// The configuration with the family's defaults.
      let config: ModelConfig
      let family: ModelFamily
      /// Whether the configuration as the converter sees it has the width of a head.
      let hasHeadWidth: Bool
    }

    /// Lines for the table of keys, beside those that come with a part.
    var table: [MetadataKey] = []
    /// Writes the keys, as far as the model has what they tell.
    let write: @Sendable (Source, inout KeyWriter) -> Void
    /// Reads them, beside what is read with a part.
    var read: @Sendable (KeyReader, inout HyperParameters) throws -> Void = { _, _ in }
    /// The names of those that most families write before the file type.
    var late: Set<String> = []

    /// A key that tells one value of the model, and nothing else does.
    static func value<Value: KeyValue>(
      _ key: TypedKey<Value>, _ path: any WritableKeyPath<HyperParameters, Value> & Sendable
    ) -> OwnKey {
      OwnKey(
        table: [key.key], write: { $1.add(key, $0.model[keyPath: path]) },
        read: { $1[keyPath: path] = try $0.value(key) })
    }

    /// A key that tells one value of models that have it.
    static func optional<Value: KeyValue>(
      _ key: TypedKey<Value>, _ path: any WritableKeyPath<HyperParameters, Value?> & Sendable
    ) -> OwnKey {
      OwnKey(
        table: [key.key], write: { $1.add(key, $0.model[keyPath: path]) },
        read: { $1[keyPath: path] = try $0.stated(key) ?? key.assumed })
    }
  }
}

extension ModelFamily {
  /// An order of keys of a family's own, which llama.cpp's converter has where its class for the family writes all keys
  /// itself; what is in none of the lists is not written.
  struct KeyOrder: Sendable {
    /// The keys before what all models say of themselves, such as their names.
    var beforeGeneral: [MetadataKey] = []
    var beforeFileType: [MetadataKey]
    var afterFileType: [MetadataKey]
  }
}

extension ModelFamily.OwnKey {
  static let vocabularySize = Self { $1.add(.vocabularySize, $0.model.vocabularySize) }
  static let rotaryDimensions = Self { $1.add(.rotaryDimensions, $0.model.attention.rotaryDimensions) }
  /// The type of rotary scaling, which is none.
  static let noRotaryScaling = Self { $1.add(.rotaryScaling, "none") }
  /// Numbers of experts of families whose configurations have own names for them.
  static let expertCounts = Self(
    write: {
      $1.add(.expertCount, $0.model.experts?.count)
      $1.add(.expertUsedCount, $0.model.experts?.usedCount)
    }, late: [TypedKey.expertCount.key.name, TypedKey.expertUsedCount.key.name])
  static let expertUsedCount = Self(
    write: { $1.add(.expertUsedCount, $0.model.experts?.usedCount) },
    late: [TypedKey.expertUsedCount.key.name])
  /// The width of an expert beside that of the layer, which is the one that counts.
  static let expertWidthBesides = Self(
    table: [TypedKey<Int>.expertWidth.key], write: { $1.add(.expertWidth, $0.model.experts?.width) })
  /// Every how many layers there are experts, which is one.
  static let layerStep = Self(
    table: [TypedKey<Int>.layerStep.key], write: { $1.add(.layerStep, $0.model.experts.map { _ in 1 }) },
    read: { keys, _ in _ = try keys.value(.layerStep) })
  static let expertWidth = Self { $1.add(.expertWidth, $0.model.experts?.width) }
  static let sharedExpertWidth = Self { $1.add(.sharedExpertWidth, $0.model.experts?.sharedWidth) }
  static let sharedExpertCount = Self { $1.add(.sharedExpertCount, $0.model.experts?.sharedCount) }
  /// The number of shared experts beside their width, which is what counts.
  static let sharedExpertCountBesides = Self(
    table: [TypedKey<Int>.sharedExpertCount.absent(.assumes("1")).key], write: sharedExpertCount.write)
  /// The width of one of the shared experts, which readers multiply by their number.
  static let oneSharedExpertWidth = Self(
    table: [TypedKey<Int>.sharedExpertWidth.absent(.assumes("expert_feed_forward_length")).key],
    write: {
      $1.add(.sharedExpertWidth, $0.model.experts.flatMap { $0.sharedWidth == nil ? nil : $0.width })
    },
    read: { keys, model in
      guard let experts = model.experts, let width = try keys.stated(.sharedExpertWidth), width > 0 else {
        return
      }
      model.experts?.sharedWidth = experts.sharedWidth.map { _ in experts.sharedCount * width }
    })
  /// How many of the first layers are dense.
  static let leadingDense = Self { $1.add(.leadingDenseCount, $0.model.leadingDenseCount) }
  /// What makes probabilities of scores; elsewhere already, where the configuration names it.
  static let scoring = Self { source, keys in
    if source.config["scoring_func"] == nil { source.model.experts?.router.writeScoring(&keys) }
  }
  /// What the weights of the chosen experts are multiplied by; a factor of 0 stands for none.
  static let expertScale = Self(
    table: [TypedKey<Double>.expertScale.key],
    write: { $1.add(.expertScale, $0.model.experts?.router.scale) },
    read: { keys, model in
      let stated = decimal(try keys.value(.expertScale))
      model.experts?.router.scale = stated == 0 ? 1 : stated
    })

  /// Whether the chosen experts' weights are divided by their sum; some write it when it is so alone.
  static func expertSum(isWrittenAlways: Bool) -> Self {
    Self(
      table: [TypedKey<Bool>.normalizesExperts.key],
      write: { source, keys in
        if let router = source.model.experts?.router, router.normalizesTopK || isWrittenAlways {
          keys.add(.normalizesExperts, router.normalizesTopK)
        }
      },
      read: { keys, model in
        if let flag = try keys.stated(.normalizesExperts) { model.experts?.router.normalizesTopK = flag }
      })
  }

  /// The widths of latent attention.
  static let latentWidths = Self { source, keys in
    source.model.latentAttention?.writeWidths(
      &keys, layerCount: source.model.layerCount, hasLengths: source.hasHeadWidth)
  }
  /// The rotary embedding of latent attention.
  static let latentRotation = Self { $0.model.latentAttention?.writeRotation(&$1) }
  /// Gated delta nets, and which layers have them.
  static let deltaNet = Self { source, keys in
    let model = source.model
    guard let net = model.linearAttention else { return }
    net.write(&keys)
    model.writeLayerKinds(&keys)
    keys.add(.rotaryDimensions, model.attention.rotaryDimensions)
    if model.rope.sections == nil { RopeParameters.write(source.family.traits.defaultSections, &keys) }
  }
  /// How many layers take features of pictures.
  static let deepstack = Self.value(.deepstackLayerCount, \.deepstackLayerCount)

  /// When a file says that there are no blocks for next-token prediction.
  enum NoneIsSaid {
    case never, always
    /// Where the configuration says so.
    case whenConfigured
  }

  /// The blocks for next-token prediction.
  static func nextToken(none: NoneIsSaid = .never) -> Self {
    Self { source, keys in
      let count = source.model.nextTokenLayerCount
      let isSaid =
        switch none {
        case .never: count > 0
        case .always: true
        case .whenConfigured: count > 0 || source.config["num_nextn_predict_layers"]?.integer == 0
        }
      if isSaid { keys.add(.nextTokenLayerCount, count) }
    }
  }
}
