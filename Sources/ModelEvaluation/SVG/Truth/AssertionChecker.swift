package import SVGAnalysis

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Checks assertions on a drawing.
package struct AssertionChecker: Sendable {
  /// The drawing.
  package let drawing: Drawing
  private let content: Box
  private let size: Double

  /// Prepares a drawing.
  package init(_ drawing: Drawing) {
    self.drawing = drawing
    size = drawing.size
    content = Self.foreground(drawing).reduce(
      Box(minX: .infinity, minY: .infinity, maxX: -.infinity, maxY: -.infinity)
    ) { $0.union($1.box) }
  }

  /// The shapes without one that fills the whole picture behind all others.
  private static func foreground(_ drawing: Drawing) -> [Shape] {
    var shapes = drawing.shapes
    while shapes.count > 1, let first = shapes.first, first.tag == "rect",
      first.outlineBox.overlap(drawing.viewBox, thickness: 0) > 0.96
    {
      shapes.removeFirst()
    }
    return shapes
  }

  /// Whether an assertion holds.
  package func holds(_ assertion: GeometryAssertion) -> Bool {
    let of = select(assertion.of)
    let than = select(assertion.than)
    switch assertion.check {
    case .count: return isCount(of.count, assertion)
    case .row: return of.count > 1 && isLevel(of.map(\.outlineBox.center.y))
    case .column: return of.count > 1 && isLevel(of.map(\.outlineBox.center.x))
    case .coloursLeftToRight: return hasColours(of, assertion.colours ?? [])
    case .leftOf: return isBefore(of, than) { $0.x }
    case .above: return isBefore(of, than) { $0.y }
    case .inside:
      guard let a = of.first?.outlineBox, let b = than.first?.outlineBox else { return false }
      return a.union(b.grown(by: size * 0.01)) == b.grown(by: size * 0.01)
    case .sameSize: return hasSameSize(of + (assertion.than == nil ? [] : than))
    case .heights: return hasHeights(of, assertion.values ?? [])
    case .baseline: return of.count > 1 && isLevel(of.map(\.outlineBox.maxY))
    case .evenSpacing: return isEvenlySpaced(of.map(\.outlineBox.center))
    case .colourAt, .notColourAt:
      guard let name = assertion.colours?.first, let x = assertion.x, let y = assertion.y, !content.isEmpty
      else {
        return false
      }
      let found = drawing.colour(
        at: Point(content.minX + x * content.width, content.minY + y * content.height))
      let isMatch = found.map { ColourCategory.matches($0, name: name) } ?? (name == "white")
      return isMatch == (assertion.check == .colourAt)
    case .hand: return assertion.angle.map { handLength($0) > 0 } ?? false
    case .longerHand:
      guard let angle = assertion.angle, let other = assertion.values?.first else { return false }
      return handLength(other) > 0 && handLength(angle) > handLength(other) * 1.05
    case .corners:
      guard let wanted = assertion.equals, let shape = (of.isEmpty ? nil : largest(of, 1).first) else {
        return false
      }
      return Corners.count(shape) == wanted
    case .cellMarked, .cellEmpty: return isMarked(assertion) == (assertion.check == .cellMarked)
    case .bicycleWheels: return BicycleCheck(drawing)?.wheels != nil
    case .bicycleFrame: return BicycleCheck(drawing)?.hasFrame ?? false
    case .bicycleSaddle: return BicycleCheck(drawing)?.hasSaddle ?? false
    case .bicycleColour:
      guard let name = assertion.colours?.first else { return false }
      return BicycleCheck(drawing)?.has(colour: name) ?? false
    case .bicycleRider: return BicycleCheck(drawing)?.hasRider ?? false
    }
  }

  private func isCount(_ count: Int, _ assertion: GeometryAssertion) -> Bool {
    if let equals = assertion.equals { return count == equals }
    return count >= assertion.atLeast ?? 1
  }

  private func select(_ selector: ShapeSelector?) -> [Shape] {
    let all = Self.foreground(drawing)
    guard let selector else { return all }
    var found = all.filter { shape in
      if let name = selector.colour {
        guard let colour = shape.mainColour, ColourCategory.matches(colour, name: name) else { return false }
      }
      let box = shape.outlineBox
      if let least = selector.minSize, max(box.width, box.height) < least * size { return false }
      return selector.shape.map { Self.isKind(shape, $0) } ?? true
    }
    if let count = selector.largest { found = largest(found, count) }
    return found
  }

  private func largest(_ shapes: [Shape], _ count: Int) -> [Shape] {
    // Equal sizes keep the order of drawing.
    let ranked = shapes.enumerated().sorted {
      ($1.element.outlineBox.area, $0.offset) < ($0.element.outlineBox.area, $1.offset)
    }
    return ranked.prefix(count).sorted { $0.offset < $1.offset }.map(\.element)
  }

  private static func isKind(_ shape: Shape, _ kind: String) -> Bool {
    let box = shape.outlineBox
    let isEven = abs(box.width - box.height) <= 0.05 * max(box.width, box.height)
    if kind.hasPrefix("corners-") {
      return Int(kind.dropFirst(8)).map { Corners.count(shape) == $0 } ?? false
    }
    switch kind {
    case "any": return true
    case "text": return shape.isText
    case "circle": return isEven && (shape.tag == "circle" || Corners.isRound(shape))
    case "ellipse": return shape.tag == "ellipse" || Corners.isRound(shape)
    case "rect": return shape.tag == "rect" || Corners.isBoxLike(shape)
    case "square": return isEven && (shape.tag == "rect" || Corners.isBoxLike(shape))
    case "triangle": return Corners.count(shape) == 3
    case "line": return shape.stroke != nil && shape.fill == nil
    default: return shape.tag == kind
    }
  }

  private func isLevel(_ values: [Double]) -> Bool {
    guard let low = values.min(), let high = values.max() else { return false }
    return high - low <= 0.03 * size
  }

  private func hasColours(_ shapes: [Shape], _ names: [String]) -> Bool {
    let sorted = shapes.sorted { $0.outlineBox.center.x < $1.outlineBox.center.x }
    return !names.isEmpty && sorted.count == names.count
      && zip(sorted, names).allSatisfy { shape, name in
        shape.mainColour.map { ColourCategory.matches($0, name: name) } ?? false
      }
  }

  private func isBefore(_ a: [Shape], _ b: [Shape], _ axis: (Point) -> Double) -> Bool {
    guard let first = a.first, let second = b.first else { return false }
    return axis(second.outlineBox.center) - axis(first.outlineBox.center) >= size / 20
  }

  private func hasSameSize(_ shapes: [Shape]) -> Bool {
    guard shapes.count > 1 else { return false }
    let sizes = shapes.map { max($0.outlineBox.width, $0.outlineBox.height) }
    return (sizes.max() ?? 0) <= 1.1 * (sizes.min() ?? 0)
  }

  private func hasHeights(_ shapes: [Shape], _ values: [Double]) -> Bool {
    let sorted = shapes.sorted { $0.outlineBox.center.x < $1.outlineBox.center.x }.map(\.outlineBox.height)
    guard sorted.count == values.count, let top = values.max(), let high = sorted.max(), top > 0, high > 0
    else {
      return false
    }
    return zip(sorted, values).allSatisfy { abs($0 / high - $1 / top) <= 1.0 / 12 }
  }

  private func isEvenlySpaced(_ centers: [Point]) -> Bool {
    guard centers.count > 2 else { return centers.count == 2 }
    let isWide = (centers.map(\.x).max() ?? 0) - (centers.map(\.x).min() ?? 0) >= 0.03 * size
    let places = centers.map { isWide ? $0.x : $0.y }.sorted()
    let gaps = zip(places.dropFirst(), places).map { $0 - $1 }
    return (gaps.max() ?? 0) - (gaps.min() ?? 0) <= 0.03 * size
  }

  /// The length of the longest straight line from near the middle in a direction; 0 when there is none.
  private func handLength(_ angle: Double) -> Double {
    let center = content.isEmpty ? drawing.viewBox.center : content.center
    let direction = Point(sin(angle * .pi / 180), -cos(angle * .pi / 180))
    var best = 0.0
    for shape in drawing.shapes where !shape.isText {
      for line in shape.outline where line.points.count == 2 || line.length < size {
        for (start, end) in [(line.points.first, line.points.last), (line.points.last, line.points.first)] {
          guard let start, let end, start.distance(to: center) <= size / 8 else { continue }
          let length = start.distance(to: end)
          guard length > size / 20 else { continue }
          let cosine = ((end.x - start.x) * direction.x + (end.y - start.y) * direction.y) / length
          if cosine >= cos(8 * Double.pi / 180), line.points.count <= 3 { best = max(best, length) }
        }
      }
    }
    return best
  }

  private func isMarked(_ assertion: GeometryAssertion) -> Bool {
    guard let column = assertion.x, let row = assertion.y, let columns = assertion.columns,
      let rows = assertion.rows,
      !content.isEmpty
    else { return false }
    let cell = Point(content.width / Double(columns), content.height / Double(rows))
    let frame = Box(
      minX: content.minX + column * cell.x, minY: content.minY + row * cell.y,
      maxX: content.minX + (column + 1) * cell.x, maxY: content.minY + (row + 1) * cell.y)
    return Self.foreground(drawing).contains { shape in
      let box = shape.outlineBox
      // Grid lines and squares of a board are as large as a cell or larger.
      return frame.contains(box.center) && box.width < 0.97 * cell.x && box.height < 0.97 * cell.y
        && box.center.distance(to: frame.center) < 0.35 * max(cell.x, cell.y)
    }
  }
}
