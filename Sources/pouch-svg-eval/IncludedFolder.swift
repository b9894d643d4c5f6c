import CommandSupport
import FileBytes
import ModelEvaluation

/// Reads folders with a file per prompt, `ID.svg`, `ID.txt` or `ID.md`.
enum IncludedFolder {
  /// The most bytes read of a file; the reader of drawings refuses what is longer than 64 KB anyway.
  private static let byteLimit = 1 << 20

  /// Reads `NAME=DIR`.
  static func read(_ argument: String, prompts: PromptSet, labels: inout LabelMaker) throws
    -> SVGResults.Included
  {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw UsageError("--include", expected: "NAME=DIR", found: "\"\(argument)\"")
    }
    let drawings = try answers(in: parts[1], prompts: prompts)
    if let first = prompts.prompts.first, drawings.count < prompts.prompts.count {
      Standard.error(
        "note: \(parts[1]) has drawings for \(drawings.count) of \(prompts.prompts.count) prompts "
          + "(\(first.id).svg and so on)")
    }
    return SVGResults.Included(label: labels.label(parts[0]), source: parts[1], drawings: drawings)
  }

  /// Reads the files of a folder, by the prompt's id; at least one.
  static func answers(in folder: String, prompts: PromptSet) throws -> [String: String] {
    guard FileSystem.kind(of: folder) == .folder else {
      throw FileError(
        .notFound, Fault(file: folder, expected: "a folder of drawings", found: "no such folder"))
    }
    var drawings: [String: String] = [:]
    for prompt in prompts.prompts {
      for ending in ["svg", "txt", "md"] where drawings[prompt.id] == nil {
        let path = "\(folder)/\(prompt.id).\(ending)"
        guard FileSystem.kind(of: path) == .file else { continue }
        let file = try ReadableFile(path: path)
        let bytes = try file.bytes(at: 0, count: min(file.byteCount, byteLimit))
        drawings[prompt.id] = String(decoding: bytes, as: UTF8.self)
      }
    }
    guard !drawings.isEmpty else {
      throw FileError(
        .notFound,
        Fault(
          file: folder, expected: "files named after prompts, such as \(prompts.prompts[0].id).svg",
          found: "none"))
    }
    return drawings
  }
}
