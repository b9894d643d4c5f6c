internal import CRuntimeKernels
internal import ModelDescriptions

/// What a cache keeps for each position.
struct CacheShape: Hashable {
  /// Heads with keys of their own.
  var headCount: Int
  /// Dimensions of a key.
  var keyDim: Int
  /// Dimensions of a value.
  var valueDim: Int
  /// Values are the first dimensions of keys, and not kept besides.
  var keysHoldValues: Bool
  /// The most positions that a token sees; `nil` for all before it.
  var window: Int?

  /// Keys and values of plain attention.
  init(_ attention: Attention) {
    headCount = attention.keyValueHeadCount
    keyDim = attention.headDim
    valueDim = attention.headDim
    keysHoldValues = false
    window = attention.window
  }

  /// Latent vectors, each with the rotary key behind it.
  init(_ latent: LatentAttention) {
    headCount = 1
    keyDim = latent.cachedWidth
    valueDim = latent.latentWidth
    keysHoldValues = true
  }

  /// The distance of two positions' values, in values: whole vectors of 16.
  var valueStride: Int { (valueDim + 15) / 16 * 16 }

  /// Positions in whole blocks of 16.
  private static func blocks(_ positions: Int) -> Int { (positions + 15) / 16 * 16 }

  /// The positions that a cache has room for: all of a session's, or those that a batch sees through a window and as
  /// many again as the window has, so that what is seen no more is seldom cleared away.
  func room(contextLength: Int, batchLength: Int) -> Int {
    let all = Self.blocks(contextLength)
    guard let window, window < contextLength else { return all }
    return min(all, Self.blocks(window + 16 + batchLength) + Self.blocks(window))
  }

  /// The bytes that a cache reserves; `nil` when an integer does not hold them.
  func byteCount(contextLength: Int, batchLength: Int, type: CacheType) -> Int? {
    let perPosition = headCount * (keyDim + (keysHoldValues ? 0 : valueStride)) * type.byteCount
    let (bytes, overflow) = perPosition.multipliedReportingOverflow(
      by: room(contextLength: contextLength, batchLength: batchLength))
    return overflow ? nil : bytes
  }

  /// Scratch values for the scores and results of the queries of a tile, the last of which is at place `end` - 1 of the
  /// cache.
  func scoreWidth(end: Int) -> Int { CachedAttention.mostQueries * (Self.blocks(end) + valueStride) }
}

/// The keys and values of one attention layer.
///
/// Keys lie in blocks of 16 positions, `[head][position / 16][dimension][position % 16]`, so that the scores of 16
/// positions are computed side by side; values lie `[head][position][dimension]`, padded with zeros to a
/// multiple of 16 dimensions. Where keys hold the values, there are keys alone.
///
/// With a window, whole blocks that no token will see again are cleared away when the cache is full. What is left keeps
/// its lanes, so that no sum changes.
final class KeyValueCache: @unchecked Sendable {
  let shape: CacheShape
  /// The position at the first place; a multiple of 16.
  private(set) var origin = 0
  private let room: Int
  private let isHalf: Bool
  private let keyRounding: CacheRounding?
  private let valueRounding: CacheRounding?
  private let keyStep: Int
  private let valueStep: Int
  private let keys: ZeroedMemory
  /// `nil` where keys hold the values.
  private let values: ZeroedMemory?

  /// Reserves room for the positions of a session; memory is used as positions are filled.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`, or `unsupportedType` for heads that do not hold whole blocks.
  init(_ shape: CacheShape, contextLength: Int, batchLength: Int, type: CacheType) throws {
    self.shape = shape
    isHalf = type.isHalf
    (keyRounding, valueRounding) = try type.rounding(of: shape)
    let size = type.byteCount
    room = shape.room(contextLength: contextLength, batchLength: batchLength)
    keyStep = room * shape.keyDim * size
    valueStep = room * shape.valueStride * size
    keys = try ZeroedMemory(byteCount: shape.headCount * keyStep, purpose: "the key cache")
    values =
      shape.keysHoldValues
      ? nil : try ZeroedMemory(byteCount: shape.headCount * valueStep, purpose: "the value cache")
  }

  /// Bytes reserved.
  var byteCount: Int { keys.byteCount + (values?.byteCount ?? 0) }

  /// Forgets all positions.
  func clear() { origin = 0 }

  /// Makes room for the positions of a batch, and clears away what none of its tokens sees if there is too little.
  func makeRoom(first: Int, count: Int) {
    guard first + count - origin > room, let window = shape.window else { return }
    let start = max(0, first + 1 - window) / 16 * 16
    let (moved, size) = (start - origin, isHalf ? 2 : 4)
    // Keys in whole blocks.
    let kept = (first - start + 15) / 16 * 16
    for head in 0..<shape.headCount {
      let key = keys.base + head * keyStep
      key.copyMemory(
        from: key + moved * shape.keyDim * size, byteCount: kept * shape.keyDim * size)
      guard let value = values.map({ $0.base + head * valueStep }) else { continue }
      value.copyMemory(
        from: value + moved * shape.valueStride * size, byteCount: kept * shape.valueStride * size)
    }
    origin = start
  }

  /// One head, for the kernels.
  func view(_ head: Int) -> crk_cache {
    crk_cache(
      keys: UnsafeRawPointer(keys.base + head * keyStep),
      values: values.map { UnsafeRawPointer($0.base + head * valueStep) },
      head_dim: shape.keyDim, value_dim: shape.valueDim, value_stride: shape.valueStride, half: isHalf)
  }

  /// Adds one position of one head, for which there is room.
  ///
  /// Where keys hold the values, the positions of a block of 16 are added in ascending order, and `value` is not read.
  func store(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, head: Int, position: Int, level: Int32
  ) {
    guard keyRounding != nil || valueRounding != nil else {
      put(key, value, head: head, position: position, level: level)
      return
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.keyDim + shape.valueDim) { rows in
      let keyRow = UnsafeMutableBufferPointer(rebasing: rows[..<shape.keyDim])
      let valueRow = UnsafeMutableBufferPointer(rebasing: rows[shape.keyDim...])
      _ = keyRow.update(fromContentsOf: UnsafeBufferPointer(start: key, count: keyRow.count))
      _ = valueRow.update(fromContentsOf: UnsafeBufferPointer(start: value, count: valueRow.count))
      keyRounding?.apply(keyRow)
      valueRounding?.apply(valueRow)
      guard let key = keyRow.baseAddress, let value = valueRow.baseAddress else { return }
      put(key, value, head: head, position: position, level: level)
    }
  }

  private func put(
    _ key: UnsafePointer<Float>, _ value: UnsafePointer<Float>, head: Int, position: Int, level: Int32
  ) {
    crk_store(
      level, key, value, position - origin, shape.keyDim, shape.valueStride, isHalf,
      keys.base + head * keyStep,
      values.map { $0.base + head * valueStep })
  }
}
