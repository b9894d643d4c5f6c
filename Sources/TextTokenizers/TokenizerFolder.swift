package import FileBytes
internal import Foundation

/// The tokenizer files of a checkpoint folder, read once.
package struct TokenizerFolder: Sendable {
  /// The folder.
  package let folder: String
  /// `tokenizer.json` if it is there, else what a file of tiktoken's form or `vocab.json` and `merges.txt` amount to if they are.
  package let tokenizer: TokenizerFile?
  /// The file that ``tokenizer`` is from.
  let tokenizerPath: String
  /// `tokenizer_config.json`, if it is there; beside `vocab.json`, with the roles of `special_tokens_map.json`.
  package let tokenizerConfig: JSONValue?
  /// `config.json`, if it is there.
  package let modelConfig: JSONValue?

  /// Reads the files.
  ///
  /// - Throws: `FileError` or ``TokenizerError`` for files that are there and cannot be read.
  package init(_ folder: String) throws {
    self.folder = folder
    func json(_ name: String) throws -> JSONValue? {
      let path = Self.join(folder, name)
      return FileSystem.isEntry(path) ? try JSONValue(contentsOf: path) : nil
    }
    let path = Self.join(folder, "tokenizer.json")
    let config = try json("tokenizer_config.json")
    modelConfig = try json("config.json")
    if !FileSystem.isEntry(path), let file = try TiktokenFile(folder: { Self.join(folder, $0) }) {
      tokenizerConfig = config
      tokenizerPath = file.path
      let size = modelConfig?["vocab_size"] ?? modelConfig?["text_config"]?["vocab_size"]
      tokenizer = try file.tokenizer(config: config, vocabularySize: size?.integer)
      return
    }
    // A SentencePiece model comes before both.
    guard !FileSystem.isEntry(path), !FileSystem.isEntry(Self.join(folder, "tokenizer.model")),
      let files = VocabularyFiles(folder: folder, path: { Self.join(folder, $0) })
    else {
      tokenizer = FileSystem.isEntry(path) ? try TokenizerFile(contentsOf: path) : nil
      tokenizerPath = path
      tokenizerConfig = config
      return
    }
    let completed = VocabularyFiles.completed(config, with: try json("special_tokens_map.json"))
    tokenizerConfig = completed
    tokenizerPath = Self.join(folder, "vocab.json")
    tokenizer = try files.tokenizer(
      config: completed, added: try json("added_tokens.json"), model: modelConfig)
  }

  /// The path of a file in the folder.
  package func path(_ name: String) -> String { Self.join(folder, name) }

  private static func join(_ folder: String, _ name: String) -> String {
    folder.isEmpty ? name : folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// The text of a UTF-8 file of at most 16 MB, line ends normalised to line feeds.
  static func text(of path: String) throws -> String {
    let bytes = try ReadableFile.contents(of: path, limit: 16 << 20)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TokenizerError(.invalidValue, Fault(file: path, expected: "UTF-8 text", found: "other bytes"))
    }
    return text.replacingOccurrences(of: "\r\n", with: "\n").replacingOccurrences(of: "\r", with: "\n")
  }

  /// The merges of a `merges.txt`, one in a line; a first line that starts with `#` is a comment.
  static func merges(contentsOf path: String) throws -> [String] {
    let lines = try text(of: path).split(separator: "\n", omittingEmptySubsequences: false)
    return lines.enumerated().compactMap { index, line in
      if index == 0, line.hasPrefix("#") { return nil }
      let parts = line.split(whereSeparator: \.isWhitespace)
      return parts.count == 2 ? parts.joined(separator: " ") : nil
    }
  }

  /// The named templates under `additional_chat_templates`, sorted by name.
  func additionalTemplates() throws -> [(name: String, template: String)] {
    let extra = path("additional_chat_templates")
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: extra) else { return [] }
    return try names.filter { $0.hasSuffix(".jinja") }.sorted().map { name in
      (String(name.dropLast(6)), try Self.text(of: extra + "/" + name))
    }
  }
}

extension FileSystem {
  /// Whether there is anything but a folder at `path`: what is no regular file is refused when it is opened, not passed
  /// over.
  static func isEntry(_ path: String) -> Bool {
    switch kind(of: path) {
    case .file, .other: true
    case .missing, .folder: false
    }
  }
}
