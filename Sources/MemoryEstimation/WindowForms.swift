internal import ModelDescriptions

/// What a model with windows takes in llama.cpp with either form of their caches.
public struct WindowForms: Codable, Hashable, Sendable {
  /// The most tokens that a layer with a window attends to.
  public var windowLength: Int
  /// Layers with a window.
  public var layers: Int
  /// Bytes of their keys and values where caches hold what the window reaches, as llama.cpp's tools keep them.
  public var windowedCacheBytes: Int
  /// All memory with that form.
  public var windowedTotalBytes: Int
  /// Bytes of their keys and values where caches hold every position (`--swa-full`), as programs on llama.cpp's C API
  /// have it unless they say otherwise.
  public var fullCacheBytes: Int
  /// All memory with that form.
  public var fullTotalBytes: Int
}

extension PricedModel {
  /// Both forms of the caches of layers with a window.
  ///
  /// - Parameter options: How the model is run; which form it asks for does not matter.
  /// - Returns: Their sizes; `nil` for models whose layers share one cache in llama.cpp.
  /// - Throws: ``EstimationError``.
  package func windowForms(_ options: RunOptions) throws -> WindowForms? {
    func run(full: Bool) -> LlamaMemory {
      var options = options
      options.keepsFullWindows = full
      return LlamaMemory(priced: self, options: options)
    }
    let (windowed, full) = (run(full: false), run(full: true))
    guard let window = windowed.window else { return nil }
    return WindowForms(
      windowLength: window, layers: model.attentionLayers.count { $0.attention.window != nil },
      windowedCacheBytes: try windowed.caches.windowByteCount(),
      windowedTotalBytes: try windowed.breakdown().totalBytes,
      fullCacheBytes: try full.caches.windowByteCount(), fullTotalBytes: try full.breakdown().totalBytes)
  }
}
