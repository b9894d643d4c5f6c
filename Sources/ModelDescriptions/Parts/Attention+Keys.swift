internal import TensorTypes

extension TypedKey where Value == Int {
  package static var headCount: Self {
    .required("attention.head_count", in: 1...(1 << 16), form: .singleOrPerBlock)
  }
  package static var keyValueHeadCount: Self {
    .optional(
      "attention.head_count_kv", as: "attention.head_count", in: 0...(1 << 16), form: .singleOrPerBlock)
  }
  package static var keyLength: Self {
    .optional(
      "attention.key_length", as: "embedding_length / attention.head_count", in: MetadataKey.dimension)
  }
  package static var valueLength: Self {
    .optional(
      "attention.value_length", as: "embedding_length / attention.head_count", in: MetadataKey.dimension)
  }
  /// llama.cpp reads it of some architectures alone, none of which is known here.
  package static var window: Self { .optional("attention.sliding_window", as: "none") }
  static var windowKeyLength: Self { .optional("attention.key_length_swa", as: "attention.key_length") }
  static var windowValueLength: Self { .optional("attention.value_length_swa", as: "attention.value_length") }
  /// Where heads of layers with a window have a width of their own.
  static var ownWindowKeyLength: Self { .required("attention.key_length_swa", in: MetadataKey.dimension) }
  static var ownWindowValueLength: Self { .required("attention.value_length_swa", in: MetadataKey.dimension) }
}

extension TypedKey where Value == Bool {
  package static var isCausal: Self { .optional("attention.causal", else: true) }
}

extension Attention {
  /// The keys of attention, which all architectures have.
  static func keys(of traits: ModelFamily.Traits) -> [MetadataKey] {
    let windows: [TypedKey<Int>] =
      traits.hasOwnWindowHeads
      ? [.ownWindowKeyLength, .ownWindowValueLength] : [.windowKeyLength, .windowValueLength]
    return MetadataKey.counts(.headCount, .keyValueHeadCount, .keyLength, .valueLength)
      + windows.map(\.key) + MetadataKey.flags(.isCausal)
  }

  /// Reads the attention of the layers that have softmax attention.
  ///
  /// - Parameters:
  ///   - keys: The keys.
  ///   - traits: What all models of the family have.
  ///   - hiddenSize: The width of the stream.
  ///   - kinds: The kind of each trunk layer.
  ///   - blockCount: All blocks of the file.
  ///   - areWindowed: Whether these are the layers with a window, which have keys of their own.
  /// - Throws: ``DescriptionError`` with `invalidMetadata` or `notSupported`.
  init(
    _ keys: KeyReader, _ traits: ModelFamily.Traits, hiddenSize: Int,
    kinds: [HyperParameters.LayerKind], blockCount: Int, areWindowed: Bool = false
  ) throws {
    let heads = try keys.value(.headCount)
    let groups = try Self.keyValueHeadCount(keys, kinds: kinds, blockCount: blockCount) ?? heads
    guard heads % groups == 0 else {
      throw keys.fault(.keyValueHeadCount, expected: "a divisor of \(heads)")
    }
    let ownWidth = try areWindowed ? keys.value(.ownWindowKeyLength) : nil
    let headDim = try ownWidth ?? keys.stated(.keyLength) ?? hiddenSize / heads
    guard headDim > 0 else {
      throw keys.fault(.headCount, expected: "at most embedding_length (\(hiddenSize))")
    }
    // That it is the same as the length of keys is checked with what keys say together.
    _ = try keys.stated(.valueLength)
    self.init(headCount: heads, keyValueHeadCount: groups, headDim: headDim)
    if case .always = traits.inputBias { hasInputBias = true }
    if case .always = traits.queryKeyNorm { hasQueryKeyNorm = true }
    rotaryDimensions =
      try areWindowed
      ? keys.stated(.windowRotaryDimensions) ?? headDim : keys.stated(.rotaryDimensions) ?? headDim
    rope = try RopeParameters(keys)
    if areWindowed {
      rope.theta = try keys.stated(.windowRotaryBase) ?? rope.theta
      rope.takesFactors = false
    }
    if case .yarn(var yarn) = rope.scaling, !traits.roundsYarnLimits {
      yarn.roundsLimits = false
      rope.scaling = .yarn(yarn)
    }
    if rotaryDimensions != headDim { rope.partialFactor = Double(rotaryDimensions) / Double(headDim) }
  }

  /// The key and value heads of the layers with softmax attention; what a list says of other layers does not count.
  private static func keyValueHeadCount(
    _ keys: KeyReader, kinds: [HyperParameters.LayerKind], blockCount: Int
  ) throws -> Int? {
    let range = 1...(1 << 16)
    guard let counts = keys.raw(.keyValueHeadCount)?.integers else {
      return try keys.stated(.keyValueHeadCount, in: range)
    }
    try keys.checkLength(.keyValueHeadCount, counts, layerCount: kinds.count, blockCount: blockCount)
    let used = Set(zip(counts, kinds).filter { $0.1 == .attention }.map(\.0))
    guard used.allSatisfy(range.contains) else {
      throw keys.fault(
        .keyValueHeadCount, expected: "a number above 0 for each layer with softmax attention")
    }
    guard used.count < 2 else {
      throw keys.unevenLayers(
        .keyValueHeadCount, expected: "one number for all layers with softmax attention")
    }
    return used.first
  }
}

extension KeyReader {
  /// Checks that a list has an element for each block, or for each layer of the trunk.
  func checkLength(_ key: TypedKey<Int>, _ list: [Int], layerCount: Int, blockCount: Int) throws {
    guard list.count == blockCount || list.count == layerCount else {
      throw fault(key, expected: "one number, or one for each of \(blockCount) blocks")
    }
  }
}
