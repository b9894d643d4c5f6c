internal import ModelDescriptions

/// What a layer carries from batch to batch.
enum LayerState {
  case attention(KeyValueCache)
  case deltaNet(DeltaNetState)
  case shortConvolution(ShortConvolutionState)

  /// The shape of a state: layers of one shape can use one state in turn.
  enum Shape: Hashable {
    case attention(CacheShape)
    case deltaNet(GatedDeltaNet)
    case shortConvolution(ShortConvolution)

    init(_ mixer: Mixer) {
      switch mixer {
      case .attention(let part): self = .attention(CacheShape(part))
      case .latent(let part): self = .attention(CacheShape(part))
      case .deltaNet(let net): self = .deltaNet(net)
      case .shortConvolution(let part): self = .shortConvolution(part)
      }
    }

    /// The bytes that a state reserves; `nil` when an integer does not hold them.
    func byteCount(contextLength: Int, batchLength: Int, type: CacheType) -> Int? {
      switch self {
      case .attention(let shape):
        shape.byteCount(contextLength: contextLength, batchLength: batchLength, type: type)
      case .deltaNet(let net): DeltaNetState.byteCount(net)
      case .shortConvolution(let part): ShortConvolutionState.byteCount(part)
      }
    }
  }

  /// Makes an empty state for a session.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ shape: Shape, contextLength: Int, batchLength: Int, type: CacheType) throws {
    switch shape {
    case .attention(let shape):
      self = .attention(
        try KeyValueCache(shape, contextLength: contextLength, batchLength: batchLength, type: type))
    case .deltaNet(let net): self = .deltaNet(try DeltaNetState(net))
    case .shortConvolution(let part): self = .shortConvolution(try ShortConvolutionState(part))
    }
  }

  /// The cache of an attention layer.
  var cache: KeyValueCache {
    guard case .attention(let cache) = self else { preconditionFailure(Self.mismatch) }
    return cache
  }

  /// The state of a gated delta net.
  var deltaNetState: DeltaNetState {
    guard case .deltaNet(let state) = self else { preconditionFailure(Self.mismatch) }
    return state
  }

  /// The state of a short convolution.
  var convolutionState: ShortConvolutionState {
    guard case .shortConvolution(let state) = self else { preconditionFailure(Self.mismatch) }
    return state
  }

  private static let mismatch = "layer states are made for the layers"

  /// Bytes reserved.
  var byteCount: Int {
    switch self {
    case .attention(let cache): cache.byteCount
    case .deltaNet(let state): state.byteCount
    case .shortConvolution(let state): state.byteCount
    }
  }

  /// Forgets what is not overwritten by positions from 0 on.
  func clear() {
    switch self {
    case .attention(let cache): cache.clear()
    case .deltaNet(let state): state.clear()
    case .shortConvolution(let state): state.clear()
    }
  }
}
