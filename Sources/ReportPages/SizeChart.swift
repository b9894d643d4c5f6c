internal import FileBytes

/// Size against divergence as a drawing.
package struct SizeChart {
  /// A divergence that was measured, with its 95 % interval.
  package struct Measured: Hashable, Sendable {
    /// The mean, in nats per token.
    package var value: Double
    /// The interval; `nil` without one.
    package var interval: ClosedRange<Double>?

    /// Creates a measurement.
    package init(_ value: Double, _ interval: ClosedRange<Double>? = nil) {
      self.value = value
      self.interval = interval
    }
  }

  /// What a point stands for, which is also its class in the style and its shape.
  package enum Kind: String, CaseIterable, Sendable {
    /// A mix that was solved for a budget: a disc where it is predicted to be, a bar where it was measured.
    case solved
    /// A recipe: a diamond, and a bar.
    case recipe
    /// A stock mix: a square, and a bar.
    case stock
    /// A GGUF file: a disc where it was measured.
    case gguf
    /// A folder for MLX: a diamond where it was measured.
    case mlx

    /// Whether the shape is where the measurement is.
    var isMeasured: Bool { self == .gguf || self == .mlx }
  }

  /// A point of the chart.
  package struct Point {
    /// The name beside it.
    package var name: String
    /// What it stands for.
    package var kind: Kind
    /// Bytes of the file.
    package var byteCount: Int
    /// As predicted.
    package var predicted: Double?
    /// As measured.
    package var actual: Measured?
    /// What is shown when the pointer rests on it.
    package var title: String

    /// Creates a point.
    package init(
      name: String, kind: Kind, byteCount: Int, predicted: Double? = nil, actual: Measured? = nil,
      title: String
    ) {
      self.name = name
      self.kind = kind
      self.byteCount = byteCount
      self.predicted = predicted
      self.actual = actual
      self.title = title
    }

    /// Where its shape and its name are.
    var shown: Double? { kind.isMeasured ? actual?.value : predicted ?? actual?.value }
  }

  /// How large the drawing is.
  package struct Size: Sendable {
    var width: Double
    var height: Double
    var font: Double
    var marks: Int

    /// For screens of 640 pixels and more.
    package static let wide = Size(width: 960, height: 460, font: 12, marks: 8)
    /// For narrower ones.
    package static let narrow = Size(width: 400, height: 420, font: 12, marks: 4)
    /// For a picture in a page of another maker.
    package static let picture = Size(width: 760, height: 420, font: 13, marks: 6)
  }

  let points: [Point]
  let size: Size
  private let sizes: SizeAxis
  private let divergences: LogAxis
  private let left = 66.0
  private let heading: String

  /// Prepares a chart.
  ///
  /// - Parameters:
  ///   - points: What is drawn; points without a divergence above 0 have no place on the axis.
  ///   - size: How large the drawing is.
  ///   - heading: What stands above the vertical axis; nothing when empty.
  package init(_ points: [Point], _ size: Size, heading: String = "") {
    self.points = points
    self.size = size
    self.heading = heading
    sizes = SizeAxis(points.map(\.byteCount))
    divergences = LogAxis(
      points.flatMap { [$0.predicted, $0.actual?.value] }.compactMap(\.self),
      // An interval without its value is not drawn.
      ends: points.filter { ($0.actual?.value ?? 0) > 0 }.compactMap(\.actual?.interval).flatMap {
        [$0.lowerBound, $0.upperBound]
      })
  }

  /// Where the line of an interval begins and ends, and whether it goes on beyond the chart.
  private func range(_ point: Point) -> (low: (y: Double, isCut: Bool), high: (y: Double, isCut: Bool))? {
    guard let actual = point.actual, y(actual.value) != nil, let interval = actual.interval,
      let low = divergences.end(interval.lowerBound), let high = divergences.end(interval.upperBound)
    else { return nil }
    func at(_ end: (place: Double, isCut: Bool)) -> (y: Double, isCut: Bool) {
      (bottom - end.place * (bottom - top), end.isCut)
    }
    return (at(low), at(high))
  }

  /// How many points have a place.
  package var placedCount: Int { points.count { y($0.shown) != nil } }

  private var top: Double { heading.isEmpty ? 10 : 28 }
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
  package func svg(label: String) -> String {
    "<svg viewBox=\"0 0 \(n(size.width)) \(n(size.height))\" role=\"img\" aria-label=\"\(HTMLText.escaped(label))\">"
      + content + "</svg>"
  }

  /// The drawing as a file of its own, dark on white, for pages whose ground is not known.
  ///
  /// - Parameter title: What those hear who do not see it.
  /// - Returns: An SVG document.
  package func document(title: String) -> String {
    let (width, height) = (n(size.width), n(size.height))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" role="img">
      <title>\(HTMLText.escaped(title))</title>
      <style>\(PageStyle.chartOnWhite)</style>
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(content)
      </svg>

      """
  }

  private var content: String {
    var text = grid + line
    for point in points where point.kind != .solved { text += marks(point) }
    for point in points where point.kind == .solved { text += marks(point) }
    return text + names
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
    if !heading.isEmpty {
      text += "<text x=\"4\" y=\"\(n(size.font + 2))\">\(HTMLText.escaped(heading))</text>"
    }
    return text
      + "<text x=\"\(n(right))\" y=\"\(n(size.height - 3))\" text-anchor=\"end\">size of the file</text>"
  }

  /// The solved mixes in order of size, as predicted.
  private var solved: [(x: Double, y: Double)] {
    points.filter { $0.kind == .solved }.sorted { $0.byteCount < $1.byteCount }.compactMap { point in
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
    if let actual = point.actual, let y = y(actual.value) {
      if let range = range(point) {
        text += "<path class=\"range\" d=\"M\(n(x)) \(n(range.low.y))V\(n(range.high.y))"
        // An arrow where it goes on.
        if range.low.isCut { text += "M\(n(x - 4)) \(n(range.low.y - 5))l4 5l4 -5" }
        if range.high.isCut { text += "M\(n(x - 4)) \(n(range.high.y + 5))l4 -5l4 5" }
        text += "\"/>"
      }
      if !point.kind.isMeasured { text += "<path class=\"measured\" d=\"M\(n(x - 5)) \(n(y))h10\"/>" }
    }
    if let y = y(point.kind.isMeasured ? point.actual?.value : point.predicted) {
      text += shape(point.kind, x, y)
    }
    return "<g class=\"\(point.kind.rawValue)\"><title>\(HTMLText.escaped(point.title))</title>\(text)</g>"
  }

  private func shape(_ kind: Kind, _ x: Double, _ y: Double) -> String {
    switch kind {
    case .solved, .gguf: "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"5\"/>"
    case .recipe, .mlx: "<path class=\"shape\" d=\"M\(n(x)) \(n(y - 6))l6 6l-6 6l-6 -6z\"/>"
    case .stock: "<path class=\"shape\" d=\"M\(n(x - 4)) \(n(y - 4))h8v8h-8z\"/>"
    }
  }

  private var names: String {
    var taken: [LabelPlaces.Box] = []
    for point in points {
      let x = x(point.byteCount)
      if let y = y(point.predicted) {
        taken.append(LabelPlaces.Box(x: x - 6, y: y - 6, width: 12, height: 12))
      }
      if let y = y(point.actual?.value) {
        taken.append(LabelPlaces.Box(x: x - 5, y: y - 2, width: 10, height: 4))
      }
      if let range = range(point) {
        taken.append(
          LabelPlaces.Box(x: x - 1, y: range.high.y, width: 2, height: range.low.y - range.high.y))
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
    return Kind.allCases.flatMap { kind in points.filter { $0.kind == kind } }.compactMap {
      point -> String? in
      guard let y = y(point.shown),
        let place = places.place(point.name, at: x(point.byteCount), y)
      else { return nil }
      return
        "<text class=\"name \(point.kind.rawValue)\" x=\"\(n(place.x))\" y=\"\(n(place.y))\"\(place.isEnd ? " text-anchor=\"end\"" : "")>\(HTMLText.escaped(point.name))</text>"
    }.joined()
  }

  /// A coordinate with one decimal.
  private func n(_ value: Double) -> String { Figures.fixed(value, 1) }
}
