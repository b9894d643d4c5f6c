internal import FileBytes

/// Size against divergence as a drawing.
struct FrontierChart {
  /// A point of the chart.
  struct Point {
    /// The name beside it.
    var name: String
    /// Its class in the style, which is also its shape: `solved`, `stock` or `recipe`.
    var kind: String
    /// Bytes of the file.
    var byteCount: Int
    /// As predicted.
    var predicted: Double?
    /// As measured.
    var actual: TunedMix.Actual?
    /// What is shown when the pointer rests on it.
    var title: String
  }

  /// How large the drawing is.
  struct Size {
    var width: Double
    var height: Double
    var font: Double
    var marks: Int

    static let wide = Size(width: 960, height: 460, font: 12, marks: 8)
    static let narrow = Size(width: 400, height: 420, font: 12, marks: 4)
  }

  let points: [Point]
  let size: Size
  private let sizes: SizeAxis
  private let divergences: LogAxis
  private let left = 58.0
  private let top = 10.0

  init(_ points: [Point], _ size: Size) {
    self.points = points
    self.size = size
    sizes = SizeAxis(points.map(\.byteCount))
    divergences = LogAxis(
      points.flatMap { [$0.predicted, $0.actual?.divergence, $0.actual?.low, $0.actual?.high] }.compactMap(
        \.self))
  }

  private var right: Double { size.width - 10 }
  private var bottom: Double { size.height - 34 }

  private func x(_ byteCount: Int) -> Double { left + sizes.place(byteCount) * (right - left) }

  private func y(_ divergence: Double?) -> Double? {
    divergence.flatMap(divergences.place).map { bottom - $0 * (bottom - top) }
  }

  /// The drawing.
  ///
  /// - Parameter label: What those hear who do not see it.
  /// - Returns: An SVG element.
  func svg(label: String) -> String {
    var text =
      "<svg viewBox=\"0 0 \(n(size.width)) \(n(size.height))\" role=\"img\" aria-label=\"\(HTMLText.escaped(label))\">"
    text += grid
    text += line
    for point in points where point.kind != "solved" { text += marks(point) }
    for point in points where point.kind == "solved" { text += marks(point) }
    return text + names + "</svg>"
  }

  private var grid: String {
    var text = ""
    for value in divergences.marks {
      guard let y = y(value) else { continue }
      text +=
        "<path class=\"grid\" d=\"M\(n(left)) \(n(y))H\(n(right))\"/>"
        + "<text x=\"\(n(left - 6))\" y=\"\(n(y + 4))\" text-anchor=\"end\">\(LogAxis.label(value))</text>"
    }
    for value in sizes.marks(size.marks) {
      let x = x(value)
      text +=
        "<path class=\"grid\" d=\"M\(n(x)) \(n(top))V\(n(bottom))\"/>"
        + "<text x=\"\(n(x))\" y=\"\(n(bottom + 16))\" text-anchor=\"middle\">\(SizeAxis.label(value))</text>"
    }
    text += "<path class=\"axis\" d=\"M\(n(left)) \(n(top))V\(n(bottom))H\(n(right))\"/>"
    return text
      + "<text x=\"\(n(right))\" y=\"\(n(size.height - 3))\" text-anchor=\"end\">size of the file</text>"
  }

  /// The solved mixes in order of size, as predicted.
  private var solved: [(x: Double, y: Double)] {
    points.filter { $0.kind == "solved" }.sorted { $0.byteCount < $1.byteCount }.compactMap { point in
      y(point.predicted).map { (x(point.byteCount), $0) }
    }
  }

  private var line: String {
    guard solved.count > 1 else { return "" }
    return "<path class=\"line\" d=\"M" + solved.map { "\(n($0.x)) \(n($0.y))" }.joined(separator: "L")
      + "\"/>"
  }

  private func marks(_ point: Point) -> String {
    let x = x(point.byteCount)
    var text = ""
    if let actual = point.actual, let y = y(actual.divergence) {
      if let low = self.y(actual.low), let high = self.y(actual.high) {
        text += "<path class=\"range\" d=\"M\(n(x)) \(n(low))V\(n(high))\"/>"
      }
      text += "<path class=\"measured\" d=\"M\(n(x - 5)) \(n(y))h10\"/>"
    }
    if let y = y(point.predicted) { text += shape(point.kind, x, y) }
    return "<g class=\"\(point.kind)\"><title>\(HTMLText.escaped(point.title))</title>\(text)</g>"
  }

  private func shape(_ kind: String, _ x: Double, _ y: Double) -> String {
    switch kind {
    case "solved": "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"5\"/>"
    case "recipe": "<path d=\"M\(n(x)) \(n(y - 6))l6 6l-6 6l-6 -6z\"/>"
    default: "<path d=\"M\(n(x - 4)) \(n(y - 4))h8v8h-8z\"/>"
    }
  }

  private var names: String {
    var taken: [LabelPlaces.Box] = []
    for point in points {
      let x = x(point.byteCount)
      if let y = y(point.predicted) {
        taken.append(LabelPlaces.Box(x: x - 6, y: y - 6, width: 12, height: 12))
      }
      if let y = y(point.actual?.divergence) {
        taken.append(LabelPlaces.Box(x: x - 5, y: y - 2, width: 10, height: 4))
      }
      if let low = y(point.actual?.low), let high = y(point.actual?.high) {
        taken.append(LabelPlaces.Box(x: x - 1, y: high, width: 2, height: low - high))
      }
    }
    // Names stay clear of the line, too.
    for (a, b) in zip(solved, solved.dropFirst()) {
      for step in 0...20 {
        let part = Double(step) / 20
        taken.append(
          LabelPlaces.Box(
            x: a.x + part * (b.x - a.x) - 2, y: a.y + part * (b.y - a.y) - 2, width: 4, height: 4))
      }
    }
    var places = LabelPlaces(
      bounds: LabelPlaces.Box(x: left + 2, y: top, width: right - left, height: bottom - top - 2),
      taken: taken,
      height: size.font)
    // Solved mixes and recipes first: where it is tight, names of stock mixes are left to the table.
    let order = ["solved", "recipe", "stock"]
    return order.flatMap { kind in points.filter { $0.kind == kind } }.compactMap { point -> String? in
      guard let y = y(point.predicted) ?? y(point.actual?.divergence),
        let place = places.place(point.name, at: x(point.byteCount), y)
      else { return nil }
      return
        "<text class=\"name \(point.kind)\" x=\"\(n(place.x))\" y=\"\(n(place.y))\">\(HTMLText.escaped(point.name))</text>"
    }.joined()
  }

  /// A coordinate with one decimal.
  private func n(_ value: Double) -> String { Figures.fixed(value, 1) }
}
