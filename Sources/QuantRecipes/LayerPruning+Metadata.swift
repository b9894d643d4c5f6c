internal import FileBytes
package import TensorTypes

/// What is known of layers besides their tensors: entries under an architecture's own name.
private enum LayerKeys {
  /// Arrays that have one element per layer in no model.
  static let otherArrays: Set<String> = ["rope.dimension_sections", "classifier.output_labels"]

  /// Arrays that have one element per layer in every model.
  static let perLayer: Set<String> = [
    "attention.recurrent_layers", "attention.head_count", "attention.head_count_kv", "feed_forward_length",
    "expert_feed_forward_length", "expert_used_count", "attention.sliding_window_pattern",
    "attention.compress_ratios", "attention.indexer.types", "attention.rope_pattern", "swiglu_clamp_exp",
    "swiglu_clamp_shexp", "xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps",
  ]

  /// Numbers that refer to layers in ways that pruning does not leave true.
  static let fixed = [
    "attention.shared_kv_layers", "attn_res.block_size", "decoder_block_count", "deepstack_mapping",
    "embedding_length_per_layer_input", "hash_layer_count", "hrm.layers_per_stack", "n_deepstack_layers",
    "num_loops", "ple.layers", "rescale_every_n_layers", "target_layers", "convnext.block_count",
    "posnet.block_count",
  ]

  /// Numbers after which something about layers repeats.
  static let periods = [
    "attention.sliding_window_pattern", "interleave_moe_layer_step", "moe_every_n_layers",
  ]

  /// Architectures whose layers follow a period that their files need not state.
  static let impliedPeriods: [String: Int] = [
    "afmoe": 4, "cohere2": 4, "cohere2moe": 4, "exaone-moe": 4, "exaone4": 4, "gemma-embedding": 6,
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "laguna": 4, "llama4": 4, "mellum": 4,
    "modern-bert": 3, "muse-glimmer": 4, "olmo2": 4, "plamo3": 8, "smallthinker": 4, "smollm3": 4,
  ]

  /// Architectures with linear attention in all layers but every fourth, or as their interval says.
  static let hybrids: Set<String> = ["minimax-01", "qwen35", "qwen35moe", "qwen3next", "qwen4exp"]
}

extension LayerPruning {
  /// The metadata after pruning: what is said of single layers is dropped and renumbered with them.
  ///
  /// Arrays with one element per layer lose those of dropped layers; the numbers of next-token-prediction layers and of
  /// leading dense layers follow. Where a hybrid model's `full_attention_interval` is not true any more,
  /// `attention.recurrent_layers` says which layers are recurrent. `block_count` is left to the caller.
  ///
  /// - Parameters:
  ///   - metadata: The entries of the model.
  ///   - names: What ``apply(to:)`` made of its tensors.
  /// - Returns: The entries, in their order; the same ones for models that say nothing of single layers.
  /// - Throws: ``RecipeError`` with `layerNotPrunable` when no layer but those for next-token prediction would be left,
  ///   or when the file would say something untrue of its layers; `badMetadata` for arrays of another length.
  package func apply(to metadata: [MetadataEntry], names: Names) throws -> [MetadataEntry] {
    guard !layers.isEmpty,
      let architecture = metadata.first(where: { $0.key == "general.architecture" })?.value.text
    else { return metadata }
    let model = LayeredMetadata(
      metadata, architecture: architecture, kept: (0..<names.blockCount).map { names.oldLayers[$0] ?? $0 })
    return try model.pruned()
  }
}

/// The metadata of a model, and the layers of it that stay.
private struct LayeredMetadata {
  let entries: [MetadataEntry]
  let architecture: String
  /// For every new layer number the old one.
  let kept: [Int]
  /// All layers of the source.
  let blockCount: Int
  /// Its layers for next-token prediction, which are the last ones.
  let nextTokenCount: Int

  init(_ entries: [MetadataEntry], architecture: String, kept: [Int]) {
    self.entries = entries
    self.architecture = architecture
    self.kept = kept
    func number(_ key: String) -> Int? {
      entries.first { $0.key == architecture + "." + key }?.value.integer
    }
    blockCount = number("block_count") ?? (kept.max() ?? -1) + 1
    nextTokenCount = min(max(number("nextn_predict_layers") ?? 0, 0), max(blockCount, 0))
  }

  /// Layers of the source that predict the next token.
  private var trunkCount: Int { blockCount - nextTokenCount }
  /// Of the layers that stay, those of the trunk.
  private var keptTrunk: [Int] { kept.filter { $0 < trunkCount } }

  private func value(_ key: String) -> MetadataValue? {
    entries.first { $0.key == architecture + "." + key }?.value
  }

  func pruned() throws -> [MetadataEntry] {
    guard !keptTrunk.isEmpty else {
      throw refusal("only layers for next-token prediction would be left", "keep at least one other layer")
    }
    try refuseFixedNumbers()
    try refusePeriods()
    var result: [MetadataEntry] = []
    for entry in entries {
      guard entry.key.hasPrefix(architecture + ".") else {
        result.append(entry)
        continue
      }
      if let value = try pruned(String(entry.key.dropFirst(architecture.count + 1)), entry.value) {
        result.append(MetadataEntry(entry.key, value))
      }
    }
    return try withRecurrentLayers(result)
  }

