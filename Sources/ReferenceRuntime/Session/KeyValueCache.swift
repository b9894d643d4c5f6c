internal import CRuntimeKernels
internal import ModelDescriptions

/// How keys and values are kept.
public enum CacheType: String, CaseIterable, Hashable, Sendable {
  case f32
  case f16

  /// Bytes of a value.
  public var byteCount: Int { self == .f16 ? 2 : 4 }
}

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

  /// Keys and values of plain attention.
  init(_ attention: Attention) {
    headCount = attention.keyValueHeadCount
    keyDim = attention.headDim
    valueDim = attention.headDim
    keysHoldValues = false
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

  /// The positions that a cache for `capacity` has room for.
  fileprivate static func positions(_ capacity: Int) -> Int { (capacity + 15) / 16 * 16 }

  /// The bytes that a cache reserves; `nil` when an integer does not hold them.
  func byteCount(capacity: Int, type: CacheType) -> Int? {
    let perPosition = headCount * (keyDim + (keysHoldValues ? 0 : valueStride)) * type.byteCount
    let (bytes, overflow) = perPosition.multipliedReportingOverflow(by: Self.positions(capacity))
    return overflow ? nil : bytes
  }

  /// Scratch values for the scores and results of four queries, the last of which is at position `end` - 1.
  func scoreWidth(end: Int) -> Int { 4 * Self.positions(end) + 4 * valueStride }
}

/// The keys and values of one attention layer.
///
/// Keys lie in blocks of 16 positions, `[head][position / 16][dimension][position % 16]`, so that the scores of 16
/// positions are computed side by side; values lie `[head][position][dimension]`, padded with zeros to a
/// multiple of 16 dimensions. Where keys hold the values, there are keys alone.
final class KeyValueCache: @unchecked Sendable {
  let shape: CacheShape
  private let isHalf: Bool
  private let keyStep: Int
  private let valueStep: Int
  private let keys: ZeroedMemory
  /// `nil` where keys hold the values.
  private let values: ZeroedMemory?

  /// Reserves room for `capacity` positions; memory is used as positions are filled.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ shape: CacheShape, capacity: Int, type: CacheType) throws {
    self.shape = shape
    isHalf = type == .f16
    let size = type.byteCount
    let positions = CacheShape.positions(capacity)
    keyStep = positions * shape.keyDim * size
    valueStep = positions * shape.valueStride * size
    keys = try ZeroedMemory(byteCount: shape.headCount * keyStep, purpose: "the key cache")
    values =
      shape.keysHoldValues
      ? nil : try ZeroedMemory(byteCount: shape.headCount * valueStep, purpose: "the value cache")
  }

  /// Bytes reserved.
  var byteCount: Int { keys.byteCount + (values?.byteCount ?? 0) }

  /// One head, for the kernels.
  func view(_ head: Int) -> crk_cache {
    crk_cache(
      keys: UnsafeRawPointer(keys.base + head * keyStep),
      values: values.map { UnsafeRawPointer($0.base + head * valueStep) },
      head_dim: shape.keyDim, value_dim: shape.valueDim, value_stride: shape.valueStride, half: isHalf)
  }

  /// Adds one position of one head; below the capacity, which the session checks.
  ///
  /// Where keys hold the values, the positions of a block of 16 are added in ascending order, and `value` is not read.
  func store(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, head: Int, position: Int, level: Int32
  ) {
    crk_store(
      level, key, value, position, shape.keyDim, shape.valueStride, isHalf, keys.base + head * keyStep,
      values.map { $0.base + head * valueStep })
  }
}
