/// Says what a path is that was given as a model and is none, or not one of the kind that is wanted.
///
/// Names, first bytes and small texts are looked at, nothing else; all commands refuse with the same words.
package struct SourceRecognition: Hashable, Sendable {
  /// What a command takes.
  package enum Wanted: Hashable, Sendable {
    /// A folder with `config.json` and safetensors files.
    case checkpoint
    /// A GGUF file.
    case gguf
    /// Either.
    case model

    var expected: String {
      switch self {
      case .checkpoint: "a checkpoint folder with config.json and .safetensors files"
      case .gguf: "a GGUF file"
      case .model: "a GGUF file, or a checkpoint folder with config.json and .safetensors files"
      }
    }
  }

  /// What is there, as the end of a sentence.
  package var found: String
  /// What to do; empty when nothing is known.
  package var remedy: String

  /// The refusal of `path`, whatever is there.
  ///
  /// - Parameters:
  ///   - path: As the user gave it.
  ///   - wanted: What the command takes.
  /// - Returns: The error, to be thrown; a Git LFS pointer is refused as such.
  package static func refusal(of path: String, wanted: Wanted) -> FileError {
    let seen: SourceRecognition
    let code: FileError.Code
    switch FileSystem.kind(of: path) {
    case .missing: (code, seen) = (.notFound, missing(path))
    case .folder: (code, seen) = (.notAModel, folder(path, wanted: wanted))
    case .other: (code, seen) = (.notAFile, SourceRecognition(found: "a pipe, socket or device", remedy: ""))
    case .file:
      // A pointer says so itself.
      do { _ = try ReadableFile(path: path) } catch let error as FileError { return error } catch {}
      (code, seen) = (.notAModel, file(path, wanted: wanted))
    }
    return FileError(
      code, Fault(file: path, expected: wanted.expected, found: seen.found, remedy: seen.remedy))
  }

  /// Refuses what is no regular file at `path`, saying what it is.
  ///
  /// - Throws: ``FileError`` with `notFound`, `notAModel` or `notAFile`.
  package static func requireGGUF(at path: String) throws {
    guard FileSystem.kind(of: path) != .file else { return }
    throw refusal(of: path, wanted: .gguf)
  }

  /// Refuses a folder without `config.json`, saying what it is.
  ///
  /// - Throws: ``FileError`` with `notAModel`.
  package static func requireConfig(in folder: String, wanted: Wanted = .model) throws {
    guard FileSystem.kind(of: folder + "/config.json") == .missing else { return }
    throw refusal(of: folder, wanted: wanted)
  }

  /// Says what is known of a name that is nothing in the file system.
  static func missing(_ path: String) -> SourceRecognition {
    if let model = hubModel(path) { return model }
    let folder = FileSystem.folder(of: path)
    let hasFolder = FileSystem.kind(of: folder) == .folder
    return SourceRecognition(
      found: "nothing of that name", remedy: hasFolder ? "" : "there is no folder \(folder)")
  }

  /// Says how to get a model that was named as hubs name it, `org/name`; `nil` for other texts.
  package static func hubModel(_ text: String) -> SourceRecognition? {
    guard let name = HubName(text) else { return nil }
    return SourceRecognition(
      found:
        "nothing of that name; it looks like a model's id on a hub that is not in the Hugging Face cache, and "
        + "this command downloads nothing",
      remedy: "fetch it with: \(name.fetchCommand)")
  }

  /// Says what a file is that is not of the kind wanted.
  package static func file(_ path: String, wanted: Wanted) -> SourceRecognition {
    let name = FileSystem.name(of: path)
    let folder = FileSystem.folder(of: path)
    if name == "config.json" || name == "model.safetensors.index.json" {
      return SourceRecognition(found: "one file of a checkpoint", remedy: "give its folder, \(folder)")
    }
    guard let content = FileContent.ofFile(path) else {
      return SourceRecognition(found: "a file of an unknown kind", remedy: "")
    }
    switch content.kind {
    case .gguf: return SourceRecognition(found: content.name, remedy: "pouch-quantize takes GGUF files")
    case .safetensors where wanted != .gguf:
      return SourceRecognition(
        found: "one file of weights, without its config.json", remedy: "give its folder, \(folder)")
    default: return SourceRecognition(found: content.name, remedy: content.remedy)
    }
  }
}
