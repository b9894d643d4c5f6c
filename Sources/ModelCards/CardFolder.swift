internal import FileBytes

/// The files of a card: `README.md`, and beside it a folder `card` with the chart and drawings.
package struct CardFolder: Sendable {
  private let card: QuantizedCard
  private let path: String

  /// Prepares a card for a place.
  ///
  /// - Parameters:
  ///   - card: The card.
  ///   - path: The file to write.
  package init(_ card: QuantizedCard, path: String) {
    self.card = card
    self.path = path
  }

  /// Makes sure that the card can be written, before any work is done for it.
  ///
  /// - Parameters:
  ///   - path: The file to write.
  ///   - request: What the card is made of.
  ///   - replaces: Whether an existing file may be replaced.
  /// - Returns: What the user should know of the place.
  /// - Throws: `FileError`, ``CardError`` with `isInput` or `notMarkdown`.
  package static func check(_ path: String, for request: QuantizedCard.Request, replaces: Bool) throws
    -> [String]
  {
    let place = CardPlace(path)
    try place.check(request, replaces: replaces)
    return place.notices(request)
  }

  /// The Markdown, with its front matter.
  ///
  /// - Throws: Errors of the YAML library.
  package static func markdown(_ card: QuantizedCard) throws -> String { try CardMarkdown(card).text() }

  /// Writes everything, the card last, so that it never points to what is not there; pictures that only the card before it
  /// showed are removed then.
  ///
  /// - Returns: The paths that were written.
  /// - Throws: `FileError`.
  package func write() throws -> [String] {
    let text = try Self.markdown(card)
    let folder = FileSystem.folder(of: path)
    let old = OldPictures(card: path)
    var written: [String] = []
    func put(_ name: String, _ bytes: [UInt8]) throws {
      try WritableFile.replace("\(folder)/\(name)", with: bytes)
      written.append("\(folder)/\(name)")
    }
    if card.chart != nil || !card.pictures.isEmpty { try Self.make("\(folder)/card") }
    if let chart = card.chart { try put(chart, Array(CardChart(card.files).svg.utf8)) }
    if !card.pictures.isEmpty { try Self.make("\(folder)/card/drawings") }
    for picture in card.pictures {
      try put(picture.name, try ReadableFile.contents(of: picture.source, limit: 16 << 20))
    }
    try WritableFile.replace(path, with: Array(text.utf8))
    old.remove(in: folder, except: Set(card.pictures.map(\.name) + [card.chart].compactMap(\.self)))
    return written + [path]
  }

  private static func make(_ folder: String) throws {
    if FileSystem.kind(of: folder) != .folder { try FileSystem.makeFolder(folder) }
  }
}
