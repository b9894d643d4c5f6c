import CommandSupport
import FileBytes
import ModelEvaluation

/// Reads `NAME=DIR`: a folder with a file per prompt, `ID.svg`, `ID.txt` or `ID.md`.
enum IncludedFolder {
  /// The most bytes read of a file; the reader of drawings refuses what is longer than 64 KB anyway.
  private static let byteLimit = 1 << 20

  static func read(_ argument: String, prompts: PromptSet, labels: inout LabelMaker) throws
    -> SVGResults.Included
  {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw UsageError("--include", expected: "NAME=DIR", found: "\"\(argument)\"")
    }
    guard FileSystem.kind(of: parts[1]) == .folder else {
      throw FileError(
        .notFound, Fault(file: parts[1], expected: "a folder of drawings", found: "no such folder"))
    }
    var drawings: [String: String] = [:]
    for prompt in prompts.prompts {
      for ending in ["svg", "txt", "md"] where drawings[prompt.id] == nil {
        let path = "\(parts[1])/\(prompt.id).\(ending)"
        guard FileSystem.kind(of: path) == .file else { continue }
        let file = try ReadableFile(path: path)
        let bytes = try file.bytes(at: 0, count: min(file.byteCount, byteLimit))
        drawings[prompt.id] = String(decoding: bytes, as: UTF8.self)
      }
    }
    guard let first = prompts.prompts.first, !drawings.isEmpty else {
      throw FileError(
        .notFound,
        Fault(
          file: parts[1], expected: "files named after prompts, such as \(prompts.prompts[0].id).svg",
          found: "none"))
    }
    if drawings.count < prompts.prompts.count {
      Standard.error(
        "note: \(parts[1]) has drawings for \(drawings.count) of \(prompts.prompts.count) prompts "
          + "(\(first.id).svg and so on)")
    }
    return SVGResults.Included(label: labels.label(parts[0]), source: parts[1], drawings: drawings)
  }
}
