internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

extension DecoderShape {
  /// Reads the metadata of a GGUF file.
  ///
  /// - Parameters:
  ///   - metadata: All entries.
  ///   - embeddingShape: The shape of `token_embd.weight`, fastest dimension first.
  ///   - file: The name for messages.
  /// - Throws: ``RuntimeError`` with `unsupportedArchitecture`, `badMetadata` or `wrongShape`.
  init(metadata: [MetadataEntry], embeddingShape: [Int], file: String) throws {
    let model: HyperParameters
    do {
      model = try HyperParameters(
        metadata: metadata, embeddingRows: embeddingShape.dropFirst().first ?? 0, file: file)
    } catch let error as DescriptionError {
      let isUnknown = error.code == .notSupported && error.fault.subject == "general.architecture"
      throw RuntimeError(isUnknown ? .unsupportedArchitecture : .badMetadata, error.fault)
    }
    guard embeddingShape.count == 2, embeddingShape[0] == model.hiddenSize, embeddingShape[1] > 0 else {
      throw RuntimeError(
        .wrongShape,
        Fault(
          file: file, subject: "token_embd.weight", expected: "shape [\(model.hiddenSize), vocabulary]",
          found: "\(embeddingShape)"))
    }
    let architecture = metadata.first { $0.key == "general.architecture" }?.value.text ?? ""
    let groupKey = architecture + ".expert_group_count"
    if let groups = metadata.first(where: { $0.key == groupKey })?.value.integer, groups > 1 {
      throw RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: groupKey, expected: "1 or no such key", found: "\(groups)",
          remedy: "choosing groups of experts is not supported yet"))
    }
    try self.init(
      model, architecture: architecture, file: file, causalKey: architecture + ".attention.causal")
  }
}
