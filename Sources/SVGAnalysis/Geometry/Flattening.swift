internal import FileBytes

/// A flattened subpath.
package struct Polyline: Hashable, Sendable {
  /// The points, at least one; the first is not repeated at the end of a closed line.
  package var points: [Point]
  /// Whether the last point is joined with the first.
  package var isClosed: Bool

  /// Creates a line.
  package init(points: [Point], isClosed: Bool) {
    self.points = points
    self.isClosed = isClosed
  }

  /// The line under a map.
  package func transformed(_ map: Affine) -> Polyline {
    Polyline(points: points.map(map.apply), isClosed: isClosed)
  }

  /// The length, the closing side included.
  package var length: Double {
    guard let first = points.first, let last = points.last else { return 0 }
    let open = zip(points, points.dropFirst()).reduce(0) { $0 + $1.0.distance(to: $1.1) }
    return isClosed ? open + last.distance(to: first) : open
  }
}

extension PathData {
  /// The path as lines.
  ///
  /// - Parameters:
  ///   - tolerance: The largest distance between a curve and its line, above 0.
  ///   - budget: Points that may still be made; lowered by what is used.
  /// - Returns: A line for each subpath.
  /// - Throws: ``SVGError`` with `tooManyPoints` when the budget is gone.
  func flattened(tolerance: Double, budget: inout Int) throws(SVGError) -> [Polyline] {
    var lines: [Polyline] = []
    var points: [Point] = []
    var start = Point(0, 0)
    func finish(closed: Bool) {
      if !points.isEmpty {
        if closed, points.count > 1, points.last == points.first { points.removeLast() }
        lines.append(Polyline(points: points, isClosed: closed))
      }
      points = []
    }
    for step in steps {
      switch step {
      case .move(let point):
        finish(closed: false)
        start = point
        points = [point]
      case .line(let point):
        if points.isEmpty { points = [start] }
        points.append(point)
      case .cubic(let a, let b, let end):
        if points.isEmpty { points = [start] }
        Self.flatten(from: points[points.count - 1], a, b, end, tolerance, &points)
      case .close:
        finish(closed: true)
      }
      if points.count > budget { throw Self.tooMany() }
      if case .close = step { budget -= lines.last?.points.count ?? 0 }
      if case .move = step { budget -= lines.last?.points.count ?? 0 }
    }
    budget -= points.count
    if budget < 0 { throw Self.tooMany() }
    finish(closed: false)
    return lines
  }

  static func tooMany() -> SVGError {
    SVGError(
      .tooManyPoints,
      Fault(subject: "svg", expected: "outlines of bounded size", found: "more points"))
  }

  /// Equal steps of the parameter, as many as the second differences demand (Wang's bound).
  private static func flatten(
    from start: Point, _ a: Point, _ b: Point, _ end: Point, _ tolerance: Double, _ points: inout [Point]
  ) {
    let first = start - a * 2 + b
    let second = a - b * 2 + end
    let bend = max(first.distance(to: Point(0, 0)), second.distance(to: Point(0, 0)))
    let wanted = (0.75 * bend / tolerance).squareRoot().rounded(.up)
    let count = wanted.isFinite ? min(max(Int(min(wanted, 1e4)), 1), 2_000) : 1
    for index in 1..<max(count, 1) {
      let t = Double(index) / Double(count)
      let u = 1 - t
      points.append(
        start * (u * u * u) + a * (3 * u * u * t) + b * (3 * u * t * t) + end * (t * t * t))
    }
    points.append(end)
  }
}
