package import TensorTypes

/// A metadata key that llama.cpp would refuse or read as something else, and what it must hold instead.
package struct MetadataChange: Hashable, Sendable {
  /// The key.
  package var key: String
  /// The value to put there.
  package var value: MetadataValue
  /// What llama.cpp wants, for messages.
  package var expected: String
}

extension HyperParameters {
  /// What must change in the metadata that this was read from for llama.cpp to read the same.
  ///
  /// llama.cpp takes the key and value heads of layer 0 for those of all layers, wants lists to have exactly one
  /// element per block and rotary sections to be four, and tells recurrent layers by a list of flags or an interval.
  ///
  /// - Parameters:
  ///   - metadata: The entries that were read.
  ///   - family: Their family.
  /// - Returns: The changes, none for a file as llama.cpp's converter writes it.
  package func changesForLlamaCpp(_ metadata: [MetadataEntry], family: ModelFamily) -> [MetadataChange] {
    let values = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
    var changes: [MetadataChange] = []
    for key in MetadataKey.layerwiseKeys(of: family) {
      let name = key.fullName(family.ggufArchitecture)
      guard let stated = values[name], let list = stated.integers else { continue }
      // Some architectures have layers with other numbers of heads.
      if key.name == TypedKey.keyValueHeadCount.key.name, family.traits.hasHeadsByLayer { continue }
      let isHeads = key.name == TypedKey.keyValueHeadCount.key.name
      let heads = latentAttention == nil ? attention.keyValueHeadCount : 1
      let number = isHeads ? heads : list.first ?? 0
      // Where the numbers tell the layers with convolutions, they are read for each.
      if isHeads, family.traits.hasShortConvolutions, list.count == blockCount, stated.has32BitElements {
        continue
      }
      let isRead = list.count == blockCount && list.first == number && stated.has32BitElements
      guard !isRead, let word = UInt32(exactly: number) else { continue }
      changes.append(
        MetadataChange(
          key: name, value: .uint32(word),
          expected: "\(number), for llama.cpp takes layer 0's number for all layers"))
    }
    guard let interval = fullAttentionInterval else { return changes }
    let sections = TypedKey.rotarySections.name(in: family.ggufArchitecture)
    if let list = values[sections]?.integers, list.count < 4 {
      let padded = (list + [0, 0, 0, 0]).prefix(4).map { Int32(clamping: $0) }
      changes.append(
        MetadataChange(
          key: sections, value: .array(.int32(padded)), expected: "four numbers, as llama.cpp reads them"))
    }
    let list = TypedKey.recurrentLayers.name(in: family.ggufArchitecture)
    let flags = recurrentFlags
    let isRead: Bool
    if case .array(let stated)? = values[list] {
      isRead = stated.count == blockCount
    } else {
      let used =
        values[TypedKey.fullAttentionInterval.name(in: family.ggufArchitecture)] == nil ? 4 : interval
      isRead = flags.prefix(layerCount).enumerated().allSatisfy {
        $0.element == (($0.offset + 1) % used != 0)
      }
    }
    if !isRead {
      changes.append(
        MetadataChange(
          key: list, value: .array(.bool(flags)), expected: "a flag for each of \(blockCount) blocks"))
    }
    return changes
  }

  /// Whether the value heads of a file with these numbers are in the order that llama.cpp reads in its architecture.
  package func hasStandardHeadOrder(family: ModelFamily) -> Bool {
    guard let net = linearAttention, net.repetition > 1, net.keyHeadCount > 1 else { return true }
    return (net.valueHeadOrder == .tiled) == family.traits.tilesValueHeads
  }
}

extension MetadataValue {
  /// Whether the value is a list of 32-bit integers, the only ones that llama.cpp reads for layers.
  fileprivate var has32BitElements: Bool {
    switch self {
    case .array(.int32), .array(.uint32): true
    default: false
    }
  }
}
