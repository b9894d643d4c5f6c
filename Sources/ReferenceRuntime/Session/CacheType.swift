internal import FileBytes
internal import ModelDescriptions
public import TensorTypes

/// How keys and values are kept.
///
/// The results are those of a cache of these types. Pouch keeps half precision in two bytes where both are `f16`, and
/// everything else as f32 values that have gone through the type's codes: what is measured is what a type does to
/// results, not the memory of an engine that keeps the codes.
public struct CacheType: Hashable, Sendable, CustomStringConvertible {
  /// The type of keys; of latent vectors, too, whose values are in them.
  public var key: TensorType
  /// The type of values.
  public var value: TensorType

  /// Single precision.
  public static let f32 = CacheType(key: .f32, value: .f32)
  /// Half precision.
  public static let f16 = CacheType(key: .f16, value: .f16)

  /// Creates a pair of types, of `TensorType.cacheTypes`.
  public init(key: TensorType, value: TensorType) {
    precondition(
      TensorType.cacheTypes.contains(key) && TensorType.cacheTypes.contains(value), "types that caches have")
    self.key = key
    self.value = value
  }

  /// As `-ctk` and `-ctv` name it.
  public var description: String {
    key == value ? key.name : "\(key.name) keys, \(value.name) values"
  }

  /// Whether memory holds two bytes a value.
  var isHalf: Bool { self == .f16 }

  /// Bytes of a value in memory.
  package var byteCount: Int { isHalf ? 2 : 4 }
}

extension CacheType {
  /// Makes sure that the heads of a model hold whole blocks of these types.
  ///
  /// - Throws: ``RuntimeError`` with `unsupportedType`.
  package func check(_ model: LoadedModel) throws {
    do {
      for layer in model.architecture.layers {
        switch layer.mixer {
        case .attention(let part): _ = try rounding(of: CacheShape(part))
        case .latent(let part): _ = try rounding(of: CacheShape(part))
        case .deltaNet, .shortConvolution: break
        }
      }
    } catch var error as RuntimeError {
      error.fault.file = model.source
      throw error
    }
  }

  /// What rows of keys and of values go through; `nil` where memory holds the type.
  func rounding(of shape: CacheShape) throws -> (key: CacheRounding?, value: CacheRounding?) {
    guard !isHalf else { return (nil, nil) }
    return (
      try CacheRounding(key, width: shape.keyDim, isKey: true),
      try shape.keysHoldValues ? nil : CacheRounding(value, width: shape.valueDim, isKey: false)
    )
  }
}
