/// How much of each pixel is covered, from 0 to 1, row after row.
package struct CoverageMask: Hashable, Sendable {
  /// Pixels per row.
  package let width: Int
  /// Rows.
  package let height: Int
  /// `width * height` values.
  package var values: [Float]

  /// Creates an empty mask.
  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
    values = Array(repeating: 0, count: width * height)
  }

  /// Lays a layer with opacity `alpha` over what is there.
  mutating func composite(_ layer: CoverageMask, alpha: Float) {
    for index in values.indices {
      values[index] = 1 - (1 - values[index]) * (1 - alpha * layer.values[index])
    }
  }

  /// Multiplies with another mask, as clipping does.
  mutating func multiply(_ other: CoverageMask) {
    for index in values.indices { values[index] *= other.values[index] }
  }

  /// The shared over the joint number of pixels that are covered by at least `threshold`; 1 when both are empty.
  package func overlap(_ other: CoverageMask, threshold: Float = 0.5) -> Double {
    var (shared, joint) = (0, 0)
    for (a, b) in zip(values, other.values) {
      let (p, q) = (a >= threshold, b >= threshold)
      if p, q { shared += 1 }
      if p || q { joint += 1 }
    }
    return joint == 0 ? 1 : Double(shared) / Double(joint)
  }
}

/// Fills polygons, scan line by scan line.
///
/// Each row of pixels is cut into ``linesPerPixel`` scan lines; along a scan line coverage is exact.
struct MaskRasterizer {
  /// Scan lines per row of pixels.
  static let linesPerPixel = 5

  private struct Edge {
    var top: Double
    var bottom: Double
    var x: Double
    var slope: Double
    var winding: Int
  }

  let width: Int
  let height: Int
  private var edges: [Edge] = []
  /// How often the edges cross scan lines: the work of filling.
  private(set) var crossingCount = 0

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// Adds a closed polygon in pixel coordinates.
  mutating func add(_ points: [Point]) {
    guard points.count > 1 else { return }
    for (index, a) in points.enumerated() {
      let b = points[(index + 1) % points.count]
      guard a.y != b.y, a.x.isFinite, a.y.isFinite, b.x.isFinite, b.y.isFinite else { continue }
      let (upper, lower) = a.y < b.y ? (a, b) : (b, a)
      guard lower.y > 0, upper.y < Double(height) else { continue }
      let span = min(lower.y, Double(height)) - max(upper.y, 0)
      crossingCount += Int(span * Double(Self.linesPerPixel)) + 1
      edges.append(
        Edge(
          top: upper.y, bottom: lower.y, x: upper.x, slope: (lower.x - upper.x) / (lower.y - upper.y),
          winding: a.y < b.y ? 1 : -1))
    }
  }

  /// The coverage of the area inside.
  func fill(isEvenOdd: Bool) -> CoverageMask {
    var mask = CoverageMask(width: width, height: height)
    let sorted = edges.sorted { $0.top < $1.top }
    var next = 0
    var active: [Edge] = []
    let weight = 1 / Float(Self.linesPerPixel)
    var crossings: [(x: Double, winding: Int)] = []
    for line in 0..<(height * Self.linesPerPixel) {
      let y = (Double(line) + 0.5) / Double(Self.linesPerPixel)
      while next < sorted.count, sorted[next].top <= y {
        active.append(sorted[next])
        next += 1
      }
      active.removeAll { $0.bottom <= y }
      if active.isEmpty { continue }
      crossings.removeAll(keepingCapacity: true)
      for edge in active { crossings.append((edge.x + (y - edge.top) * edge.slope, edge.winding)) }
      crossings.sort { $0.x < $1.x }
      let row = line / Self.linesPerPixel * width
      var winding = 0
      for index in 0..<(crossings.count - 1) {
        winding += isEvenOdd ? 1 : crossings[index].winding
        if isEvenOdd ? winding % 2 == 1 : winding != 0 {
          addSpan(&mask.values, row, crossings[index].x, crossings[index + 1].x, weight)
        }
      }
    }
    for index in mask.values.indices { mask.values[index] = min(mask.values[index], 1) }
    return mask
  }

  private func addSpan(_ values: inout [Float], _ row: Int, _ from: Double, _ to: Double, _ weight: Float) {
    let start = min(max(from, 0), Double(width))
    let end = min(max(to, 0), Double(width))
    guard end > start else { return }
    let (first, last) = (Int(start), min(Int(end), width - 1))
    if first >= last {
      if first < width { values[row + first] += weight * Float(end - start) }
      return
    }
    values[row + first] += weight * Float(Double(first + 1) - start)
    for pixel in (first + 1)..<max(last, first + 1) { values[row + pixel] += weight }
    values[row + last] += weight * Float(end - Double(last))
  }
}
