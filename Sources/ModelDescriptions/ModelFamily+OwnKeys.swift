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

extension ModelFamily.OwnKey {
  static let vocabularySize = Self { $1.add(.vocabularySize, $0.model.vocabularySize) }
  static let rotaryDimensions = Self { $1.add(.rotaryDimensions, $0.model.attention.rotaryDimensions) }
  /// The type of rotary scaling, which is none.
  static let noRotaryScaling = Self { $1.add(.rotaryScaling, "none") }
  static let expertWidth = Self { $1.add(.expertWidth, $0.model.experts?.width) }
  static let sharedExpertWidth = Self { $1.add(.sharedExpertWidth, $0.model.experts?.sharedWidth) }
  static let sharedExpertCount = Self { $1.add(.sharedExpertCount, $0.model.experts?.sharedCount) }
  /// How many of the first layers are dense.
  static let leadingDense = Self { $1.add(.leadingDenseCount, $0.model.leadingDenseCount) }
  /// What makes probabilities of scores; elsewhere already, where the configuration names it.
  static let scoring = Self { source, keys in
    if source.config["scoring_func"] == nil { source.model.experts?.router.writeScoring(&keys) }
  }
  static let expertScale = Self { $1.add(.expertScale, $0.model.experts?.router.scale) }

  /// Whether the chosen experts' weights are divided by their sum; some write it when it is so alone.
  static func expertSum(isWrittenAlways: Bool) -> Self {
    Self { source, keys in
      if let router = source.model.experts?.router, router.normalizesTopK || isWrittenAlways {
        keys.add(.normalizesExperts, router.normalizesTopK)
      }
    }
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

  /// The blocks for next-token prediction; some say that there are none, where the configuration does.
  static func nextToken(saysNone: Bool = false) -> Self {
    Self { source, keys in
      let isSaidToBeNone = saysNone && source.config["num_nextn_predict_layers"]?.integer == 0
      if source.model.nextTokenLayerCount > 0 || isSaidToBeNone {
        keys.add(.nextTokenLayerCount, source.model.nextTokenLayerCount)
      }
    }
  }
}
