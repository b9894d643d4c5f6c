extension ModelFamily {
  /// A key, or keys that belong together, which not all architectures have in a GGUF.
  ///
  /// A family lists its own in the order in which llama.cpp's converter writes them, after the file type.
  enum OwnKey: Hashable, Sendable {
    case vocabularySize
    case rotaryDimensions
    /// The type of rotary scaling, which is none.
    case noRotaryScaling
    case expertWidth, sharedExpertWidth, sharedExpertCount
    /// How many of the first layers are dense.
    case leadingDense
    /// What makes probabilities of scores.
    case scoring
    case expertScale
    /// Whether the chosen experts' weights are divided by their sum; some write it when it is so alone.
    case expertSum(isWrittenAlways: Bool)
    /// The widths of latent attention.
    case latentWidths
    /// The rotary embedding of latent attention.
    case latentRotation
    /// Gated delta nets, and which layers have them.
    case deltaNet
    /// How many layers take features of pictures.
    case deepstack
    /// The blocks for next-token prediction; some say that there are none, where the configuration does.
    case nextToken(saysNone: Bool = false)
  }
}
