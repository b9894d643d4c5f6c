extension Standard {
  /// Writes text without a line end to standard output.
  package static func outputText(_ text: String) { write(text, to: 1) }
}
