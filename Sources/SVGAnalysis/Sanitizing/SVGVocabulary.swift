/// The elements and attributes that get through.
enum SVGVocabulary {
  /// Elements that are drawn, or hold what is drawn.
  static let elements: Set<String> = [
    "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
    "text", "tspan", "linearGradient", "radialGradient", "stop", "clipPath",
  ]

  /// Elements that are treated as a plain group.
  static let groups: Set<String> = ["a", "switch"]

  /// Elements of SVG that are left out without blame: they draw nothing, or are not supported.
  static let ignored: Set<String> = [
    "title", "desc", "metadata", "style", "filter", "pattern", "marker", "mask", "animate",
    "animateTransform",
    "animateMotion", "animateColor", "set", "view", "textPath", "cursor", "font", "font-face", "glyph",
    "mpath",
    "linearMarker", "hatch", "mesh", "discard",
  ]

  /// Attributes with numbers alone: coordinates, lengths, lists.
  static let numeric: Set<String> = [
    "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "x1", "y1", "x2", "y2", "fx", "fy", "fr", "dx",
    "dy", "offset", "d", "points", "transform", "gradientTransform", "viewBox",
  ]

  /// Attributes with one of some words.
  static let keywords: Set<String> = [
    "preserveAspectRatio", "gradientUnits", "spreadMethod", "clipPathUnits", "xml:space",
  ]

  /// Properties that may stand in attributes, `style` attributes and style sheets.
  static let properties: Set<String> = [
    "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
    "stroke-linejoin", "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "opacity", "color",
    "display",
    "visibility", "clip-path", "clip-rule", "stop-color", "stop-opacity", "font-size", "font-family",
    "font-weight", "font-style", "text-anchor", "dominant-baseline", "letter-spacing", "vector-effect",
    "paint-order", "transform",
  ]

  /// Properties whose value is a colour or a paint.
  static let paints: Set<String> = ["fill", "stroke", "color", "stop-color", "flood-color", "lighting-color"]

  /// Properties with a number, which is bounded like a coordinate.
  static let numericProperties: Set<String> = [
    "fill-opacity", "stroke-width", "stroke-opacity", "stroke-miterlimit", "stroke-dasharray",
    "stroke-dashoffset", "opacity", "stop-opacity", "font-size", "letter-spacing", "transform",
  ]

  /// Whether a text is a plain id, which needs no quoting anywhere.
  static func isPlainID(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 100
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x5F || $0 == 0x2D
          || $0 == 0x2E
          || $0 == 0x3A
      }
  }
}
