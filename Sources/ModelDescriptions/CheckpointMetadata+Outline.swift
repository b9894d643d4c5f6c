package import TensorTypes
package import TextTokenizers

extension CheckpointMetadata {
  /// The entries of the GGUF that a checkpoint becomes, without those of its tokenizer.
  ///
  /// For sizes of models whose tokenizer is not at hand.
  ///
  /// - Parameters:
  ///   - files: The folder, whose files need not exist; its last component is a source for names.
  ///   - config: The configuration.
  ///   - map: The tensors.
  ///   - options: Choices.
  /// - Returns: The entries, in file order.
  /// - Throws: ``DescriptionError``.
  package static func entriesWithoutVocabulary(
    files: TokenizerFolder, config: ModelConfig, map: CheckpointMap, options: Options
  ) throws -> [MetadataEntry] {
    let general = GeneralMetadata(
      files: files, name: options.modelName, outputs: map.outputs.map { ($0.name, $0.ggmlShape) })
    return try ArchitectureMetadata(map: map, config: config, fileType: options.fileType)
      .entries(around: general)
  }
}
