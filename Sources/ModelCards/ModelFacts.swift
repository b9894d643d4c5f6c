internal import FileBytes
internal import MemoryEstimation
internal import ModelDescriptions

/// What all files of one model have in common.
struct ModelFacts: Hashable {
  var architecture: String
  var layers: Int
  var width: Int
  var vocabulary: Int
  var experts: Int

  init(_ model: Architecture) {
    architecture = model.name
    layers = model.layers.count
    width = model.hiddenSize
    vocabulary = model.vocabularySize
    experts = model.experts?.count ?? 0
  }

  var text: String {
    "\(architecture) with \(layers) layers of width \(width), \(vocabulary) tokens"
      + (experts > 0 ? " and \(experts) experts" : "")
  }
}

/// A file as it was read, before results are put beside it.
struct ReadFile {
  var path: String
  var card: CardFile
  /// `nil` for a vision tower.
  var facts: ModelFacts?
  var contextLength: Int?
  var parameters: Int
  var activeParameters: Int
  /// What a GGUF says of the model: name, licence, languages.
  var origin: CardOrigin
  /// Hashes of the source files, of a GGUF that was made from a checkpoint.
  var sourceHashes: [String]
}
