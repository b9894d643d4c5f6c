/// A text that may name settings, such as `raise the limit or lower the number of threads`.
///
/// Libraries say "the number of threads", commands say "--threads": a wording keeps the setting itself until it is
/// known who reads the text. It is written as a string: `"raise the limit or lower \(.threads)"`.
public struct Wording: Hashable, Sendable {
  private enum Piece: Hashable, Sendable {
    case text(String)
    case setting(Setting)
  }

  /// No two texts stand side by side, and none is empty, so that equal wordings have equal pieces.
  private var pieces: [Piece] = []

  /// A text that names no setting.
  public init(_ text: String) { append(text) }

  /// A setting alone.
  public init(_ setting: Setting) { pieces = [.setting(setting)] }

  /// Whether there is no text.
  package var isEmpty: Bool { pieces.isEmpty }

  /// The settings that it names, in order.
  public var settings: [Setting] {
    pieces.compactMap { if case .setting(let setting) = $0 { setting } else { nil } }
  }

  /// The same text with other words for settings.
  ///
  /// - Parameter words: What to write for a setting, such as the flag of a command.
  /// - Returns: A wording that names no settings any more.
  public func worded(by words: (Setting) -> String) -> Wording { Wording(text(words)) }

  /// The same wording with other texts between its settings.
  func changed(_ change: (String) -> String) -> Wording {
    var result = Wording("")
    for piece in pieces {
      switch piece {
      case .text(let text): result.append(change(text))
      case .setting(let setting): result += Wording(setting)
      }
    }
    return result
  }

  private func text(_ words: (Setting) -> String) -> String {
    pieces.reduce(into: "") { text, piece in
      switch piece {
      case .text(let plain): text += plain
      case .setting(let setting): text += words(setting)
      }
    }
  }

  private mutating func append(_ text: String) {
    guard !text.isEmpty else { return }
    if case .text(let before) = pieces.last {
      pieces[pieces.count - 1] = .text(before + text)
    } else {
      pieces.append(.text(text))
    }
  }

  /// Adds another wording to the end.
  package static func += (left: inout Wording, right: Wording) {
    for piece in right.pieces {
      switch piece {
      case .text(let text): left.append(text)
      case .setting: left.pieces.append(piece)
      }
    }
  }

  /// Two wordings, one after the other.
  package static func + (left: Wording, right: Wording) -> Wording {
    var both = left
    both += right
    return both
  }
}

extension Wording: CustomStringConvertible {
  /// The text in the library's words.
  public var description: String { text(\.description) }
}

extension Wording: ExpressibleByStringInterpolation {
  /// Collects the pieces of a literal.
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var wording = Wording("")

    /// Starts empty.
    public init(literalCapacity: Int, interpolationCount: Int) {}

    /// Adds the text between values.
    public mutating func appendLiteral(_ literal: String) { wording.append(literal) }

    /// Adds a setting, which stays one.
    public mutating func appendInterpolation(_ setting: Setting) { wording += Wording(setting) }

    /// Adds a wording with its settings.
    public mutating func appendInterpolation(_ other: Wording) { wording += other }

    /// Adds any other value, as in a `String`.
    public mutating func appendInterpolation(_ value: some Any) { wording.append("\(value)") }
  }

  /// A text without values.
  public init(stringLiteral value: String) { self.init(value) }

  /// A text with values.
  public init(stringInterpolation: StringInterpolation) { self = stringInterpolation.wording }
}

extension Wording: Codable {
  /// Reads a text.
  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }

  /// Writes the text; with the words that the encoder's `userInfo` has under ``settingWords``, or the library's.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    let words = Self.settingWords.flatMap { encoder.userInfo[$0] as? @Sendable (Setting) -> String }
    try container.encode(text(words ?? \.description))
  }

  /// The key of an encoder's `userInfo` for a `@Sendable (Setting) -> String`, by which commands write flags.
  package static let settingWords = CodingUserInfoKey(rawValue: "pouch.settings")
}

extension Sequence<Wording> {
  /// All wordings, one after the other.
  ///
  /// - Parameter separator: What stands between two of them.
  /// - Returns: One wording.
  package func joined(separator: Wording = "") -> Wording {
    var result = Wording("")
    for (index, wording) in enumerated() {
      if index > 0 { result += separator }
      result += wording
    }
    return result
  }
}

extension DefaultStringInterpolation {
  /// Warns where a wording would become a text in the library's words for good.
  @available(*, deprecated, message: "settings are lost in a String; make it a Wording, or say .description")
  package mutating func appendInterpolation(_ wording: Wording) { appendLiteral(wording.description) }

  /// Warns where a setting would become a text in the library's words for good.
  @available(*, deprecated, message: "settings are lost in a String; make it a Wording, or say .description")
  package mutating func appendInterpolation(_ setting: Setting) { appendLiteral(setting.description) }

  /// Warns where a fault would become a text in the library's words for good.
  @available(*, deprecated, message: "settings are lost in a String; use .line, or say .description")
  package mutating func appendInterpolation(_ fault: Fault) { appendLiteral(fault.description) }
}
