public import TensorTypes

extension SamplingOptions {
  /// The values that a model recommends under `general.sampling.*`, over llama.cpp's defaults.
  public init(metadata: [MetadataEntry]) {
    self.init()
    for entry in metadata {
      switch (entry.key, entry.value) {
      case ("general.sampling.temp", .float32(let value)): temperature = value
      case ("general.sampling.top_p", .float32(let value)): topP = value
      case ("general.sampling.min_p", .float32(let value)): minP = value
      case ("general.sampling.penalty_repeat", .float32(let value)): repeatPenalty = value
      case ("general.sampling.top_k", let value): topK = value.integer ?? topK
      case ("general.sampling.penalty_last_n", let value): repeatLastN = value.integer ?? repeatLastN
      default: continue
      }
    }
  }
}
