internal import FileBytes
internal import Foundation
internal import TextTokenizers

/// The front matter of a checkpoint's `README.md`.
///
/// Model cards use a small part of YAML: keys with plain or quoted values, and lists of such values, one per line or
/// in brackets. That part is read here; a value of any other form is ignored.
package struct ModelCard {
  package private(set) var values: [String: Value] = [:]

  /// A value: text or a list of texts.
  package enum Value: Equatable {
    case text(String)
    case list([String])
  }

  /// Reads `README.md` of a folder; an absent or odd file gives an empty card.
  init(folder: TokenizerFolder) {
    let path = folder.path("README.md")
    let bytes = (try? ReadableFile.contents(of: path, limit: 16 << 20)) ?? []
    self.init(readme: String(decoding: bytes, as: UTF8.self))
  }

  /// Reads the text of a `README.md`.
  package init(readme: String) {
    let lines = readme.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    guard lines.first == "---" else { return }
    let body = lines.dropFirst().prefix { $0 != "---" }
      .map { $0.replacingOccurrences(of: "\t", with: "  ") }
      .filter { !$0.trimmingCharacters(in: .whitespaces).isEmpty && !$0.hasPrefix("#") }
    var index = 0
    while index < body.count {
      let line = body[index]
      index += 1
      guard !line.hasPrefix(" "), !line.hasPrefix("-"), let colon = line.range(of: ":") else { continue }
      let rest = line[colon.upperBound...]
      guard rest.isEmpty || rest.hasPrefix(" ") else { continue }
      let key = Self.plain(String(line[..<colon.lowerBound]))
      var nested: [String] = []
      while index < body.count, body[index].hasPrefix(" ") || body[index].hasPrefix("-") {
        nested.append(body[index].trimmingCharacters(in: .whitespaces))
        index += 1
      }
      if let value = Self.value(of: rest.trimmingCharacters(in: .whitespaces), nested: nested) {
        values[key] = value
      }
    }
  }

  private static func value(of text: String, nested: [String]) -> Value? {
    if text.isEmpty || text.hasPrefix("#") {
      let items = nested.filter { $0.hasPrefix("- ") }.map { plain(String($0.dropFirst(2))) }
      return items.isEmpty || items.count < nested.count ? nil : .list(items)
    }
    if [">", "|", ">-", "|-"].contains(text) {
      guard !nested.isEmpty else { return nil }
      let body = nested.joined(separator: text.hasPrefix(">") ? " " : "\n")
      return .text(text.hasSuffix("-") ? body : body + "\n")
    }
    if text.hasPrefix("["), text.hasSuffix("]") {
      return .list(
        text.dropFirst().dropLast().split(separator: ",").map {
          plain($0.trimmingCharacters(in: .whitespaces))
        })
    }
    if ["null", "~", "Null", "NULL"].contains(text) || text.hasPrefix("{") || text.hasPrefix("&") {
      return nil
    }
    return .text(plain(([text] + nested).joined(separator: " ")))
  }

  /// A scalar without its quotes or its comment.
  private static func plain(_ text: String) -> String {
    var text = text.trimmingCharacters(in: .whitespaces)
    for quote in ["\"", "'"] where text.hasPrefix(quote) {
      if let end = text.dropFirst().range(of: quote, options: .backwards) {
        return String(text[text.index(after: text.startIndex)..<end.lowerBound])
      }
    }
    if let comment = text.range(of: " #") { text = String(text[..<comment.lowerBound]) }
    return text.trimmingCharacters(in: .whitespaces)
  }

  /// The value of a key as text.
  package func text(_ key: String) -> String? {
    if case .text(let text) = values[key] { text } else { nil }
  }

  /// The value of a key as a list; text counts as a list of one.
  package func list(_ key: String) -> [String]? {
    switch values[key] {
    case .text(let text): [text]
    case .list(let list): list
    case nil: nil
    }
  }

  /// The first of several keys that the card has, as a list.
  package func firstList(_ keys: [String]) -> [String]? {
    for key in keys where values[key] != nil { return list(key) }
    return nil
  }
}
