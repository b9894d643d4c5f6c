/// A model on a hub as people write it: `org/name`, `org/name@revision`, with or without `hf://` before it.
package struct HubName: Hashable, Sendable, CustomStringConvertible {
  /// `org/name`.
  package let repository: String
  /// A branch, a tag or a commit; `main` unless another is named.
  package let revision: String

  /// Reads a name; `nil` for a text that is none, or that is meant as a path.
  ///
  /// Without `hf://`, a text whose first part is something here, or that ends as files do, is a path.
  package init?(_ text: String) {
    let scheme = "hf://"
    let isMarked = text.hasPrefix(scheme)
    let parts = (isMarked ? text.dropFirst(scheme.count) : text[...]).split(
      separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = parts[0].split(separator: "/", omittingEmptySubsequences: false)
    guard names.count == 2, names.allSatisfy(Self.isPlain) else { return nil }
    if parts.count == 2 {
      let pieces = parts[1].split(separator: "/", omittingEmptySubsequences: false)
      guard pieces.allSatisfy(Self.isPlain) else { return nil }
    }
    let isPath =
      FileSystem.kind(of: String(names[0])) != .missing || Self.fileEndings.contains(where: text.hasSuffix)
    guard isMarked || !isPath else { return nil }
    repository = String(parts[0])
    revision = parts.count == 2 ? String(parts[1]) : "main"
  }

  private static let fileEndings = [".gguf", ".json", ".safetensors", ".yaml", ".txt", ".jsonl"]

  private static func isPlain(_ part: Substring) -> Bool {
    guard let first = part.unicodeScalars.first, first != ".", first != "~" else { return false }
    return part.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains($0))
    }
  }

  /// `org/name`, with the revision where that is not `main`.
  package var description: String { revision == "main" ? repository : "\(repository)@\(revision)" }

  /// The command that fetches it with the hub's own program, into the cache.
  package var fetchCommand: String {
    "hf download \(repository)" + (revision == "main" ? "" : " --revision \(revision)")
  }
}
