internal import SVGAnalysis

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// How alike two drawings are in where things are.
enum GeometryScore {
  /// The mean overlap (IoU) of bounding boxes, elements matched by tag and colour, best overlaps first; elements
  /// without a partner count as 0.
  ///
  /// Boxes are in shares of the pictures' sizes. 1 when both are empty.
  static func boxes(_ a: Drawing, _ b: Drawing) -> Double {
    let count = max(a.shapes.count, b.shapes.count)
    guard count > 0 else { return 1 }
    struct Key: Hashable {
      var tag: String
      var colour: String
    }
    func groups(_ drawing: Drawing) -> [Key: [Box]] {
      drawing.shapes.reduce(into: [:]) { groups, shape in
        let key = Key(
          tag: shape.tag, colour: (shape.mainColour?.hexText ?? "") + (shape.fill == nil ? "s" : "f"))
        groups[key, default: []].append(relative(shape.outlineBox, drawing))
      }
    }
    let (p, q) = (groups(a), groups(b))
    var sum = 0.0
    for key in p.keys.sorted(by: { ($0.tag, $0.colour) < ($1.tag, $1.colour) }) {
      if let boxes = p[key], let others = q[key] { sum += matched(boxes, others) }
    }
    return sum / Double(count)
  }

  private static func relative(_ box: Box, _ drawing: Drawing) -> Box {
    let (view, size) = (drawing.viewBox, drawing.size)
    return Box(
      minX: (box.minX - view.minX) / size, minY: (box.minY - view.minY) / size,
      maxX: (box.maxX - view.minX) / size, maxY: (box.maxY - view.minY) / size)
  }

  /// The sum of overlaps of a greedy matching.
  private static func matched(_ a: [Box], _ b: [Box]) -> Double {
    var pairs: [(overlap: Double, first: Int, second: Int)] = []
    // Long lists are compared in order alone near the diagonal, which bounds the work.
    let reach = a.count * b.count > 250_000 ? 50 : max(a.count, b.count)
    for (i, box) in a.enumerated() {
      for j in max(0, i - reach)..<max(max(0, i - reach), min(b.count, i + reach + 1)) {
        let overlap = box.overlap(b[j], thickness: 0.01)
        if overlap > 0 { pairs.append((overlap, i, j)) }
      }
    }
    pairs.sort { ($1.overlap, $0.first, $0.second) < ($0.overlap, $1.first, $1.second) }
    var usedA = Array(repeating: false, count: a.count)
    var usedB = Array(repeating: false, count: b.count)
    var sum = 0.0
    for pair in pairs where !usedA[pair.first] && !usedB[pair.second] {
      (usedA[pair.first], usedB[pair.second]) = (true, true)
      sum += pair.overlap
    }
    return sum
  }

  /// `exp(-distance / 3 %)` of the Chamfer distance: the mean distance from a sampled outline point of either drawing
  /// to the nearest of the other, in shares of the picture's size.
  static func outlines(_ a: Drawing, _ b: Drawing) -> Double {
    let (p, q) = (samples(a), samples(b))
    if p.isEmpty, q.isEmpty { return 1 }
    guard !p.isEmpty, !q.isEmpty else { return 0 }
    return exp(-(oneWay(p, q) + oneWay(q, p)) / 2 / 0.03)
  }

  private static func oneWay(_ a: [Point], _ b: [Point]) -> Double {
    var sum = 0.0
    for point in a {
      var best = Double.infinity
      for other in b {
        let (dx, dy) = (point.x - other.x, point.y - other.y)
        best = min(best, dx * dx + dy * dy)
      }
      sum += best.squareRoot()
    }
    return sum / Double(a.count)
  }

  /// At most about 600 points, evenly along all outlines, at least one a line.
  private static func samples(_ drawing: Drawing) -> [Point] {
    let lines = drawing.shapes.filter { !$0.isText }.flatMap(\.outline)
    let total = lines.reduce(0) { $0 + $1.length }
    guard total > 0, total.isFinite else { return [] }
    let step = total / 400
    var points: [Point] = []
    for line in lines.prefix(2_000) {
      var left = 0.0
      let closed = line.isClosed ? line.points + line.points.prefix(1) : line.points
      for (a, b) in zip(closed, closed.dropFirst()) {
        let length = a.distance(to: b)
        while left < length {
          let t = left / length
          points.append(Point(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t))
          left += step
        }
        left -= length
      }
    }
    return points.map {
      Point(($0.x - drawing.viewBox.minX) / drawing.size, ($0.y - drawing.viewBox.minY) / drawing.size)
    }
  }
}
