internal import FileBytes

/// A page of HTML that holds everything itself, runs nothing and loads nothing.
package enum PageFrame {
  /// The page.
  ///
  /// - Parameters:
  ///   - title: The heading.
  ///   - answer: What most readers want to know, in a sentence or two.
  ///   - body: What follows, as HTML.
  ///   - style: Style rules besides ``PageStyle``.
  /// - Returns: HTML.
  package static func html(title: String, answer: String, body: String, style: String = "") -> String {
    let name = HTMLText.escaped(title)
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(name)</title>
      <style>
      \(PageStyle.text)\(style)
      </style>
      </head>
      <body>
      <h1>\(name)</h1>
      <p class="answer">\(HTMLText.escaped(answer))</p>
      \(body)</body>
      </html>

      """
  }
}