  /// The new value under a key; `nil` drops it.
  private func pruned(_ key: String, _ value: MetadataValue) throws -> MetadataValue? {
    switch (key, value) {
    case (_, .array(let array)):
      guard !LayerKeys.otherArrays.contains(key) else { return value }
      if array.count == blockCount { return .array(array.elements(at: kept)) }
      // Some converters write nothing for next-token layers.
      if array.count == trunkCount { return .array(array.elements(at: keptTrunk)) }
      guard !LayerKeys.perLayer.contains(key) else {
        throw RecipeError(
          .badMetadata,
          Fault(
            subject: architecture + "." + key, expected: "one element for each of \(blockCount) layers",
            found: "\(array.count)", remedy: "the file is damaged; its layers cannot be pruned"))
      }
      return value
    case ("nextn_predict_layers", _):
      let count = kept.count - keptTrunk.count
      return count == 0 ? nil : .uint32(UInt32(clamping: count))
    case ("leading_dense_block_count", _):
      guard let dense = value.integer else { return value }
      return .uint32(UInt32(clamping: kept.count { $0 < dense }))
    default: return value
    }
  }

  /// Says which layers are recurrent where the interval does not say it any more.
  private func withRecurrentLayers(_ entries: [MetadataEntry]) throws -> [MetadataEntry] {
    guard LayerKeys.hybrids.contains(architecture), let interval = interval, interval > 0 else {
      return entries
    }
    let old: [Bool]
    if case .array(.bool(let flags)) = value("attention.recurrent_layers") {
      old = flags
    } else {
      old = (0..<max(blockCount, 0)).map { $0 < trunkCount && ($0 + 1) % interval != 0 }
    }
    let new = kept.map { $0 < old.count && old[$0] }
    let trunk = new.prefix(keptTrunk.count)
    guard trunk.contains(true), trunk.contains(false) else {
      throw refusal(
        "no layer with \(trunk.contains(true) ? "full" : "linear") attention would be left",
        "keep one of each kind, without which llama.cpp does not run a hybrid model")
    }
    let byInterval = kept.indices.map { $0 < keptTrunk.count && ($0 + 1) % interval != 0 }
    guard new != byInterval else { return entries }
    let key = architecture + ".attention.recurrent_layers"
    let intervalKey = architecture + ".full_attention_interval"
    var result = entries
    if !result.contains(where: { $0.key == key }) {
      let place =
        result.firstIndex { $0.key == intervalKey }
        ?? result.lastIndex { $0.key.hasPrefix(architecture + ".") }
      result.insert(MetadataEntry(key, .array(.bool(new))), at: place.map { $0 + 1 } ?? result.endIndex)
    }
    result.removeAll { $0.key == intervalKey }
    return result
  }

  private var interval: Int? {
    guard let stated = value("full_attention_interval") else { return 4 }
    return stated.integer
  }

  private func refuseFixedNumbers() throws {
    for key in LayerKeys.fixed {
      guard let value = value(key), value.integer != 0 else { continue }
      // Features of pictures go to the first layers; those after them may go.
      if key == "n_deepstack_layers", let count = value.integer, kept.prefix(count).elementsEqual(0..<count) {
        continue
      }
      throw refusal(
        "\(architecture).\(key), which would not be true of the layers that are left",
        "layers of this model cannot be pruned")
    }
  }

  /// Refuses to shift layers against a period that decides what they are.
  private func refusePeriods() throws {
    var periods: [(String, Int)] = LayerKeys.periods.compactMap { key in
      value(key)?.integer.map { ("\(architecture).\(key)", $0) }
    }
    // An array or a number in the file takes the place of the implied period of sliding windows alone; other things,
    // such as layers without rotary embedding, follow it, too.
    if let implied = LayerKeys.impliedPeriods[architecture] {
      periods.append(("the architecture \(architecture)", implied))
    }
    for (source, period) in periods where period > 1 {
      guard let shifted = keptTrunk.enumerated().first(where: { $0.element % period != $0.offset % period })
      else { continue }
      throw refusal(
        "kinds of layers that repeat after \(period), as \(source) says: layer \(shifted.element) would become "
          + "layer \(shifted.offset), of another kind",
        "prune last layers, or groups of \(period) layers")
    }
  }

  private func refusal(_ found: String, _ remedy: String) -> RecipeError {
    RecipeError(
      .layerNotPrunable,
      Fault(
        subject: "\(.prunedLayers)", expected: "layers that can be dropped", found: Wording(found),
        remedy: Wording(remedy)))
  }
}

extension MetadataArray {
  /// The elements at some places, which exist.
  fileprivate func elements(at places: [Int]) -> MetadataArray {
    func pick<Element>(_ array: [Element]) -> [Element] {
      places.compactMap { $0 < array.count ? array[$0] : nil }
    }
    return switch self {
    case .uint8(let a): .uint8(pick(a))
    case .int8(let a): .int8(pick(a))
    case .uint16(let a): .uint16(pick(a))
    case .int16(let a): .int16(pick(a))
    case .uint32(let a): .uint32(pick(a))
    case .int32(let a): .int32(pick(a))
    case .uint64(let a): .uint64(pick(a))
    case .int64(let a): .int64(pick(a))
    case .float32(let a): .float32(pick(a))
    case .float64(let a): .float64(pick(a))
    case .bool(let a): .bool(pick(a))
    case .string(let a): .string(pick(a))
    case .rawString(let a): .rawString(pick(a))
    }
  }
}
