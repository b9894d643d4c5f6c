#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A step of a path in absolute coordinates; arcs and quadratic curves are cubic ones.
package enum PathStep: Hashable, Sendable {
  /// Begins a subpath.
  case move(Point)
  /// A straight line.
  case line(Point)
  /// A cubic Bézier curve: two control points and the end.
  case cubic(Point, Point, Point)
  /// A line back to the beginning of the subpath.
  case close
}

/// The content of a `d` attribute.
package struct PathData: Hashable, Sendable {
  /// The steps.
  package var steps: [PathStep] = []
  /// Numbers read.
  package var numberCount = 0
  /// Whether the grammar was kept to the end; after an error, what came before it is kept, as SVG demands.
  package var isComplete = true

  /// Creates an empty path.
  package init() {}

  /// Parses path data: `M L H V C S Q T A Z`, absolute and relative.
  ///
  /// - Parameter text: The value of `d`.
  /// - Complexity: O(length).
  package init(parsing text: String) {
    var parser = PathParser(text)
    parser.run()
    steps = parser.steps
    numberCount = parser.numberCount
    isComplete = parser.isComplete
  }

  /// Appends a polyline.
  mutating func addPolyline(_ points: [Point], closed: Bool) {
    guard let first = points.first else { return }
    steps.append(.move(first))
    for point in points.dropFirst() { steps.append(.line(point)) }
    if closed { steps.append(.close) }
  }

  /// Appends an elliptical arc as cubic curves, by the conversion of SVG's implementation notes (F.6).
  mutating func addArc(
    from start: Point, radii: Point, rotation degrees: Double, isLarge: Bool, sweeps: Bool, to end: Point
  ) {
    if start == end { return }
    var (rx, ry) = (abs(radii.x), abs(radii.y))
    guard rx > 0, ry > 0 else { return steps.append(.line(end)) }
    let angle = degrees * .pi / 180
    let (sine, cosine) = (sin(angle), cos(angle))
    let half = Point((start.x - end.x) / 2, (start.y - end.y) / 2)
    let u = Point(cosine * half.x + sine * half.y, -sine * half.x + cosine * half.y)
    let spread = u.x * u.x / (rx * rx) + u.y * u.y / (ry * ry)
    if spread > 1 {
      rx *= spread.squareRoot()
      ry *= spread.squareRoot()
    }
    let below = rx * rx * u.y * u.y + ry * ry * u.x * u.x
    let ratio = max(rx * rx * ry * ry / below - 1, 0).squareRoot() * (isLarge == sweeps ? -1 : 1)
    let center = Point(ratio * rx * u.y / ry, -ratio * ry * u.x / rx)
    let first = atan2((u.y - center.y) / ry, (u.x - center.x) / rx)
    var sweep = atan2((-u.y - center.y) / ry, (-u.x - center.x) / rx) - first
    if sweeps, sweep < 0 { sweep += 2 * .pi }
    if !sweeps, sweep > 0 { sweep -= 2 * .pi }
    let middle = (start + end) * 0.5
    let place = Affine(cosine * rx, sine * rx, -sine * ry, cosine * ry, 0, 0)
    let shift = Affine(cosine, sine, -sine, cosine, middle.x, middle.y).apply(center)
    let count = max(1, Int((abs(sweep) / (.pi / 2) - 1e-9).rounded(.up)))
    let step = sweep / Double(count)
    let reach = 4 / 3 * tan(step / 4)
    for index in 0..<count {
      let (a, b) = (first + Double(index) * step, first + Double(index + 1) * step)
      let p = Point(cos(a) - reach * sin(a), sin(a) + reach * cos(a))
      let q = Point(cos(b) + reach * sin(b), sin(b) - reach * cos(b))
      let last = index == count - 1 ? end : place.apply(Point(cos(b), sin(b))) + shift
      steps.append(.cubic(place.apply(p) + shift, place.apply(q) + shift, last))
    }
  }
}

/// Reads path data.
private struct PathParser {
  var steps: [PathStep] = []
  var numberCount = 0
  var isComplete = true

  private var scanner: NumberScanner
  private var current = Point(0, 0)
  private var start = Point(0, 0)
  /// The second control point of the last cubic or quadratic curve, for `S` and `T`.
  private var lastCubic: Point?
  private var lastQuadratic: Point?
  private var isRelative = false
  private var hasMoved = false

  init(_ text: String) { scanner = NumberScanner(text) }

