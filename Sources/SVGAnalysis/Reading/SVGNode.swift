/// An attribute of an element.
package struct SVGAttribute: Hashable, Sendable {
  /// The name as written, with its prefix.
  package var name: String
  /// The value, references resolved.
  package var value: String

  /// Creates an attribute.
  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// An element of a drawing, or a piece of text.
package struct SVGNode: Hashable, Sendable {
  /// The name without the prefix of the SVG namespace; ``textName`` for text.
  package var name: String
  /// The attributes in order of their names, so that their order in the source has no influence.
  package var attributes: [SVGAttribute]
  /// The children in order of drawing.
  package var children: [SVGNode]
  /// The characters of a piece of text.
  package var text: String

  /// The name of nodes that are text.
  package static let textName = "#text"

  /// Creates an element.
  package init(_ name: String, _ attributes: [SVGAttribute] = [], children: [SVGNode] = []) {
    self.name = name
    self.attributes = attributes
    self.children = children
    text = ""
  }

  /// Creates a piece of text.
  package init(text: String) {
    name = Self.textName
    attributes = []
    children = []
    self.text = text
  }

  /// The value of an attribute.
  package subscript(_ attribute: String) -> String? { attributes.first { $0.name == attribute }?.value }

  /// The id that a `href` points to, when it stays within the document.
  package var reference: String? {
    guard let target = self["href"] ?? self["xlink:href"] else { return nil }
    let trimmed = target.drop { $0 == " " }
    return trimmed.hasPrefix("#") && trimmed.count > 1 ? String(trimmed.dropFirst()) : nil
  }

  /// Calls `body` for this node and all below it, parents first.
  package func forEach(_ body: (SVGNode) throws -> Void) rethrows {
    try body(self)
    for child in children { try child.forEach(body) }
  }

  /// The number of elements, this one included, text excluded.
  package var elementCount: Int {
    var count = 0
    forEach { if $0.name != Self.textName { count += 1 } }
    return count
  }
}
