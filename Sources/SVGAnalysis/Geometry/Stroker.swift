#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Turns a stroke into convex pieces whose union is the stroked area.
///
/// All pieces turn the same way, so that the nonzero rule unites them.
struct Stroker {
  let radius: Double
  let style: SVGStyle
  /// The largest distance between a round part and its polygon.
  let tolerance: Double
  private(set) var pieces: [[Point]] = []

  init(width: Double, style: SVGStyle, tolerance: Double) {
    radius = width / 2
    self.style = style
    self.tolerance = tolerance
  }

  /// Adds the stroke of a line, dashed when the style says so.
  mutating func add(_ line: Polyline, dashLimit: Int) {
    let period = style.dashes.reduce(0, +) * (style.dashes.count % 2 == 1 ? 2 : 1)
    let dashCount = period > 0 ? line.length / period * Double(style.dashes.count * 2) : 0
    guard period > 0, dashCount.isFinite, dashCount < Double(dashLimit) else { return addSolid(line) }
    for dash in dashes(line) { addSolid(dash) }
  }

  private mutating func addSolid(_ line: Polyline) {
    var points: [Point] = []
    for point in line.points where points.last != point { points.append(point) }
    if line.isClosed, points.count > 1, points.last == points.first { points.removeLast() }
    guard points.count > 1 else {
      // A subpath without length shows its round or square caps.
      guard let point = points.first, line.points.count > 1 || line.isClosed else { return }
      if style.cap == .round { addCircle(point) }
      if style.cap == .square { addSegment(point - Point(radius, 0), point + Point(radius, 0)) }
      return
    }
    let count = points.count
    let sides = line.isClosed ? count : count - 1
    for index in 0..<sides {
      var (a, b) = (points[index], points[(index + 1) % count])
      if !line.isClosed, style.cap == .square {
        let unit = (b - a) * (radius / a.distance(to: b))
        if index == 0 { a = a - unit }
        if index == sides - 1 { b = b + unit }
      }
      addSegment(a, b)
    }
    let joints = line.isClosed ? 0..<count : 1..<(count - 1)
    for index in joints {
      addJoin(points[(index + count - 1) % count], points[index], points[(index + 1) % count])
    }
    if !line.isClosed, style.cap == .round {
      addCircle(points[0])
      addCircle(points[count - 1])
    }
  }

  private mutating func addPiece(_ points: [Point]) {
    var area = 0.0
    for (index, point) in points.enumerated() {
      let next = points[(index + 1) % points.count]
      area += point.x * next.y - next.x * point.y
    }
    if area != 0 { pieces.append(area > 0 ? points : points.reversed()) }
  }

  private mutating func addSegment(_ a: Point, _ b: Point) {
    let length = a.distance(to: b)
    guard length > 0 else { return }
    let side = Point((a.y - b.y) / length * radius, (b.x - a.x) / length * radius)
    addPiece([a + side, b + side, b - side, a - side])
  }

  private mutating func addCircle(_ center: Point) {
    let step = radius > tolerance ? 2 * acos(1 - tolerance / radius) : 1
    let count = min(max(Int((2 * .pi / step).rounded(.up)), 8), 128)
    addPiece(
      (0..<count).map { index in
        let angle = 2 * .pi * Double(index) / Double(count)
        return center + Point(cos(angle), sin(angle)) * radius
      })
  }

  private mutating func addJoin(_ before: Point, _ at: Point, _ after: Point) {
    let (u, v) = (unit(before, at), unit(at, after))
    let cross = u.x * v.y - u.y * v.x
    let dot = u.x * v.x + u.y * v.y
    if abs(cross) < 1e-9, dot > 0 { return }
    // Bends of a flattened curve are small; there the kinds of joins do not differ visibly.
    let isSmall = dot > 0.9
    if style.join == .round, !isSmall { return addCircle(at) }
    let turn = cross > 0 ? -1.0 : 1.0
    let a = at + Point(-u.y, u.x) * (radius * turn)
    let b = at + Point(-v.y, v.x) * (radius * turn)
    // The miter's length over the stroke's width is 1 / sin(angle / 2), where cos(angle) = -dot.
    let sine = max((1 + dot) / 2, 0).squareRoot()
    if isSmall || (style.join == .miter && sine * style.miterLimit >= 1 && sine > 1e-6) {
      let middle = Point((a.x + b.x) / 2 - at.x, (a.y + b.y) / 2 - at.y)
      let reach = middle.distance(to: Point(0, 0))
      if reach > 0 {
        let tip = at + middle * (radius / sine / reach)
        return addPiece([at, a, tip, b])
      }
    }
    addPiece([at, a, b])
  }

  private func unit(_ a: Point, _ b: Point) -> Point { (b - a) * (1 / max(a.distance(to: b), 1e-300)) }

  /// The dashes of a line as open lines.
  private func dashes(_ line: Polyline) -> [Polyline] {
    let pattern = style.dashes.count % 2 == 1 ? style.dashes + style.dashes : style.dashes
    let period = pattern.reduce(0, +)
    var phase = fmod(style.dashOffset, period)
    if phase < 0 { phase += period }
    var index = 0
    while phase >= pattern[index] && (phase > 0 || pattern[index] == 0) {
      phase -= pattern[index]
      index = (index + 1) % pattern.count
    }
    var left = pattern[index] - phase
    var result: [Polyline] = []
    var dash: [Point] = []
    let points = line.isClosed ? line.points + line.points.prefix(1) : line.points
    guard var at = points.first else { return [] }
    if index % 2 == 0 { dash = [at] }
    for next in points.dropFirst() {
      var rest = at.distance(to: next)
      while rest > left {
        at = at + (next - at) * (left / rest)
        rest -= left
        if index % 2 == 0 {
          result.append(Polyline(points: dash + [at], isClosed: false))
          dash = []
        } else {
          dash = [at]
        }
        index = (index + 1) % pattern.count
        left = pattern[index]
      }
      left -= rest
      at = next
      if index % 2 == 0 { dash.append(at) }
    }
    if dash.count > 1 { result.append(Polyline(points: dash, isClosed: false)) }
    return result
  }
}
