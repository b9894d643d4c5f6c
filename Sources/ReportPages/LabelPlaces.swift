/// Finds places for names beside the points of a chart, where they cover neither points nor each other.
struct LabelPlaces {
  /// A rectangle.
  struct Box: Hashable {
    var x: Double
    var y: Double
    var width: Double
    var height: Double

    func meets(_ other: Box) -> Bool {
      x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height
    }

    func isInside(_ other: Box) -> Bool {
      x >= other.x && y >= other.y && x + width <= other.x + other.width
        && y + height <= other.y + other.height
    }
  }

  /// Where a name stands: the start of its base line, or the end where it stands left of its point.
  struct Place: Hashable {
    var x: Double
    var y: Double
    var isEnd: Bool
  }

  private let bounds: Box
  private var taken: [Box]
  private let height: Double

  /// Prepares a chart.
  ///
  /// - Parameters:
  ///   - bounds: Where names may be.
  ///   - taken: What they must not cover.
  ///   - height: The size of the font.
  init(bounds: Box, taken: [Box], height: Double) {
    self.bounds = bounds
    self.taken = taken
    self.height = height
  }

  /// Takes a place for a name, the nearest that is free.
  ///
  /// - Returns: `nil` when there is none.
  mutating func place(_ name: String, at x: Double, _ y: Double) -> Place? {
    // Digits and capitals of bold sans-serif fonts are up to 0.7 of the size wide.
    let width = 0.7 * height * Double(name.count)
    for distance in [8.0, 14, 24] {
      let offsets = [
        (distance, -height / 2), (-distance - width, -height / 2), (-width / 2, -distance - height),
        (-width / 2, distance), (0.7 * distance, -0.7 * distance - height),
        (-0.7 * distance - width, -0.7 * distance - height), (0.7 * distance, 0.7 * distance),
        (-0.7 * distance - width, 0.7 * distance),
      ]
      for (dx, dy) in offsets {
        let box = Box(x: x + dx, y: y + dy, width: width, height: height)
        guard box.isInside(bounds), !taken.contains(where: box.meets) else { continue }
        taken.append(box)
        // The true width is less, so that a name on the left would stand off from its point.
        let isEnd = dx <= -width
        return Place(x: isEnd ? box.x + width : box.x, y: box.y + 0.8 * height, isEnd: isEnd)
      }
    }
    return nil
  }
}
