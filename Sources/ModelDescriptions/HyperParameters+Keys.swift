internal import FileBytes
package import TensorTypes

extension MetadataKey {
  /// The most blocks that llama.cpp loads.
  package static let blockLimit = 512
}

extension TypedKey where Value == Int {
  package static var blockCount: Self { .required("block_count", in: 1...MetadataKey.blockLimit) }
  static var contextLength: Self { .required("context_length", in: 1...Int(UInt32.max)) }
  package static var hiddenSize: Self { .required("embedding_length", in: MetadataKey.dimension) }
  static var outputWidth: Self { .optional("embedding_length_out", as: "embedding_length") }
  package static var vocabularySize: Self {
    .optional("vocab_size", as: "as many as tokenizer.ggml.tokens", in: 1...(1 << 24))
  }
  static var feedForwardSize: Self {
    .required("feed_forward_length", in: 1...(1 << 24), form: .singleOrPerBlock)
  }
  package static var nextTokenLayerCount: Self { .optional("nextn_predict_layers", else: 0, in: 0...64) }
  package static var leadingDenseCount: Self {
    .optional("leading_dense_block_count", else: 0, in: 0...MetadataKey.blockLimit)
  }
  static var deepstackLayerCount: Self {
    .optional("n_deepstack_layers", else: 0, in: 0...MetadataKey.blockLimit)
  }
  static var poolingType: Self { .optional("pooling_type", as: "none") }
}

extension TypedKey where Value == Double {
  static var normEpsilon: Self {
    .required("attention.layer_norm_rms_epsilon", in: .numbers(from: 0, to: 0.1, isOpen: true))
  }
}

extension TypedKey where Value == [String] {
  static var outputLabels: Self { .optional("classifier.output_labels", as: "none", form: .list) }
}

extension HyperParameters {
  /// The keys of every model.
  static var keys: [MetadataKey] {
    MetadataKey.counts(
      .blockCount, .contextLength, .hiddenSize, .outputWidth, .poolingType, .nextTokenLayerCount,
      .vocabularySize)
      + MetadataKey.reals(.normEpsilon) + [TypedKey<[String]>.outputLabels.key]
  }

  /// Reads the hyper-parameters of a GGUF.
  ///
  /// What a GGUF does not store follows from the architecture: norms are complete (never stored minus one), and the
  /// chosen experts' weights are divided by their sum in all architectures but `qwen2moe`. Biases on projections and
  /// tied embeddings show in the tensors, not in the metadata; set them from there.
  ///
  /// Files of Ollama's converter are read, too: numbers of key and value heads per layer, zero where there is no
  /// softmax attention, which then tell the kinds of layers, and three rotary sections.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the file.
  ///   - embeddingRows: The rows of the embedding tensor; without them the size of the vocabulary is that of the key
  ///     or of the list of tokens.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  package init(metadata: [MetadataEntry], embeddingRows: Int? = nil, file: String) throws {
    let keys = try KeyReader(metadata, file: file)
    let family = try ModelFamily.known(keys)
    for relation in KeyRelation.all(of: family) where !relation.isOfLoadersAlone {
      if let failure = relation.failure(keys, family) { throw failure.error }
    }
    let blocks = try keys.value(.blockCount)
    nextTokenLayerCount = try keys.value(.nextTokenLayerCount)
    layerCount = blocks - nextTokenLayerCount
    hiddenSize = try keys.value(.hiddenSize)
    guard
      let rows = try embeddingRows ?? keys.stated(.vocabularySize)
        ?? keys.elementCount("tokenizer.ggml.tokens")
    else {
      throw keys.fault(.vocabularySize, expected: "a whole number or a list of tokens", found: "neither")
    }
    vocabularySize = rows
    contextLength = try keys.stated(.contextLength)
    // Models whose layers all have experts may state 0.
    let mayBeZero = family.traits.isMixture && !family.traits.expertWidthIsFeedForwardSize
    feedForwardSize =
      try mayBeZero
      ? keys.stated(.feedForwardSize, in: MetadataKey.innerWidth) : keys.stated(.feedForwardSize)
    normEpsilon = try keys.value(.normEpsilon)
    normIsOffset = false
    tiedEmbeddings = false
    isCausal = try keys.value(.isCausal)
    activation = family.traits.activation
    windows = [Int?](repeating: nil, count: layerCount)

    let traits = family.traits
    (layerKinds, fullAttentionInterval) = try Self.layerKinds(
      keys, traits, count: layerCount, blockCount: blocks)
    if traits.isLatent {
      let latent = try LatentAttention(keys)
      latentAttention = latent
      attention = latent.plainHeads
    } else {
      var kinds = layerKinds
      if traits.hasOwnWindowHeads, case .listed(let period) = traits.window {
        let flags = try keys.windowFlags(period: period, layerCount: layerCount)
        slidingAttention = try Attention(
          keys, traits, hiddenSize: hiddenSize, kinds: flags.map { $0 ? .attention : .linearAttention },
          blockCount: blocks, areWindowed: true)
        kinds = flags.map { $0 ? .linearAttention : .attention }
      }
      attention = try Attention(keys, traits, hiddenSize: hiddenSize, kinds: kinds, blockCount: blocks)
    }
    if traits.isMixture { experts = try Experts(keys, traits, feedForwardSize: feedForwardSize ?? 0) }
    if traits.hasLeadingDense {
      leadingDenseCount = try keys.value(.leadingDenseCount)
      guard leadingDenseCount <= layerCount else {
        throw keys.fault(.leadingDenseCount, expected: "at most the \(layerCount) layers of the trunk")
      }
    }
    if traits.isHybrid { linearAttention = try GatedDeltaNet(keys, traits) }
    for key in family.ownKeys { try key.read(keys, &self) }
    family.parts(&self)
  }
}
