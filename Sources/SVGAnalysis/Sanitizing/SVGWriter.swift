/// Numbers as text, short and without regard to locale.
enum NumberText {
  static func text(_ value: Double) -> String {
    if value == value.rounded(), value.magnitude < 1e15 { return "\(Int(value))" }
    let rounded = (value * 1e6).rounded() / 1e6
    if rounded == rounded.rounded() { return "\(Int(rounded))" }
    let text = "\(rounded)"
    // Small magnitudes print with an exponent, which SVG understands too.
    return text
  }
}

extension SanitizedSVG {
  /// How a drawing is written.
  package struct WritingOptions: Hashable, Sendable {
    /// Put before every id, so that drawings in one page do not meet.
    package var idPrefix = ""
    /// Whether text is left out.
    package var omitsText = false
    /// Attributes for the root element, such as a label.
    package var rootAttributes: [SVGAttribute] = []

    /// Writes everything.
    package init() {}
  }

  /// The drawing as XML, without line breaks or spaces between elements.
  package func text(_ options: WritingOptions = WritingOptions()) -> String {
    var root = root
    root.attributes =
      [SVGAttribute("xmlns", "http://www.w3.org/2000/svg")] + options.rootAttributes + root.attributes
    var result = ""
    Self.write(root, options, &result)
    return result
  }

  private static func write(_ node: SVGNode, _ options: WritingOptions, _ result: inout String) {
    if node.name == SVGNode.textName {
      result += escaped(node.text)
      return
    }
    if options.omitsText, node.name == "text" { return }
    result += "<" + node.name
    for attribute in node.attributes {
      result += " \(attribute.name)=\"\(escaped(prefixed(attribute, options.idPrefix)))\""
    }
    guard !node.children.isEmpty else {
      result += "/>"
      return
    }
    result += ">"
    for child in node.children { write(child, options, &result) }
    result += "</\(node.name)>"
  }

  private static func prefixed(_ attribute: SVGAttribute, _ prefix: String) -> String {
    guard !prefix.isEmpty else { return attribute.value }
    switch attribute.name {
    case "id": return prefix + attribute.value
    case "href": return "#" + prefix + attribute.value.dropFirst()
    default:
      guard attribute.value.hasPrefix("url(#") else { return attribute.value }
      return "url(#" + prefix + attribute.value.dropFirst(5)
    }
  }

  /// Text with the characters that XML and HTML reserve written as references.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
