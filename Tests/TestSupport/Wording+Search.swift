public import FileBytes

/// Tests look for words in messages of libraries, as they read without flags.
extension Wording {
  /// Whether the text in the library's words has a part.
  public func contains(_ text: String) -> Bool { description.contains(text) }

  /// Whether the text in the library's words begins so.
  public func hasPrefix(_ text: String) -> Bool { description.hasPrefix(text) }

  /// Whether the text in the library's words ends so.
  public func hasSuffix(_ text: String) -> Bool { description.hasSuffix(text) }
}