  mutating func run() {
    scanner.skipSpace()
    var command: UInt8 = 0
    while let byte = scanner.current {
      if (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) {
        command = byte
        scanner.index += 1
        scanner.skipSpace()
      } else if command == 0 || command | 0x20 == UInt8(ascii: "z") {
        return fail()
      } else if command == UInt8(ascii: "M") {
        command = UInt8(ascii: "L")
      } else if command == UInt8(ascii: "m") {
        command = UInt8(ascii: "l")
      }
      isRelative = command >= 0x61
      guard hasMoved || command | 0x20 == UInt8(ascii: "m"), step(command | 0x20) else { return fail() }
      scanner.skipSpace()
      if command | 0x20 != UInt8(ascii: "z"), scanner.take(UInt8(ascii: ",")) {
        scanner.skipSpace()
        // A comma separates numbers alone.
        guard let next = scanner.current, next | 0x20 < 0x61 else { return fail() }
      }
    }
  }

  private mutating func fail() { isComplete = false }

  private mutating func number() -> Double? {
    guard let value = scanner.number() else { return nil }
    numberCount += 1
    return value
  }

  /// `count` numbers with separators between them.
  private mutating func numbers(_ count: Int) -> [Double]? {
    var values: [Double] = []
    for index in 0..<count {
      if index > 0 { scanner.skipSeparator() }
      guard let value = number() else { return nil }
      values.append(value)
    }
    return values
  }

  private mutating func points(_ count: Int) -> [Point]? {
    guard let values = numbers(2 * count) else { return nil }
    let origin = isRelative ? current : Point(0, 0)
    return (0..<count).map { Point(values[2 * $0], values[2 * $0 + 1]) + origin }
  }

  /// A flag is one character, so that `11` is two of them.
  private mutating func flag() -> Bool? {
    scanner.skipSeparator()
    if scanner.take(UInt8(ascii: "0")) { return false }
    if scanner.take(UInt8(ascii: "1")) { return true }
    return nil
  }

  private mutating func step(_ letter: UInt8) -> Bool {
    var (cubic, quadratic): (Point?, Point?) = (nil, nil)
    switch letter {
    case UInt8(ascii: "m"):
      guard let p = points(1) else { return false }
      hasMoved = true
      start = p[0]
      steps.append(.move(p[0]))
      current = p[0]
    case UInt8(ascii: "z"):
      steps.append(.close)
      current = start
    case UInt8(ascii: "l"):
      guard let p = points(1) else { return false }
      line(to: p[0])
    case UInt8(ascii: "h"):
      guard let v = numbers(1) else { return false }
      line(to: Point(v[0] + (isRelative ? current.x : 0), current.y))
    case UInt8(ascii: "v"):
      guard let v = numbers(1) else { return false }
      line(to: Point(current.x, v[0] + (isRelative ? current.y : 0)))
    case UInt8(ascii: "c"):
      guard let p = points(3) else { return false }
      curve(p[0], p[1], p[2])
      cubic = p[1]
    case UInt8(ascii: "s"):
      guard let p = points(2) else { return false }
      let first = lastCubic.map { current * 2 - $0 } ?? current
      curve(first, p[0], p[1])
      cubic = p[0]
    case UInt8(ascii: "q"):
      guard let p = points(2) else { return false }
      quadratic = p[0]
      quad(p[0], p[1])
    case UInt8(ascii: "t"):
      guard let p = points(1) else { return false }
      let control = lastQuadratic.map { current * 2 - $0 } ?? current
      quadratic = control
      quad(control, p[0])
    case UInt8(ascii: "a"):
      guard arc() else { return false }
    default: return false
    }
    lastCubic = cubic
    lastQuadratic = quadratic
    return true
  }

  private mutating func arc() -> Bool {
    guard let v = numbers(3), let isLarge = flag(), let sweeps = flag() else { return false }
    scanner.skipSeparator()
    guard let end = points(1)?[0] else { return false }
    var path = PathData()
    path.addArc(
      from: current, radii: Point(v[0], v[1]), rotation: v[2], isLarge: isLarge, sweeps: sweeps, to: end)
    steps += path.steps
    current = end
    return true
  }

  private mutating func line(to end: Point) {
    steps.append(.line(end))
    current = end
  }

  private mutating func curve(_ a: Point, _ b: Point, _ end: Point) {
    steps.append(.cubic(a, b, end))
    current = end
  }

  private mutating func quad(_ control: Point, _ end: Point) {
    let a = current + (control - current) * (2.0 / 3)
    curve(a, end + (control - end) * (2.0 / 3), end)
  }
}
