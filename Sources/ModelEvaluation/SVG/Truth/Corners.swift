internal import SVGAnalysis

/// The corners of outlines.
enum Corners {
  /// The number of corners of the first closed outline: bends of more than 15 degrees between sides that are long enough.
  ///
  /// - Returns: 0 for round outlines, `nil` when there is no outline.
  static func count(_ shape: Shape) -> Int? {
    guard let line = shape.outline.first, line.points.count > 2 else { return nil }
    if isRound(shape) { return 0 }
    var points: [Point] = []
    for point in line.points where points.last.map({ $0.distance(to: point) > 1e-9 }) ?? true {
      points.append(point)
    }
    if points.count > 1, let first = points.first, points[points.count - 1].distance(to: first) < 1e-9 {
      points.removeLast()
    }
    guard points.count > 2 else { return points.count }
    var corners = 0
    for index in points.indices {
      let before = points[(index + points.count - 1) % points.count]
      let (at, after) = (points[index], points[(index + 1) % points.count])
      let (a, b) = (before.distance(to: at), at.distance(to: after))
      guard a > 0, b > 0 else { continue }
      let cosine = ((at.x - before.x) * (after.x - at.x) + (at.y - before.y) * (after.y - at.y)) / (a * b)
      if cosine < 0.966 { corners += 1 }
    }
    return corners
  }

  /// Whether an outline is an ellipse: all points at the same distance from the centre once its box is made square.
  static func isRound(_ shape: Shape) -> Bool {
    guard let line = shape.outline.first, line.points.count >= 12 else { return false }
    let box = line.points.reduce(
      into: Box(minX: .infinity, minY: .infinity, maxX: -.infinity, maxY: -.infinity)
    ) {
      $0.add($1)
    }
    guard box.width > 0, box.height > 0 else { return false }
    return line.points.allSatisfy { point in
      let x = (point.x - box.center.x) / box.width * 2
      let y = (point.y - box.center.y) / box.height * 2
      return abs(x * x + y * y - 1) < 0.06
    }
  }

  /// Whether an outline is a rectangle whose sides are level.
  static func isBoxLike(_ shape: Shape) -> Bool {
    guard count(shape) == 4, let line = shape.outline.first else { return false }
    let box = shape.outlineBox
    return line.points.allSatisfy { point in
      min(abs(point.x - box.minX), abs(point.x - box.maxX)) < 0.02 * max(box.width, 1e-9)
        || min(abs(point.y - box.minY), abs(point.y - box.maxY)) < 0.02 * max(box.height, 1e-9)
    }
  }
}
