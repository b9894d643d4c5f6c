internal import FileBytes
internal import Yams

/// The front matter of a checkpoint's `README.md`, as far as a card takes it over.
struct CheckpointCard {
  private(set) var license: String?
  private(set) var licenseName: String?
  private(set) var licenseLink: String?
  private(set) var pipelineTag: String?
  private(set) var languages: [String] = []
  /// What was left out, and why.
  private(set) var notices: [String] = []

  private static let byteLimit = 1 << 20

  /// Reads the text of a `README.md`; one without front matter has nothing.
  ///
  /// - Parameters:
  ///   - readme: The whole file.
  ///   - file: Its name, for notices.
  init(readme: String, file: String) {
    let plain = readme.hasPrefix("\u{FEFF}") ? String(readme.dropFirst()) : readme
    let lines = plain.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    func isMark(_ line: Substring) -> Bool {
      line.hasPrefix("---") && line.dropFirst(3).allSatisfy { $0 == " " || $0 == "\t" }
    }
    guard let first = lines.first, isMark(first) else { return }
    guard let end = lines.dropFirst().firstIndex(where: isMark) else {
      notices.append("\(file): its front matter has no end, and nothing of it is carried over")
      return
    }
    let body = lines[1..<end].joined(separator: "\n")
    guard body.utf8.count <= Self.byteLimit, let root = try? Yams.compose(yaml: body),
      let mapping = root.mapping
    else {
      if !body.allSatisfy(\.isWhitespace) {
        notices.append(
          "\(file): its front matter is no YAML of keys and values, and nothing of it is carried over")
      }
      return
    }
    func leave(_ key: String, _ why: String) {
      notices.append("\(file): \(key) is \(why), and is not carried over")
    }
    func text(_ key: String) -> String? {
      guard let node = mapping[key], !Self.isNull(node) else { return nil }
      guard let text = node.scalar?.string else {
        leave(key, node.sequence == nil ? "no text" : "a list")
        return nil
      }
      guard Self.isLine(text) else {
        leave(key, "not one line of text")
        return nil
      }
      return text
    }
    license = text("license")
    licenseName = text("license_name")
    licenseLink = text("license_link")
    if let tag = text("pipeline_tag") {
      if tag.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]*/) != nil {
        pipelineTag = tag
      } else {
        leave("pipeline_tag", "no name of a task")
      }
    }
    for key in ["language", "languages"] where languages.isEmpty {
      guard let node = mapping[key], !Self.isNull(node) else { continue }
      let texts = node.sequence.map { $0.map { $0.scalar?.string } } ?? [node.scalar?.string]
      let usable = texts.compactMap(\.self).filter(Self.isLine)
      if usable.count == texts.count {
        languages = usable
      } else {
        leave(key, "no list of texts")
      }
    }
  }

  private static func isNull(_ node: Node) -> Bool {
    guard let scalar = node.scalar else { return false }
    return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }

  /// Whether a text has characters, all of them on one line.
  private static func isLine(_ text: String) -> Bool {
    !text.allSatisfy(\.isWhitespace) && !PlainNames.hasControls(text)
  }
}

/// Names and links that may stand on a page and in a list.
enum PlainNames {
  /// Whether a text has control characters or ends of lines.
  static func hasControls(_ text: String) -> Bool {
    text.unicodeScalars.contains {
      $0.properties.generalCategory == .control || $0 == "\u{2028}" || $0 == "\u{2029}"
    }
  }

  /// A name on one line, for messages.
  static func shown(_ text: String) -> String {
    text.unicodeScalars.map { hasControls(String($0)) ? "?" : String($0) }.joined()
  }

  /// Whether a link leads to a page, or to a file of a repository.
  static func isLink(_ link: String) -> Bool {
    guard !link.isEmpty, !hasControls(link), !link.contains("\\") else { return false }
    if link.wholeMatch(of: /(?i)https?:\/\/[^\s\/?#<>"]+[^\s<>"]*/) != nil { return true }
    guard link.firstMatch(of: /^[A-Za-z][A-Za-z0-9+.\-]*:/) == nil, !link.hasPrefix("/") else { return false }
    return !link.split(separator: "/").contains("..")
  }
}
