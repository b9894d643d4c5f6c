/// What fills or strokes a shape.
package enum SVGPaint: Hashable, Sendable {
  case none
  case colour(SVGColour)
  /// A gradient by its id, and the colour to fall back to.
  case reference(String, fallback: SVGColour?)
  case currentColour

  /// Parses a paint; `nil` for values that are to be ignored.
  static func parse(_ text: String) -> SVGPaint? {
    let word = String(text.drop { $0 == " " })
    if word.hasPrefix("url(") {
      guard let close = word.firstIndex(of: ")") else { return nil }
      let target = word[..<close].dropFirst(4).filter { !"'\" ".contains($0) }
      let rest = String(word[word.index(after: close)...])
      guard target.hasPrefix("#") else { return SVGPaint.none }
      return .reference(String(target.dropFirst()), fallback: SVGColour.parse(rest))
    }
    switch word.lowercased().split(separator: " ").first {
    case "none": return SVGPaint.none
    case "currentcolor": return .currentColour
    default: return SVGColour.parse(word).map { .colour($0) }
    }
  }
}

/// Computed values of the properties that matter for geometry and colour.
struct SVGStyle {
  enum Cap: String { case butt, round, square }
  enum Join: String { case miter, round, bevel }

  var fill = SVGPaint.colour(.black)
  var stroke = SVGPaint.none
  var colour = SVGColour.black
  var strokeWidth = SVGLength("1")
  var isEvenOdd = false
  var clipIsEvenOdd = false
  var fillOpacity = 1.0
  var strokeOpacity = 1.0
  var cap = Cap.butt
  var join = Join.miter
  var miterLimit = 4.0
  var dashes: [Double] = []
  var dashOffset = 0.0
  var fontSize = 16.0
  var textAnchor = "start"
  var isVisible = true
  // Not inherited:
  var isDisplayed = true
  var opacity = 1.0
  var clip: String?

  /// The style of a child before its own attributes.
  var inherited: SVGStyle {
    var style = self
    style.opacity = 1
    style.clip = nil
    return style
  }

  /// Applies an element's attributes; values that cannot be read leave the inherited ones.
  mutating func apply(_ node: SVGNode) {
    for attribute in node.attributes { apply(attribute.name, attribute.value) }
  }

  private mutating func apply(_ name: String, _ value: String) {
    if value == "inherit" { return }
    switch name {
    case "fill": fill = SVGPaint.parse(value) ?? fill
    case "stroke": stroke = SVGPaint.parse(value) ?? stroke
    case "color": colour = SVGColour.parse(value) ?? colour
    case "stroke-width":
      if let length = SVGLength(value), length.value >= 0 { strokeWidth = length }
    case "fill-rule": isEvenOdd = value == "evenodd"
    case "clip-rule": clipIsEvenOdd = value == "evenodd"
    case "fill-opacity": fillOpacity = Self.opacity(value) ?? fillOpacity
    case "stroke-opacity": strokeOpacity = Self.opacity(value) ?? strokeOpacity
    case "opacity": opacity = Self.opacity(value) ?? opacity
    case "stroke-linecap": cap = Cap(rawValue: value) ?? cap
    case "stroke-linejoin": join = Join(rawValue: value) ?? (value == "miter-clip" ? .miter : join)
    case "stroke-miterlimit":
      if let limit = SVGLength(value)?.value, limit >= 1 { miterLimit = limit }
    case "stroke-dasharray":
      let list = NumberScanner.list(value)
      dashes = list.allSatisfy { $0 >= 0 && $0.isFinite } && list.contains { $0 > 0 } ? list : []
    case "stroke-dashoffset": dashOffset = SVGLength(value)?.value ?? dashOffset
    case "font-size":
      if let size = SVGLength(value) { fontSize = size.resolved(whole: fontSize, fontSize: fontSize) }
    case "text-anchor": textAnchor = value
    case "visibility": isVisible = value == "visible"
    case "display": isDisplayed = isDisplayed && value != "none"
    case "clip-path":
      if case .reference(let id, _)? = SVGPaint.parse(value) { clip = id }
    default: break
    }
  }

  private static func opacity(_ value: String) -> Double? {
    guard let length = SVGLength(value), length.value.isFinite else { return nil }
    return min(max(length.unit == "%" ? length.value / 100 : length.value, 0), 1)
  }
}
