internal import SVGAnalysis

/// The parts that make a bicycle recognisable: two equal wheels on the ground, a frame that joins them, a saddle; and
/// what geometry can tell of a rider: that something sits there.
struct BicycleCheck {
  /// The left and the right wheel.
  let wheels: (Box, Box)?
  let hasFrame: Bool
  let hasSaddle: Bool
  /// Whether filled shapes of at least half a wheel's size lie over the frame, above the wheels' tops.
  let hasRider: Bool
  /// The colours of shapes that reach the wheels' centres, and of the wheels.
  private let frameColours: [SVGColour]
  private let wheelColours: [SVGColour]

  init?(_ drawing: Drawing) {
    let size = drawing.size
    let round = drawing.shapes.filter { shape in
      guard let line = shape.outline.first else { return false }
      let box = shape.outlineBox
      return (shape.tag == "circle" || Corners.isRound(shape)) && line.points.count > 2
        && abs(box.width - box.height) <= 0.08 * max(box.width, box.height) && box.width >= size * 0.08
    }
    // The largest pair of equal circles side by side on one line.
    var best: (Shape, Shape)?
    for (index, first) in round.enumerated() {
      for second in round.dropFirst(index + 1) {
        let (a, b) = (first.outlineBox, second.outlineBox)
        let radius = (a.width + b.width) / 4
        guard abs(a.width - b.width) <= 0.1 * max(a.width, b.width), abs(a.maxY - b.maxY) <= 0.03 * size,
          abs(a.center.x - b.center.x) > 1.5 * radius
        else { continue }
        if a.width + b.width > best.map({ $0.0.outlineBox.width + $0.1.outlineBox.width }) ?? 0 {
          best = a.center.x < b.center.x ? (first, second) : (second, first)
        }
      }
    }
    guard let best else { return nil }
    let (left, right) = (best.0.outlineBox, best.1.outlineBox)
    wheels = (left, right)
    wheelColours = [best.0, best.1].compactMap { $0.stroke ?? $0.fill }
    let reach = left.width / 4
    // Wheels are circles with many points; bars are lines with few.
    let bars = drawing.shapes.filter { !$0.isText && $0.outline.first.map { $0.points.count < 40 } ?? false }
    func reaches(_ shape: Shape, _ wheel: Box) -> Bool {
      shape.outline.contains { $0.points.contains { $0.distance(to: wheel.center) <= reach } }
    }
    hasFrame = bars.contains { reaches($0, left) } && bars.contains { reaches($0, right) }
    frameColours = bars.filter { reaches($0, left) || reaches($0, right) }.compactMap(\.mainColour)
    let top = min(left.minY, right.minY)
    func isBetween(_ box: Box) -> Bool {
      box.center.x > left.center.x - reach && box.center.x < right.center.x + reach
    }
    hasSaddle = drawing.shapes.contains { isBetween($0.outlineBox) && $0.outlineBox.minY < top }
    // A sun is not over the frame, a cloud not near it, and a sky or a meadow wider than the bicycle.
    let body = drawing.shapes.filter { shape in
      let box = shape.outlineBox
      return !shape.isText && shape.fill != nil && isBetween(box) && box.center.y < top
        && box.maxY > top - left.height && box.width < right.maxX - left.minX
    }.map(\.outlineBox)
    let union = body.dropFirst().reduce(body.first) { $0?.union($1) }
    hasRider = union.map { min($0.width, $0.height) >= left.width / 2 } ?? false
  }

  /// Whether a part of the frame, or both wheels, can pass for a colour.
  func has(colour name: String) -> Bool {
    frameColours.contains { ColourCategory.matches($0, name: name) }
      || wheelColours.count == 2 && wheelColours.allSatisfy { ColourCategory.matches($0, name: name) }
  }
}
