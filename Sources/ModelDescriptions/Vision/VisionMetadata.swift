package import TensorTypes
package import TextTokenizers

/// All metadata of the `mmproj` file that a vision tower becomes.
package struct VisionMetadata: Sendable {
  /// The entries, in the order and with the types of llama.cpp's converter.
  package var entries: [MetadataEntry]

  /// Collects the entries.
  ///
  /// - Parameters:
  ///   - files: The folder of the checkpoint.
  ///   - tower: The tower.
  ///   - outputs: Its tensors, which the size label is computed from.
  ///   - fileType: The value of `general.file_type`.
  ///   - modelName: A name for `general.name` instead of the one found.
  package init(
    files: TokenizerFolder, tower: VisionTower, outputs: [OutputTensor], fileType: UInt32, modelName: String?
  ) {
    let general = GeneralMetadata(
      files: files, name: modelName, outputs: outputs.map { ($0.name, $0.ggmlShape) })
    entries = tower.entries(general, fileType: fileType)
  }

  /// The name that llama.cpp's converter gives the file: `mmproj-Qwen3.5-F16.gguf`.
  ///
  /// - Parameter typeName: The type.
  /// - Returns: The name.
  package func fileName(typeName: String) -> String {
    func text(_ key: String) -> String? {
      entries.first { $0.key == "general." + key }?.value.text?.trimmingSpaces.replacing(" ", with: "-")
    }
    let name = (text("basename") ?? text("name") ?? "ggml-model").replacing("/", with: "-")
    let parts = [name] + [text("finetune"), text("version"), typeName].compactMap(\.self)
    return "mmproj-" + parts.joined(separator: "-").replacing("/", with: "-") + ".gguf"
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    let inner = drop(while: \.isWhitespace)
    return String(inner.prefix(inner.count - inner.reversed().prefix(while: \.isWhitespace).count))
  }
}
