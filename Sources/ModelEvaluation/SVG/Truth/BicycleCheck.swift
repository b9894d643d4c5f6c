internal import SVGAnalysis

/// The parts that make a bicycle recognisable: two equal wheels on the ground, a frame that joins them, a saddle.
struct BicycleCheck {
  /// The left and the right wheel.
  let wheels: (Box, Box)?
  let hasFrame: Bool
  let hasSaddle: Bool

  init?(_ drawing: Drawing) {
    let size = drawing.size
    let round = drawing.shapes.filter { shape in
      guard let line = shape.outline.first else { return false }
      let box = shape.outlineBox
      return (shape.tag == "circle" || Corners.isRound(shape)) && line.points.count > 2
        && abs(box.width - box.height) <= 0.08 * max(box.width, box.height) && box.width >= size * 0.08
    }.map(\.outlineBox)
    // The largest pair of equal circles side by side on one line.
    var best: (Box, Box)?
    for (index, a) in round.enumerated() {
      for b in round.dropFirst(index + 1) {
        let radius = (a.width + b.width) / 4
        guard abs(a.width - b.width) <= 0.1 * max(a.width, b.width), abs(a.maxY - b.maxY) <= 0.03 * size,
          abs(a.center.x - b.center.x) > 1.5 * radius
        else { continue }
        if a.width + b.width > best.map({ $0.0.width + $0.1.width }) ?? 0 {
          best = a.center.x < b.center.x ? (a, b) : (b, a)
        }
      }
    }
    guard let (left, right) = best else { return nil }
    wheels = (left, right)
    let reach = left.width / 4
    let points = drawing.shapes.filter {
      !$0.isText && $0.outline.first.map { $0.points.count < 40 } ?? false
    }
    .flatMap { $0.outline.flatMap(\.points) }
    hasFrame =
      points.contains { $0.distance(to: left.center) <= reach }
      && points.contains { $0.distance(to: right.center) <= reach }
    let top = min(left.minY, right.minY)
    hasSaddle = drawing.shapes.contains { shape in
      let box = shape.outlineBox
      return box.center.x > left.center.x - reach && box.center.x < right.center.x + reach && box.minY < top
    }
  }
}
