/// Texts as they stand in HTML.
package enum HTMLText {
  /// A text in which nothing is markup, for elements and quoted attributes.
  package static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
