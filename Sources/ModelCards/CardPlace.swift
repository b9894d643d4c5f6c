internal import FileBytes
internal import Foundation
internal import GGUFFormat

/// Where a card may be written: never over what it is made of, nor over what is no Markdown.
struct CardPlace {
  private let path: String
  private static let byteLimit = 16 << 20

  init(_ path: String) { self.path = path }

  /// Makes sure that the card can be written, before any work is done for it.
  ///
  /// - Throws: `FileError`, ``CardError`` with `isInput` or `notMarkdown`.
  func check(_ request: QuantizedCard.Request, replaces: Bool) throws {
    try OutputPlace.check(path, subject: "\(.cardName)", replaces: replaces)
    if !replaces, FileSystem.kind(of: path) == .missing, Self.isLink(path) {
      throw FileError(
        .alreadyExists,
        Fault(
          file: path, subject: "\(.cardName)", expected: "no file of this name", found: "a link to nothing",
          remedy: "replace it with \(.overwrites), or choose another name"))
    }
    let folder = FileSystem.folder(of: path) + "/card"
    let kind = FileSystem.kind(of: folder)
    guard kind == .folder || kind == .missing && !Self.isLink(folder) else {
      throw FileError(
        .alreadyExists,
        Fault(
          file: folder, subject: "\(.cardName)", expected: "a folder, or nothing, for chart and drawings",
          found: "something else"))
    }
    let place = Self.place(of: path)
    if let input = Self.inputs(request).first(where: { Self.place(of: $0) == place }) {
      throw CardError(
        .isInput,
        Fault(
          file: path, subject: "\(.cardName)", expected: "another file than those that the card is made of",
          found: "\(input)", remedy: "choose another name, such as README.md"))
    }
    try checkKind()
  }

  /// What the user should know of files that lie elsewhere.
  func notices(_ request: QuantizedCard.Request) -> [String] {
    let folder = FileSystem.resolved(FileSystem.folder(of: path))
    let others = request.files.filter { FileSystem.resolved(FileSystem.folder(of: Self.plain($0))) != folder }
    guard !others.isEmpty else { return [] }
    return [
      "\(path) leads to files by their names, so that they belong beside it: "
        + others.joined(separator: ", ")
    ]
  }

  // MARK: - Inputs

  private static func inputs(_ request: QuantizedCard.Request) -> [String] {
    var paths = request.results
    for file in request.files {
      if FileSystem.kind(of: file) == .folder {
        // A folder for MLX has a card of its own, which is not read.
        paths += contents(file).filter { FileSystem.name(of: $0) != "README.md" }
      } else {
        paths.append(file)
        paths += (try? GGUFSplitSet(path: file, requireData: false))?.files.map(\.file.path) ?? []
      }
    }
    if let checkpoint = request.checkpoint { paths += contents(checkpoint) }
    return paths
  }

  private static func contents(_ folder: String) -> [String] {
    FileSystem.contents(of: folder).sorted().map { "\(folder)/\($0)" }
  }

  /// A path with links resolved; of a file that does not exist, the folder's.
  private static func place(of path: String) -> String {
    guard FileSystem.kind(of: path) == .missing else { return FileSystem.resolved(path) }
    return FileSystem.resolved(FileSystem.folder(of: path)) + "/" + FileSystem.name(of: path)
  }

  private static func plain(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  private static func isLink(_ path: String) -> Bool {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
  }

  // MARK: - What is there

  private static let endings = [".gguf", ".safetensors", ".json", ".jsonl", ".zst"]

  /// Refuses names of other formats, and existing files that are no text or JSON.
  private func checkKind() throws {
    func refusal(_ found: Wording) -> CardError {
      CardError(
        .notMarkdown,
        Fault(
          file: path, subject: "\(.cardName)", expected: "a Markdown file", found: found,
          remedy: "choose another name, such as README.md"))
    }
    if let ending = Self.endings.first(where: { path.lowercased().hasSuffix($0) }) {
      throw refusal("a name that ends in \(ending)")
    }
    guard FileSystem.isFile(path) else { return }
    guard try ReadableFile(path: path).byteCount <= Self.byteLimit else { throw refusal("a large file") }
    let bytes = try ReadableFile.contents(of: path, limit: Self.byteLimit)
    guard String(validating: bytes, as: UTF8.self) != nil,
      !bytes.contains(where: { $0 < 32 && ![9, 10, 12, 13].contains($0) })
    else { throw refusal("a file that is no text") }
    switch try? JSONValue(parsing: bytes, file: path) {
    case .object, .array: throw refusal("JSON")
    default: break
    }
  }
}
