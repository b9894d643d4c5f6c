/// One thing that is drawn, in the coordinates of the drawing's `viewBox`.
package struct Shape: Sendable {
  /// The element's name: `circle`, `path`, `text` and so on.
  package var tag: String
  /// The interior's colour with all opacities; `nil` when it is not filled.
  ///
  /// Gradients count as the mean of their stops.
  package var fill: SVGColour?
  /// The stroke's colour with all opacities; `nil` when there is none.
  package var stroke: SVGColour?
  /// The stroke's width along the direction that is stretched most.
  package var strokeWidth: Double
  /// The flattened outline; empty for text.
  package var outline: [Polyline]
  /// The box of the outline alone, clipped; for text an estimate.
  package var outlineBox: Box
  /// The box with the stroke, clipped.
  package var box: Box
  /// The characters of text.
  package var text: String
  /// Whether the interior is found by the even-odd rule.
  package var isEvenOdd: Bool
  /// Convex pieces whose union is the stroke.
  var strokePieces: [[Point]]
  /// Areas outside which nothing shows; each is a set of polygons with its rule.
  var clips: [ClipArea]

  /// Whether it is a piece of text.
  package var isText: Bool { tag == "text" }

  /// The colour that catches the eye: the fill, or the stroke of what is not filled.
  package var mainColour: SVGColour? { fill ?? stroke }

  /// Whether a point is inside the filled area or the stroke.
  package func contains(_ point: Point) -> Bool {
    guard box.contains(point), clips.allSatisfy({ $0.contains(point) }) else { return false }
    if fill != nil, Winding.contains(outline.map(\.points), point, isEvenOdd: isEvenOdd) { return true }
    return stroke != nil && strokePieces.contains { Winding.contains([$0], point, isEvenOdd: false) }
  }
}

/// An area that clips.
struct ClipArea: Sendable {
  /// Parts that are united.
  var parts: [(polygons: [[Point]], isEvenOdd: Bool)]
  var box: Box

  func contains(_ point: Point) -> Bool {
    parts.contains { Winding.contains($0.polygons, point, isEvenOdd: $0.isEvenOdd) }
  }
}

/// The winding rule at a point.
enum Winding {
  static func contains(_ polygons: [[Point]], _ point: Point, isEvenOdd: Bool) -> Bool {
    var winding = 0
    for polygon in polygons {
      for (index, a) in polygon.enumerated() {
        let b = polygon[(index + 1) % polygon.count]
        guard (a.y <= point.y) != (b.y <= point.y) else { continue }
        let x = a.x + (point.y - a.y) / (b.y - a.y) * (b.x - a.x)
        if x > point.x { winding += isEvenOdd ? 1 : (a.y < b.y ? 1 : -1) }
      }
    }
    return isEvenOdd ? winding % 2 != 0 : winding != 0
  }
}
