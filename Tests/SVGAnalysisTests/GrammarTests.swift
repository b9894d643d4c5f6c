import SVGAnalysis
import TestSupport
import Testing

@Suite("Paths, transforms, colours")
struct GrammarTests {
  private func ends(_ text: String) -> [Point] {
    PathData(parsing: text).steps.compactMap { step in
      switch step {
      case .move(let p), .line(let p), .cubic(_, _, let p): p
      case .close: nil
      }
    }
  }

  private func close(_ a: [Point], _ b: [Point]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.distance(to: $1) < 1e-9 }
  }

  @Test(
    "paths end where they should",
    arguments: [
      ("M10 20L30 40", [Point(10, 20), Point(30, 40)]),
      ("M10 20 30 40 50 60", [Point(10, 20), Point(30, 40), Point(50, 60)]),
      ("m10 20 30 40 50 60", [Point(10, 20), Point(40, 60), Point(90, 120)]),
      ("M1 2h3v4H5V6", [Point(1, 2), Point(4, 2), Point(4, 6), Point(5, 6), Point(5, 6)]),
      ("M0 0l10 0z l0 5", [Point(0, 0), Point(10, 0), Point(0, 5)]),
      ("M.5.5.6-.7", [Point(0.5, 0.5), Point(0.6, -0.7)]),
      ("M1e1 2E-1-3+4", [Point(10, 0.2), Point(-3, 4)]),
      ("M0 0c1 2 3 4 5 6s1 1 2 2", [Point(0, 0), Point(5, 6), Point(7, 8)]),
      ("M0,0 Q 5,5 10,0 T 20,0", [Point(0, 0), Point(10, 0), Point(20, 0)]),
      ("M 0 0 , L 5 5", [Point(0, 0)]),
      ("M10 10L20", [Point(10, 10)]),
      ("L5 5", []),
      ("M5 5 #", [Point(5, 5)]),
    ])
  func paths(text: String, expected: [Point]) {
    #expect(close(ends(text), expected), "\(ends(text))")
  }

  @Test("after an error the path is kept up to it")
  func partial() {
    #expect(PathData(parsing: "M0 0L1 1L2").isComplete == false)
    #expect(PathData(parsing: "M0 0L1 1").isComplete)
    #expect(PathData(parsing: "").isComplete)
    #expect(PathData(parsing: "M0 0z m5 5 3 3").isComplete)
  }

  @Test("flags of arcs need no separators")
  func arcFlags() {
    let packed = PathData(parsing: "M0 0a5 5 0 1110 0")
    let spaced = PathData(parsing: "M0 0 a 5 5 0 1 1 10 0")
    #expect(packed == spaced)
    #expect(packed.steps.count == 3)
    #expect(PathData(parsing: "M0 0a5 5 0 2 1 10 0").isComplete == false)
  }

  @Test("every point of an arc lies on its ellipse")
  func arcs() throws {
    for (isLarge, sweeps, lowest) in [
      ("0", "1", true), ("0", "0", false), ("1", "1", true), ("1", "0", false),
    ] {
      let clean = try SanitizedSVG(
        source: "<svg viewBox='0 0 100 100'><path d='M20 50A30 30 0 \(isLarge) \(sweeps) 50 50'/></svg>")
      let shape = try #require(try Drawing(clean).shapes.first)
      let points = try #require(shape.outline.first).points
      // Both centres of radius 30 through (20, 50) and (50, 50).
      let height = (30.0 * 30 - 15 * 15).squareRoot()
      let onEither = [50 - height, 50 + height].contains { y in
        points.allSatisfy { abs($0.distance(to: Point(35, y)) - 30) < 0.02 }
      }
      #expect(onEither)
      let isUpper = points.contains { $0.y < 49 }
      #expect(isUpper == lowest, "sweep 1 goes over the top from left to right")
      let tall = (points.map(\.y).max() ?? 0) - (points.map(\.y).min() ?? 0)
      #expect((tall > 30) == (isLarge == "1"))
    }
  }

  @Test("radii that are too small grow")
  func smallRadii() throws {
    let clean = try SanitizedSVG(
      source: "<svg viewBox='0 0 100 100'><path d='M0 50A1 1 0 0 1 80 50z'/></svg>")
    let box = try #require(try Drawing(clean).shapes.first).outlineBox
    #expect(abs(box.minY - 10) < 0.05 && abs(box.maxY - 50) < 0.05)
  }

  @Test(
    "transforms move the point (3, 4)",
    arguments: [
      ("translate(10)", Point(13, 4)), ("translate(10 20)", Point(13, 24)),
      ("translate(10,20)", Point(13, 24)),
      ("scale(2)", Point(6, 8)), ("scale(2 -1)", Point(6, -4)), ("rotate(90)", Point(-4, 3)),
      ("rotate(180 5 5)", Point(7, 6)), ("matrix(1 2 3 4 5 6)", Point(20, 28)),
      ("translate(1 1)scale(2)", Point(7, 9)), ("scale(2) , translate(1 1)", Point(8, 10)),
      ("skewX(45)", Point(7, 4)), ("skewY(45)", Point(3, 7)), ("", Point(3, 4)),
    ])
  func transforms(text: String, expected: Point) throws {
    let map = try #require(Affine.parse(text))
    #expect(map.apply(Point(3, 4)).distance(to: expected) < 1e-9)
  }

  @Test(
    "broken transforms are none",
    arguments: [
      "rotate()", "rotate(1 2)", "scale(1,2,3)", "turn(3)", "matrix(1 2 3)", "translate(1", "translate 1",
    ])
  func brokenTransforms(text: String) { #expect(Affine.parse(text) == nil) }

  @Test("a product of maps applies the right one first")
  func product() {
    var generator = SeededGenerator(seed: 7)
    func map() -> Affine {
      func n() -> Double { Double.random(in: -2...2, using: &generator) }
      return Affine(n(), n(), n(), n(), n(), n())
    }
    for _ in 0..<50 {
      let (a, b, p) = (map(), map(), Point(1.5, -0.5))
      #expect(a.concatenating(b).apply(p).distance(to: a.apply(b.apply(p))) < 1e-9)
      #expect(abs(a.concatenating(b).determinant - a.determinant * b.determinant) < 1e-9)
      // The largest scale is what no direction exceeds.
      for step in 0..<16 {
        let angle = Double(step) / 16 * 3.14159
        let (c, s) = (1 - angle * angle / 2, angle)
        let length = (c * c + s * s).squareRoot()
        let image = a.apply(Point(c, s)).distance(to: a.apply(Point(0, 0)))
        #expect(image / length <= a.largestScale + 1e-9)
      }
    }
  }

  @Test(
    "colours",
    arguments: [
      ("red", "#ff0000", 1.0), ("RebeccaPurple", "#663399", 1.0), ("#abc", "#aabbcc", 1.0),
      ("#abc8", "#aabbcc", 136.0 / 255),
      ("#12345680", "#123456", 128.0 / 255), ("rgb(1,2,3)", "#010203", 1.0),
      ("rgb(100%, 0%, 50%)", "#ff0080", 1.0),
      ("rgba(1 2 3 / 50%)", "#010203", 0.5), ("rgb(300,-5,0)", "#ff0000", 1.0),
      ("hsl(120,100%,25%)", "#008000", 1.0),
      ("hsl(-120deg 100% 50% / .25)", "#0000ff", 0.25), ("  Tan ", "#d2b48c", 1.0),
      ("transparent", "#000000", 0.0),
    ])
  func colours(text: String, hex: String, alpha: Double) throws {
    let colour = try #require(SVGColour.parse(text))
    #expect(colour.hexText == hex)
    #expect(abs(colour.alpha - alpha) < 1e-9)
  }

  @Test(
    "no colours",
    arguments: ["", "#", "#12", "#12345", "#ggg", "rgb(1,2)", "redd", "hsl()", "url(#a)", "none"])
  func noColours(text: String) { #expect(SVGColour.parse(text) == nil) }

  @Test("known values in L*a*b*")
  func lab() {
    #expect(abs(SVGColour(255, 255, 255).lab.l - 100) < 1e-3)
    let red = SVGColour(255, 0, 0).lab
    #expect(abs(red.l - 53.24) < 0.01 && abs(red.a - 80.09) < 0.01 && abs(red.b - 67.20) < 0.01)
    #expect(abs(SVGColour.black.distance(to: SVGColour(255, 255, 255)) - 100) < 1e-3)
  }
}
