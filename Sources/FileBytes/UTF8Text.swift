extension String {
  /// The text that `bytes` encode in UTF-8, or `nil` when they are not valid UTF-8.
  ///
  /// `String(validating:as:)` says the same, but each call costs about a microsecond in
  /// type lookups, which vocabularies of hundreds of thousands of strings feel.
  @inlinable
  package init?(utf8 bytes: UnsafeRawBufferPointer) {
    let text: String? = bytes.withMemoryRebound(to: UInt8.self) { units in
      // Decoding repairs what is wrong, so valid is what comes out unchanged. Counts alone do not tell: some
      // repairs keep the length.
      var text = String(decoding: units, as: UTF8.self)
      let isUnchanged = text.withUTF8 { decoded in
        decoded.count == units.count && decoded.elementsEqual(units)
      }
      return isUnchanged ? text : nil
    }
    guard let text else { return nil }
    self = text
  }
}
