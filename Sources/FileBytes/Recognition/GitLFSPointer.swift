/// The small text that Git LFS leaves in place of a large file whose content was not fetched.
///
/// A pointer has at most 1,023 bytes: a line `version https://git-lfs.github.com/spec/v1`, then keys with values,
/// among them `oid sha256:…` and `size …`. Model hubs store weights and tokenizers so, and a clone without LFS holds
/// nothing else.
package struct GitLFSPointer: Hashable, Sendable {
  /// The size of the content in bytes; `nil` when the pointer does not say.
  package var contentByteCount: Int?
  /// The hash of the content, such as `sha256:4665…`; `nil` when the pointer does not say.
  package var contentHash: String?

  /// Files of this size or more are no pointers.
  static let sizeLimit = 1024
  private static let openings = [
    "version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/",
  ]
  /// The bytes that tell a pointer from other files.
  static let openingByteCount = 39

  /// Reads a pointer; `nil` when `bytes`, the whole of a file, are none.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count < Self.sizeLimit, Self.openings.contains(where: { bytes.starts(with: $0.utf8) }) else {
      return nil
    }
    for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2 else { continue }
      if parts[0] == "size" { contentByteCount = Int(parts[1]) }
      if parts[0] == "oid" { contentHash = String(parts[1]) }
    }
  }

  /// The refusal of a file that is a pointer.
  func error(file: String) -> FileError {
    let size = contentByteCount.map { " to \($0) bytes" } ?? ""
    return FileError(
      .lfsPointer,
      Fault(
        file: file, expected: "the file itself",
        found: "a Git LFS pointer\(size): the content was never fetched",
        remedy: "run git lfs pull in its folder, or download the file again"))
  }
}
