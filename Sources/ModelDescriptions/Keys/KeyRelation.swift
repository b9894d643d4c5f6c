internal import TensorTypes

/// Something that keys say together: counts that divide each other, widths that agree.
package struct KeyRelation: Sendable {
  /// Why keys cannot stand together.
  package struct Failure: Sendable {
    /// The full name of the key that is wrong, or that one may take for it.
    package var key: String
    /// What it must hold beside the others.
    package var expected: String
    /// What it holds.
    package var found: String
    /// The same for those who read the file.
    package var error: DescriptionError
  }

  /// Whether the forward pass here does without it, though llama.cpp's loader does not.
  var isOfLoadersAlone: Bool
  /// Looks at keys; values of wrong types are left to others.
  private var check: @Sendable (KeyReader, ModelFamily.Traits) -> Failure?

  private static func forAll(
    _ check: @escaping @Sendable (KeyReader, ModelFamily.Traits) -> Failure?
  ) -> KeyRelation {
    KeyRelation(isOfLoadersAlone: false, check: check)
  }

  private static func forLoaders(
    _ check: @escaping @Sendable (KeyReader, ModelFamily.Traits) -> Failure?
  ) -> KeyRelation {
    KeyRelation(isOfLoadersAlone: true, check: check)
  }

  /// Why the keys of a file cannot stand together; `nil` when they can.
  package func failure(_ keys: KeyReader, _ family: ModelFamily) -> Failure? { check(keys, family.traits) }

  /// The relations of a family's keys.
  package static func all(of family: ModelFamily) -> [KeyRelation] {
    let traits = family.traits
    var all = [nextToken, experts, groups, groupSizes, leadingDense, heads]
    if traits.needsEqualHeads { all.append(equalHeads) }
    all += traits.isLatent ? [latentLength, wholeLength] : [valueLength]
    if traits.hasOwnWindowHeads {
      all += [ownWindowValues, ownWindowRotation]
    } else if family.saysWindows {
      all += [windowKeys, windowValues, windowRotation]
    }
    all += [rotated, sections]
    if traits.isHybrid { all += [interval, stateHeads, stateWidth] }
    return all
  }

  // MARK: Layers

  private static let nextToken = forAll { keys, _ in
    guard let blocks = keys.count(.blockCount), let some = keys.count(.nextTokenLayerCount), some >= blocks
    else { return nil }
    return keys.failure(.nextTokenLayerCount, "less than block_count (\(blocks))", some)
  }

  private static let leadingDense = forLoaders { keys, _ in
    guard let blocks = keys.count(.blockCount), let dense = keys.count(.leadingDenseCount), dense > blocks
    else { return nil }
    return keys.failure(.leadingDenseCount, "at most block_count (\(blocks))", dense)
  }

  // MARK: Experts

  private static let experts = forLoaders { keys, _ in
    let experts = keys.count(.expertCount) ?? 0
    let used = keys.raw(.expertUsedCount)?.numbers.max() ?? 0
    guard experts > 0 ? used < 1 || used > experts : used > 0 else { return nil }
    return keys.failure(
      .expertUsedCount, experts > 0 ? "1 to \(experts)" : "0, since there are no experts", used)
  }

  private static let groups = forLoaders { keys, _ in
    let (experts, groups) = (keys.count(.expertCount) ?? 0, keys.count(.expertGroupCount) ?? 0)
    guard experts == 0 ? groups > 0 : groups >= experts else {
      guard groups > 1, experts % groups != 0 else { return nil }
      return keys.failure(.expertGroupCount, "a divisor of \(experts)", groups)
    }
    return keys.failure(
      .expertGroupCount, experts == 0 ? "0, since there are no experts" : "less than \(experts)", groups)
  }

  private static let groupSizes = forLoaders { keys, _ in
    let (experts, groups) = (keys.count(.expertCount) ?? 0, keys.count(.expertGroupCount) ?? 0)
    let used = keys.count(.expertGroupUsedCount) ?? 0
    guard groups > 1, groups < experts, used < 1 || used >= groups else { return nil }
    return keys.failure(.expertGroupUsedCount, "1 to \(groups - 1)", used)
  }

  // MARK: Attention

  private static let heads = forLoaders { keys, traits in
    guard let heads = keys.raw(.headCount)?.numbers, let first = heads.first, first > 0,
      let groups = keys.raw(.keyValueHeadCount)?.numbers
    else { return nil }
    for (block, group) in groups.enumerated() {
      let queries = block < heads.count ? heads[block] : first
      // Blocks without softmax attention may have none.
      let isGood =
        group > 0
        ? queries % group == 0 : (traits.isHybrid || traits.hasShortConvolutions) && groups.count > 1
      if !isGood { return keys.failure(.keyValueHeadCount, "a divisor of \(queries)", group) }
    }
    return nil
  }

  private static let equalHeads = forLoaders { keys, _ in
    guard let first = keys.raw(.headCount)?.numbers.first, first > 0,
      let groups = keys.raw(.keyValueHeadCount)?.numbers.first, groups != first
    else { return nil }
    return keys.failure(.keyValueHeadCount, "\(first), as many as query heads", groups)
  }

  private static let valueLength = forAll { keys, _ in
    guard let headDim = keys.headDim, let valueDim = keys.count(.valueLength), valueDim != headDim else {
      return nil
    }
    return keys.failure(.valueLength, "\(headDim), the length of keys", valueDim)
  }

  // Heads of layers with a window are those of the others.
  private static let windowKeys = forAll { keys, _ in keys.inWindows(.windowKeyLength, keys.headDim) }
  private static let windowValues = forAll { keys, _ in keys.inWindows(.windowValueLength, keys.headDim) }
  private static let windowRotation = forAll { keys, _ in
    keys.inWindows(.windowRotaryDimensions, keys.count(.rotaryDimensions) ?? keys.headDim)
  }

  // Heads of layers with a window are others.
  private static let ownWindowValues = forAll { keys, _ in
    guard let length = keys.count(.windowKeyLength), let found = keys.count(.windowValueLength),
      found != length
    else { return nil }
    return keys.failure(.windowValueLength, "\(length), the length of keys in windows", found)
  }
  private static let ownWindowRotation = forAll { keys, _ in
    guard let length = keys.count(.windowKeyLength) ?? keys.headDim,
      let found = keys.count(.windowRotaryDimensions), found < 2 || found % 2 != 0 || found > length
    else { return nil }
    return keys.failure(
      .windowRotaryDimensions, "an even number up to the head dimension \(length) of windows", found)
  }

  private static let latentLength = forAll { keys, _ in
    guard let latent = keys.count(.latentWidth), let rotated = keys.count(.rotaryDimensions),
      let found = keys.count(.keyLength), found != latent + rotated
    else { return nil }
    return keys.failure(
      .keyLength, "\(latent + rotated), for latent vectors of \(latent) and \(rotated) that turn", found)
  }

  private static let wholeLength = forAll { keys, _ in
    guard let rotated = keys.count(.rotaryDimensions), let whole = keys.count(.wholeKeyLength),
      whole <= rotated
    else { return nil }
    return keys.failure(.wholeKeyLength, "more than rope.dimension_count (\(rotated))", whole)
  }

  // MARK: Rotary embedding

  private static let rotated = forLoaders { keys, traits in
    guard let headDim = keys.headDim, let rotated = keys.count(.rotaryDimensions) else { return nil }
    if rotated < 2 || rotated % 2 != 0 || rotated > headDim {
      return keys.failure(
        .rotaryDimensions, "an even number up to the head dimension \(headDim)", rotated)
    }
    guard traits.turnsWholeHeads, rotated != headDim else { return nil }
    return keys.failure(.rotaryDimensions, "\(headDim), the head dimension", rotated)
  }

  private static let sections = forLoaders { keys, traits in
    guard let headDim = keys.headDim, let sections = keys.raw(.rotarySections)?.numbers, !sections.isEmpty
    else { return nil }
    let pairs = (keys.count(.rotaryDimensions) ?? headDim) / 2
    let sum = sections.reduce(0) { $0 &+ $1 }
    if sections.contains(where: { $0 < 0 }) {
      return keys.failure(.rotarySections, "numbers of at least 0", sections)
    }
    guard sum != pairs, sum != traits.defaultSections?.reduce(0, +) else { return nil }
    return keys.failure(
      .rotarySections, "\(pairs) pairs of dimensions in all", "\(sections), which are \(sum)")
  }

  // MARK: Delta nets

  private static let interval = forLoaders { keys, _ in
    guard keys.raw(.recurrentLayers) == nil, keys.count(.fullAttentionInterval) == 0 else { return nil }
    return keys.failure(
      .fullAttentionInterval, "at least 1, since attention.recurrent_layers is absent", 0)
  }

  private static let stateHeads = forAll { keys, _ in
    guard let keyHeads = keys.count(.stateGroupCount), keyHeads > 0,
      let valueHeads = keys.count(.stateHeadCount), valueHeads % keyHeads != 0
    else { return nil }
    return keys.failure(.stateHeadCount, "a multiple of ssm.group_count (\(keyHeads))", valueHeads)
  }

  private static let stateWidth = forLoaders { keys, _ in
    guard let valueHeads = keys.count(.stateHeadCount), let size = keys.count(.stateSize),
      let width = keys.count(.stateWidth)
    else { return nil }
    let product = size.multipliedReportingOverflow(by: valueHeads)
    guard product.overflow || width != product.partialValue else { return nil }
    return keys.failure(.stateWidth, "ssm.state_size times ssm.time_step_rank", width)
  }
}

extension KeyReader {
  /// The length of a head's key; `nil` where no keys say it.
  fileprivate var headDim: Int? {
    guard let heads = raw(.headCount)?.numbers.first, heads > 0, let width = count(.hiddenSize) else {
      return nil
    }
    return count(.keyLength) ?? width / heads
  }

  /// What is wrong with a length for layers with a window beside that of the others.
  fileprivate func inWindows(_ key: TypedKey<Int>, _ length: Int?) -> KeyRelation.Failure? {
    guard let length, let stated = count(key), stated != length else { return nil }
    return failure(key, "\(length), as in layers without a window", stated)
  }

  fileprivate func failure(
    _ key: TypedKey<some KeyValue>, _ expected: String, _ found: some CustomStringConvertible
  ) -> KeyRelation.Failure {
    KeyRelation.Failure(
      key: name(key), expected: expected, found: "\(found)",
      error: fault(key, expected: expected, found: "\(found)"))
  }
}
