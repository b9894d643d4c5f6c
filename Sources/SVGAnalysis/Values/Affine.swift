#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A point in the plane, y downwards.
package struct Point: Hashable, Sendable {
  /// Rightwards.
  package var x: Double
  /// Downwards.
  package var y: Double

  /// Creates a point.
  package init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }

  /// The distance to another point.
  package func distance(to other: Point) -> Double { hypot(x - other.x, y - other.y) }

  static func + (a: Point, b: Point) -> Point { Point(a.x + b.x, a.y + b.y) }
  static func - (a: Point, b: Point) -> Point { Point(a.x - b.x, a.y - b.y) }
  static func * (a: Point, s: Double) -> Point { Point(a.x * s, a.y * s) }
}

/// An affine map: `x' = a x + c y + e`, `y' = b x + d y + f`.
package struct Affine: Hashable, Sendable {
  /// The six numbers in the order of SVG's `matrix()`.
  package var a, b, c, d, e, f: Double

  /// Creates a map.
  package init(_ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double) {
    (self.a, self.b, self.c, self.d, self.e, self.f) = (a, b, c, d, e, f)
  }

  /// The map that changes nothing.
  package static let identity = Affine(1, 0, 0, 1, 0, 0)

  /// The image of a point.
  package func apply(_ point: Point) -> Point {
    Point(a * point.x + c * point.y + e, b * point.x + d * point.y + f)
  }

  /// The map that applies `inner` first, then this.
  package func concatenating(_ inner: Affine) -> Affine {
    Affine(
      a * inner.a + c * inner.b, b * inner.a + d * inner.b, a * inner.c + c * inner.d,
      b * inner.c + d * inner.d, a * inner.e + c * inner.f + e, b * inner.e + d * inner.f + f)
  }

  /// By how much areas grow; negative for mirrored maps.
  package var determinant: Double { a * d - b * c }

  /// By how much the longest-stretched direction grows.
  package var largestScale: Double {
    let sum = a * a + b * b + c * c + d * d
    let discriminant = max(sum * sum - 4 * determinant * determinant, 0).squareRoot()
    return ((sum + discriminant) / 2).squareRoot()
  }

  var isFinite: Bool { [a, b, c, d, e, f].allSatisfy(\.isFinite) }

  /// Parses a list of transforms: `matrix translate scale rotate skewX skewY`.
  ///
  /// - Parameter text: The value of a `transform` attribute.
  /// - Returns: Their product; `nil` when the list breaks the grammar, in which case renderers ignore it.
  package static func parse(_ text: String) -> Affine? {
    var scanner = NumberScanner(text)
    var result = Affine.identity
    scanner.skipSeparator()
    while !scanner.isAtEnd {
      let name = scanner.unit()
      scanner.skipSpace()
      guard !name.isEmpty, scanner.take(UInt8(ascii: "(")) else { return nil }
      var values: [Double] = []
      scanner.skipSpace()
      while let value = scanner.number(), values.count < 7 {
        values.append(value)
        _ = scanner.unit()
        scanner.skipSeparator()
      }
      guard scanner.take(UInt8(ascii: ")")), let next = make(name, values) else { return nil }
      result = result.concatenating(next)
      scanner.skipSeparator()
    }
    return result
  }

  private static func make(_ name: String, _ v: [Double]) -> Affine? {
    switch (name, v.count) {
    case ("matrix", 6): return Affine(v[0], v[1], v[2], v[3], v[4], v[5])
    case ("translate", 1): return Affine(1, 0, 0, 1, v[0], 0)
    case ("translate", 2): return Affine(1, 0, 0, 1, v[0], v[1])
    case ("scale", 1): return Affine(v[0], 0, 0, v[0], 0, 0)
    case ("scale", 2): return Affine(v[0], 0, 0, v[1], 0, 0)
    case ("rotate", 1), ("rotate", 3):
      let angle = v[0] * .pi / 180
      let turn = Affine(cos(angle), sin(angle), -sin(angle), cos(angle), 0, 0)
      guard v.count == 3 else { return turn }
      return Affine(1, 0, 0, 1, v[1], v[2]).concatenating(turn)
        .concatenating(Affine(1, 0, 0, 1, -v[1], -v[2]))
    case ("skewx", 1): return Affine(1, 0, tan(v[0] * .pi / 180), 1, 0, 0)
    case ("skewy", 1): return Affine(1, tan(v[0] * .pi / 180), 0, 1, 0, 0)
    default: return nil
    }
  }
}

/// An axis-parallel rectangle.
package struct Box: Hashable, Sendable {
  /// Left, top, right, bottom.
  package var minX, minY, maxX, maxY: Double

  /// Creates a box from its edges.
  package init(minX: Double, minY: Double, maxX: Double, maxY: Double) {
    (self.minX, self.minY, self.maxX, self.maxY) = (minX, minY, maxX, maxY)
  }

  /// A box that holds nothing and grows by ``add(_:)``.
  static let empty = Box(minX: .infinity, minY: .infinity, maxX: -.infinity, maxY: -.infinity)

  /// Whether nothing is in it; a line has a box that is not empty.
  package var isEmpty: Bool { !(minX <= maxX && minY <= maxY) }
  /// Right minus left.
  package var width: Double { max(maxX - minX, 0) }
  /// Bottom minus top.
  package var height: Double { max(maxY - minY, 0) }
  /// The middle.
  package var center: Point { Point((minX + maxX) / 2, (minY + maxY) / 2) }
  /// Width times height.
  package var area: Double { width * height }

  /// Grows to hold a point.
  package mutating func add(_ point: Point) {
    minX = min(minX, point.x)
    minY = min(minY, point.y)
    maxX = max(maxX, point.x)
    maxY = max(maxY, point.y)
  }

  /// The smallest box that holds both.
  package func union(_ other: Box) -> Box {
    Box(
      minX: min(minX, other.minX), minY: min(minY, other.minY), maxX: max(maxX, other.maxX),
      maxY: max(maxY, other.maxY))
  }

  /// What both share; empty when they are apart.
  package func intersection(_ other: Box) -> Box {
    Box(
      minX: max(minX, other.minX), minY: max(minY, other.minY), maxX: min(maxX, other.maxX),
      maxY: min(maxY, other.maxY))
  }

  /// The box grown by `margin` on each side.
  package func grown(by margin: Double) -> Box {
    Box(minX: minX - margin, minY: minY - margin, maxX: maxX + margin, maxY: maxY + margin)
  }

  /// Whether a point is in it, edges included.
  package func contains(_ point: Point) -> Bool {
    (minX...max(minX, maxX)).contains(point.x) && (minY...max(minY, maxY)).contains(point.y)
  }

  /// The shared area over the joint area; boxes thinner than `thickness` are taken as that thick.
  package func overlap(_ other: Box, thickness: Double) -> Double {
    func thick(_ box: Box) -> Box {
      let (dx, dy) = (max(thickness - box.width, 0) / 2, max(thickness - box.height, 0) / 2)
      return Box(minX: box.minX - dx, minY: box.minY - dy, maxX: box.maxX + dx, maxY: box.maxY + dy)
    }
    let (a, b) = (thick(self), thick(other))
    let shared = a.intersection(b)
    let area = shared.isEmpty ? 0 : shared.area
    let joint = a.area + b.area - area
    return joint > 0 ? area / joint : 1
  }
}
