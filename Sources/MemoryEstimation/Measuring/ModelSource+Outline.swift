internal import CheckpointConversion
internal import FileBytes
package import GGUFFormat
internal import ModelDescriptions
package import ReferenceRuntime
internal import SafetensorsFormat
internal import ZstdStreams

extension ModelSource {
  /// The model as the runtime would open it, without its weights.
  ///
  /// - Throws: The errors of the readers; `RuntimeError` for a model that Pouch cannot run.
  package func outline() throws -> ModelOutline {
    switch kind {
    case .gguf(let set): return try ModelOutline(set, source: name)
    case .checkpoint(let folder):
      return try ModelOutline(try Self.headers(of: folder), config: try ModelConfig(folder: folder))
    case .outline(let outline, _):
      // Places in shards are known where their headers are.
      if FileSystem.kind(of: name) == .folder, let checkpoint = try? Self.headers(of: name) {
        return try ModelOutline(checkpoint, config: outline.config)
      }
      return try ModelOutline(
        SafetensorsCheckpoint(outline: outline.tensors, name: name, choices: outline.choices),
        config: outline.config, tensorsAreExpected: outline.tensorsAreExpected)
    }
  }

  private static func headers(of folder: String) throws -> SafetensorsCheckpoint {
    try SafetensorsCheckpoint(
      folder: folder, requireData: false, decompressor: { try ZstdReader(path: $0) })
  }

  /// A file of weights whose reading can be timed; `nil` where none is at hand.
  var weightFile: String? {
    switch kind {
    case .gguf(let set): return set.files.max { $0.file.byteCount < $1.file.byteCount }?.file.path
    case .checkpoint, .outline:
      guard FileSystem.kind(of: name) == .folder, let checkpoint = try? Self.headers(of: name) else {
        return nil
      }
      return checkpoint.shards.max { $0.storedByteCount < $1.storedByteCount }?.path
    }
  }
}

extension PricedTensor {
  /// The tensor as a header would describe it.
  package var info: GGUFTensorInfo {
    GGUFTensorInfo(name: name, type: type, ggmlShape: ggmlShape, offset: 0, byteCount: byteCount)
  }
}
