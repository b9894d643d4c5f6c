public import CheckpointConversion
internal import FileBytes

/// A model in the file system: a ``Checkpoint`` or a ``GGUFModel``.
public protocol ModelOnDisk: Sendable {
  /// The folder, or the file; of a split file the first shard.
  var path: String { get }
}

extension ModelOnDisk {
  /// Reads headers alone: metadata, tensors, totals by type and role, parameters in all and per token.
  ///
  /// - Parameter wholeValues: Whether arrays and long texts among the metadata are given whole.
  /// - Returns: What the headers say.
  /// - Throws: Errors of the readers.
  public func inspect(wholeValues: Bool = false) throws -> ModelInspection {
    try ModelInspection(source: path, wholeValues: wholeValues)
  }
}

/// A folder with `config.json`, safetensors files and a tokenizer, as published on the Hugging Face Hub.
public struct Checkpoint: ModelOnDisk, Hashable {
  /// The folder.
  public let path: String

  /// Names a checkpoint; its weights are looked at by what is done with it.
  ///
  /// - Throws: `FileError` for anything but a folder with a `config.json`, saying what is there.
  public init(at path: String) throws {
    guard FileSystem.kind(of: path) == .folder else {
      throw SourceRecognition.refusal(of: path, wanted: .checkpoint)
    }
    try SourceRecognition.requireConfig(in: path, wanted: .checkpoint)
    self.path = path
  }
}

/// A GGUF file, or a set of shards, named by the first one.
public struct GGUFModel: ModelOnDisk, Hashable {
  /// The file.
  public let path: String

  /// Names a file, whose content may be broken: ``Validation`` says so.
  ///
  /// - Throws: `FileError` where there is no file.
  public init(at path: String) throws {
    try SourceRecognition.requireGGUF(at: path)
    self.path = path
  }
}
