internal import FileBytes
internal import Foundation

/// The pictures of the card that is replaced, as far as that card shows them and they have names that a card gives.
struct OldPictures {
  private let names: [String]

  /// Reads a card that is about to be replaced; none, or another file, has no pictures.
  init(card path: String) {
    let bytes = (try? ReadableFile.contents(of: path, limit: 16 << 20)) ?? []
    let text = String(decoding: bytes, as: UTF8.self)
    names = text.matches(of: /\]\((card\/(?:size-divergence\.svg|drawings\/[^()\/\s]+\.png))\)/).compactMap {
      String($0.output.1).removingPercentEncoding
    }.filter { name in
      // A name that was encoded must not lead elsewhere.
      name.split(separator: "/", omittingEmptySubsequences: false).count
        == (name.hasPrefix("card/drawings/") ? 3 : 2) && !name.contains("\0")
    }
  }

  /// Removes those that the new card does not have, and folders that are empty then.
  func remove(in folder: String, except kept: Set<String>) {
    let old = names.filter { !kept.contains($0) }
    guard !old.isEmpty else { return }
    for name in old { FileSystem.remove("\(folder)/\(name)") }
    FileSystem.removeFolder("\(folder)/card/drawings")
    FileSystem.removeFolder("\(folder)/card")
  }
}
