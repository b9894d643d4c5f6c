package import TensorTypes
package import TextTokenizers

/// All metadata of the GGUF that a checkpoint becomes.
package struct CheckpointMetadata: Sendable {
  /// Choices.
  package struct Options: Hashable, Sendable {
    /// The value of `general.file_type`, such as 1 for F16 and 32 for BF16.
    package var fileType: UInt32
    /// A name for `general.name` instead of the one found.
    package var modelName: String?
    /// A name for `tokenizer.ggml.pre`, used without looking at the tokenizer's splitting rule.
    package var preOverride: String?

    /// Creates options.
    package init(fileType: UInt32, modelName: String? = nil, preOverride: String? = nil) {
      self.fileType = fileType
      self.modelName = modelName
      self.preOverride = preOverride
    }
  }

  /// The entries, in the order and with the types of llama.cpp's converter.
  package var entries: [MetadataEntry]
  /// The number of tokens of the vocabulary.
  package var tokenCount: Int
  /// What the user should know about the tokenizer, one sentence each.
  package var notes: [String]

  /// Collects the entries from the files of a checkpoint folder.
  ///
  /// - Parameters:
  ///   - folder: The folder as the user gave it; its last component is a source for names.
  ///   - config: The configuration.
  ///   - map: The tensors, which the size label is computed from.
  ///   - options: Choices.
  /// - Throws: `TokenizerError`, `FileError` or ``DescriptionError``.
  package init(folder: String, config: ModelConfig, map: CheckpointMap, options: Options) throws {
    try self.init(files: try TokenizerFolder(folder), config: config, map: map, options: options)
  }

  /// Collects the entries from files already read; the other initializer explains the parameters.
  package init(
    files: TokenizerFolder, config: ModelConfig, map: CheckpointMap, options: Options
  ) throws {
    let general = GeneralMetadata(
      files: files, name: options.modelName, outputs: map.outputs.map { ($0.name, $0.ggmlShape) })
    let architecture = try ArchitectureMetadata(map: map, config: config, fileType: options.fileType)
    let vocabulary = try VocabularyMetadata(
      files: files, style: map.family.vocabularyStyle, vocabularySize: map.model.vocabularySize,
      preOverride: options.preOverride)
    entries = architecture.entries(around: general) + vocabulary.entries
    tokenCount = vocabulary.tokenCount
    notes = vocabulary.notes
  }
}
