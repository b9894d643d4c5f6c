/// The outlines of basic shapes.
enum ShapePath {
  /// The path of a shape element; `nil` for other elements and for shapes without size.
  static func path(of node: SVGNode, viewport: Box, fontSize: Double) -> PathData? {
    let (w, h) = (viewport.width, viewport.height)
    let diagonal = ((w * w + h * h) / 2).squareRoot()
    func length(_ name: String, _ whole: Double) -> Double? {
      node[name].flatMap(SVGLength.init)?.resolved(whole: whole, fontSize: fontSize)
    }
    var path = PathData()
    switch node.name {
    case "path":
      guard let d = node["d"] else { return nil }
      path = PathData(parsing: d)
    case "rect":
      let (width, height) = (length("width", w) ?? 0, length("height", h) ?? 0)
      guard width > 0, height > 0 else { return nil }
      let (x, y) = (length("x", w) ?? 0, length("y", h) ?? 0)
      let given = (
        length("rx", w).flatMap { $0 >= 0 ? $0 : nil }, length("ry", h).flatMap { $0 >= 0 ? $0 : nil }
      )
      let rx = min(given.0 ?? given.1 ?? 0, width / 2)
      let ry = min(given.1 ?? given.0 ?? 0, height / 2)
      addRectangle(x, y, width, height, rx, ry, &path)
    case "circle":
      guard let r = length("r", diagonal), r > 0 else { return nil }
      addEllipse(Point(length("cx", w) ?? 0, length("cy", h) ?? 0), Point(r, r), &path)
    case "ellipse":
      let (rx, ry) = (length("rx", w), length("ry", h))
      guard let a = rx ?? ry, let b = ry ?? rx, a > 0, b > 0 else { return nil }
      addEllipse(Point(length("cx", w) ?? 0, length("cy", h) ?? 0), Point(a, b), &path)
    case "line":
      path.addPolyline(
        [
          Point(length("x1", w) ?? 0, length("y1", h) ?? 0),
          Point(length("x2", w) ?? 0, length("y2", h) ?? 0),
        ], closed: false)
    case "polyline", "polygon":
      let values = NumberScanner.list(node["points"] ?? "")
      let points = (0..<(values.count / 2)).map { Point(values[2 * $0], values[2 * $0 + 1]) }
      guard !points.isEmpty else { return nil }
      path.addPolyline(points, closed: node.name == "polygon")
    default: return nil
    }
    return path
  }

  private static func addRectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ rx: Double, _ ry: Double,
    _ path: inout PathData
  ) {
    let (right, bottom) = (x + width, y + height)
    guard rx > 0, ry > 0 else {
      return path.addPolyline(
        [Point(x, y), Point(right, y), Point(right, bottom), Point(x, bottom)], closed: true)
    }
    let radii = Point(rx, ry)
    func corner(_ start: Point, _ end: Point) {
      path.steps.append(.line(start))
      path.addArc(from: start, radii: radii, rotation: 0, isLarge: false, sweeps: true, to: end)
    }
    path.steps.append(.move(Point(x + rx, y)))
    corner(Point(right - rx, y), Point(right, y + ry))
    corner(Point(right, bottom - ry), Point(right - rx, bottom))
    corner(Point(x + rx, bottom), Point(x, bottom - ry))
    corner(Point(x, y + ry), Point(x + rx, y))
    path.steps.append(.close)
  }

  private static func addEllipse(_ center: Point, _ radii: Point, _ path: inout PathData) {
    let right = Point(center.x + radii.x, center.y)
    let left = Point(center.x - radii.x, center.y)
    path.steps.append(.move(right))
    path.addArc(from: right, radii: radii, rotation: 0, isLarge: false, sweeps: true, to: left)
    path.addArc(from: left, radii: radii, rotation: 0, isLarge: false, sweeps: true, to: right)
    path.steps.append(.close)
  }
}
