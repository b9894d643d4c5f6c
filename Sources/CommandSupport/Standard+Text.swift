extension Standard {
  /// Writes text without a line end to standard output.
  public static func outputText(_ text: String) { write(text, to: 1) }
}
