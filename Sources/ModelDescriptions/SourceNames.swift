/// Which checkpoint tensors count, and under which name.
enum SourceNames {
  /// Judges all names of a checkpoint of a family.
  ///
  /// Beside what ``judge(_:)`` does, other names of a layer's modules are replaced, and next-token blocks that follow
  /// the trunk as `model.layers.N` get the names that they have as `mtp.layers.0`; the trunk has
  /// `layerCount` layers.
  static func judge(_ names: [String], family: ModelFamily, layerCount: Int) -> [Verdict] {
    var verdicts = names.map(judge)
    if VisionFamily.all.contains(where: { !Set(family.architectures).isDisjoint(with: $0.architectures) }) {
      verdicts = verdicts.map { $0 == .skip(visionTower) ? .skip(visionTower + Self.ownFile) : $0 }
    }
    if let alias = family.traits.layerAlias {
      verdicts = verdicts.map { rename($0) { replace(alias, in: $0) } }
    }
    switch family.traits.nextToken {
    case .none, .afterTrunk: return verdicts
    case .leftOut:
      return verdicts.map { verdict in
        guard case .use(let name) = verdict, isAfterTrunk(name, layerCount: layerCount) else {
          return verdict
        }
        return .skip("a block for next-token prediction, which readers of this architecture leave out")
      }
    case .separate: break
    }
    let first = "model.layers.\(layerCount)."
    let hasBlock = verdicts.contains { verdict in
      guard case .use(let name) = verdict, name.utf8.starts(with: first.utf8) else { return false }
      return entrance[String(name.dropFirst(first.count))] != nil
    }
    guard hasBlock else { return verdicts }
    return verdicts.map { rename($0) { asNextToken($0, layerCount: layerCount) } }
  }

  /// Why tensors of a vision tower are left out.
  private static let visionTower = "part of the vision tower"
  /// What is said of towers that can be converted.
  private static let ownFile = ", which pouch-convert --mmproj writes to a file of its own"

  private static func rename(_ verdict: Verdict, _ body: (String) -> String) -> Verdict {
    if case .use(let name) = verdict { .use(body(name)) } else { verdict }
  }

  private static func replace(_ alias: ModelFamily.LayerAlias, in name: String) -> String {
    var parts = name.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[1] == "layers" else { return name }
    let rest = parts[3]
    guard rest == alias.name || rest.hasPrefix(alias.name + ".") else { return name }
    parts[3] = alias.canonical + rest.dropFirst(alias.name.count)
    return parts.joined(separator: ".")
  }

  /// What joins a next-token block with the trunk, in names after `model.layers.N.`, and its names after `mtp.`.
  private static let entrance = [
    "eh_proj.weight": "fc.weight", "fc.weight": "fc.weight",
    "enorm.weight": "pre_fc_norm_embedding.weight",
    "pre_fc_norm_embedding.weight": "pre_fc_norm_embedding.weight",
    "hnorm.weight": "pre_fc_norm_hidden.weight", "pre_fc_norm_hidden.weight": "pre_fc_norm_hidden.weight",
    "shared_head.norm.weight": "norm.weight", "norm.weight": "norm.weight",
  ]

  private static func asNextToken(_ name: String, layerCount: Int) -> String {
    let parts = name.split(separator: ".", maxSplits: 3)
    guard parts.count == 4, parts[0] == "model", parts[1] == "layers", let layer = Int(parts[2]),
      layer >= layerCount
    else { return name }
    let rest = String(parts[3])
    if layer == layerCount, let own = entrance[rest] { return "mtp." + own }
    return "mtp.layers.\(layer - layerCount)." + rest
  }

  /// Whether a normalised name is that of a tensor of a block for next-token prediction.
  static func isNextToken(_ name: String, family: ModelFamily, layerCount: Int) -> Bool {
    switch family.traits.nextToken {
    case .none, .leftOut: false
    case .separate: name.hasPrefix("mtp.")
    case .afterTrunk: isAfterTrunk(name, layerCount: layerCount)
    }
  }

  /// Whether a name is that of a tensor of a layer after the trunk.
  private static func isAfterTrunk(_ name: String, layerCount: Int) -> Bool {
    layerNumber(name).map { $0 >= layerCount } ?? false
  }

  /// The number of the layer in `model.layers.N.`.
  private static func layerNumber(_ name: String) -> Int? {
    guard name.utf8.starts(with: "model.layers.".utf8) else { return nil }
    return Int(name.dropFirst(13).prefix { $0 != "." })
  }

  /// What to do with a tensor.
  enum Verdict: Equatable {
    case use(String)
    case skip(String)
  }

  /// Judges a name: prefixes of multimodal wrappers are removed, parts that are no text model are skipped.
  static func judge(_ name: String) -> Verdict {
    if isPlainLayerWeight(name.utf8) { return .use(name) }
    if name.utf8.starts(with: wrapper.utf8) {
      let inner = "model." + name.dropFirst(wrapper.count)
      if isPlainLayerWeight(inner.utf8) { return .use(inner) }
    }
    if [".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias"].contains(where: name.hasSuffix) {
      return .skip("a constant that readers compute")
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.contains(where: { ["visual", "vision_tower", "vision_model"].contains($0) }) {
      return .skip(visionTower)
    }
    if parts.contains(where: {
      ["audio_tower", "audio_model", "embed_audio", "embed_vision", "multi_modal_projector", "mm_projector"]
        .contains($0)
    }) {
      return .skip("part of another modality")
    }
    var kept = parts.filter { $0 != "language_model" && $0 != "text_model" }
    if kept.count > 1, kept[0] == "model", kept[1] == "mtp" { kept.removeFirst() }
    if let first = kept.first, ["layers", "embed_tokens", "norm"].contains(first) {
      kept.insert("model", at: 0)
    }
    if kept.count > 1, kept[0] == "model", kept[1] == "lm_head" { kept.removeFirst() }
    return .use(kept.joined(separator: "."))
  }

  /// The prefix of the text part of a multimodal checkpoint.
  private static let wrapper = "model.language_model."

  /// True for `model.layers.N….weight`, the form of nearly all names of large checkpoints, which needs no more care.
  private static func isPlainLayerWeight(_ name: String.UTF8View) -> Bool {
    guard name.starts(with: "model.layers.".utf8), name.count > 14 else { return false }
    let digit = name[name.index(name.startIndex, offsetBy: 13)]
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return false }
    return name.last == UInt8(ascii: "t")
      || partsOfWeights.contains { name.suffix($0.count).elementsEqual($0) }
  }

  /// What the other tensors of quantized weights are called.
  private static let partsOfWeights = [
    ".weight_packed", ".weight_scale", ".weight_shape", ".weight_scale_inv",
  ]
  .map { Array($0.utf8) }

  /// The number of next-token prediction layers among normalised names: one more than the highest index.
  static func nextTokenLayerCount(
    in names: some Sequence<String>, family: ModelFamily, layerCount: Int
  ) -> Int {
    var count = 0
    switch family.traits.nextToken {
    case .none, .leftOut: break
    case .separate:
      for name in names where name.hasPrefix("mtp.") {
        let parts = name.split(separator: ".", maxSplits: 3)
        var index = 0
        if parts.count > 2, parts[1] == "layers", let number = Int(parts[2]), number >= 0, number < 64 {
          index = number
        }
        count = max(count, index + 1)
      }
    case .afterTrunk:
      for name in names {
        guard let number = layerNumber(name), number >= layerCount, number < layerCount + 64 else { continue }
        count = max(count, number - layerCount + 1)
      }
    }
    return count
  }
}
