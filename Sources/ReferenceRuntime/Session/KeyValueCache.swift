internal import CRuntimeKernels
internal import ModelDescriptions

/// How keys and values are kept.
public enum CacheType: String, CaseIterable, Hashable, Sendable {
  case f32
  case f16

  /// Bytes of a value.
  public var byteCount: Int { self == .f16 ? 2 : 4 }
}

/// The keys and values of one attention layer.
///
/// Keys lie in blocks of 16 positions, `[head][position / 16][dimension][position % 16]`, so that the scores of 16
/// positions are computed side by side; values lie `[head][position][dimension]`, padded with zeros to a
/// multiple of 16 dimensions.
final class KeyValueCache: @unchecked Sendable {
  let headCount: Int
  let headDim: Int
  /// Values per position and head, padding included.
  let valueStride: Int
  private let isHalf: Bool
  private let keyStep: Int
  private let valueStep: Int
  private let keys: ZeroedMemory
  private let values: ZeroedMemory

  /// The distance of two positions' values, in values: whole vectors of 16.
  static func valueStride(_ shape: Attention) -> Int { (shape.headDim + 15) / 16 * 16 }

  /// The positions that a cache for `capacity` has room for.
  private static func positions(_ capacity: Int) -> Int { (capacity + 15) / 16 * 16 }

  /// The bytes that a cache reserves; `nil` when an integer does not hold them.
  static func byteCount(_ shape: Attention, capacity: Int, type: CacheType) -> Int? {
    let perPosition = shape.keyValueHeadCount * (shape.headDim + valueStride(shape)) * type.byteCount
    let (bytes, overflow) = perPosition.multipliedReportingOverflow(by: positions(capacity))
    return overflow ? nil : bytes
  }

  /// Reserves room for `capacity` positions; memory is used as positions are filled.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ shape: Attention, capacity: Int, type: CacheType) throws {
    headCount = shape.keyValueHeadCount
    headDim = shape.headDim
    valueStride = Self.valueStride(shape)
    isHalf = type == .f16
    let size = type.byteCount
    let positions = Self.positions(capacity)
    keyStep = positions * headDim * size
    valueStep = positions * valueStride * size
    keys = try ZeroedMemory(byteCount: headCount * keyStep, purpose: "the key cache")
    values = try ZeroedMemory(byteCount: headCount * valueStep, purpose: "the value cache")
  }

  /// Bytes reserved.
  var byteCount: Int { keys.byteCount + values.byteCount }

  /// One head, for the kernels.
  func view(_ head: Int) -> crk_cache {
    crk_cache(
      keys: UnsafeRawPointer(keys.base + head * keyStep),
      values: UnsafeRawPointer(values.base + head * valueStep),
      head_dim: headDim, value_stride: valueStride, half: isHalf)
  }

  /// Adds one position of one head; below the capacity, which the session checks.
  func store(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, head: Int, position: Int, level: Int32
  ) {
    crk_store(
      level, key, value, position, headDim, valueStride, isHalf, keys.base + head * keyStep,
      values.base + head * valueStep)
  }
}
