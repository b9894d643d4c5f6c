import ModelEvaluation
import SVGAnalysis
import SVGRendering
import TestSupport
import Testing

@Suite("The paired score: metamorphic tests")
struct PairScoreTests {
  static func analysis(_ source: String, isFinished: Bool = true) -> DrawingAnalysis {
    DrawingAnalysis(answer: source, isFinished: isFinished) { drawing in
      guard let image = try? LibrsvgRenderer().render(drawing, width: 256, height: 256) else { return nil }
      return PixelImage(width: 256, height: 256, rgba: image.rgba)
    }
  }

  private static func total(_ base: String, _ other: String) throws -> Double {
    try #require(PairScore(base: analysis(base), other: analysis(other))).total
  }

  private static func bicycle(
    left: Double = 20, wheel: String = "red", body: String = "green", extra: String = "", saddle: Bool = true
  ) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><circle cx="\(left)" cy="52" r="10" fill="none" \
    stroke="\(wheel)" stroke-width="2"/><circle cx="52" cy="52" r="10" fill="none" stroke="red" stroke-width="2"/>\
    <path d="M20 52l10-14h18l4 14M30 38l6 14h-16" fill="none" stroke="black" stroke-width="2"/>\
    <ellipse cx="36" cy="24" rx="9" ry="8" fill="\(body)"/>\
    \(saddle ? "<rect x=\"26\" y=\"34\" width=\"10\" height=\"3\" fill=\"brown\"/>" : "")\(extra)</svg>
    """
  }

  private static let base = bicycle()

  @Test("weights sum to one, and the version is fixed")
  func weights() {
    #expect(abs(PairScore.weights.reduce(0, +) - 1) < 1e-12)
    #expect(PairScore.version == "svg-score/1")
  }

  @Test(
    "a drawing is 1 against itself",
    arguments: [
      base, "<svg viewBox='0 0 9 9'><text x='1' y='5'>A</text></svg>",
      "<svg viewBox='0 0 9 9'><rect width='9' height='9' fill='white'/></svg>",
    ])
  func identity(source: String) throws { #expect(abs(try Self.total(source, source) - 1) < 1e-12) }

  @Test("white space, the order of attributes, quotes and neutral groups change nothing")
  func invariance() throws {
    let spaced = Self.base.replacing("><", with: ">\n  <")
    let reordered = Self.base.replacing(
      #"cx="20.0" cy="52" r="10" fill="none""#, with: #"fill="none" r="10" cy="52" cx="20.0""#)
    let quoted = Self.base.replacing("\"", with: "'")
    let grouped = Self.base.replacing("<path", with: "<g><g><path").replacing(
      "<ellipse", with: "</g></g><ellipse")
    let whole = Self.base.replacing("72 72\">", with: "72 72\"><g>").replacing("</svg>", with: "</g></svg>")
    let fenced = "Here you are:\n```svg\n\(Self.base)\n```"
    let commented = Self.base.replacing("<ellipse", with: "<!-- a body --><ellipse")
    let styled = Self.base.replacing(#"fill="green""#, with: #"style="fill: green""#)
    #expect(reordered != Self.base && styled != Self.base)
    for other in [spaced, reordered, quoted, grouped, whole, fenced, commented, styled] {
      #expect(abs(try Self.total(Self.base, other) - 1) < 1e-12, "\(other)")
    }
  }

  @Test("the further a wheel is moved, the lower the score")
  func movedWheel() throws {
    let scores = try [20, 21, 23, 27, 33].map { try Self.total(Self.base, Self.bicycle(left: $0)) }
    for (near, far) in zip(scores, scores.dropFirst()) { #expect(near > far, "\(scores)") }
  }

  @Test("changed colours lower the score, two more than one")
  func changedColours() throws {
    let one = try Self.total(Self.base, Self.bicycle(body: "blue"))
    let two = try Self.total(Self.base, Self.bicycle(wheel: "purple", body: "blue"))
    #expect(one < 1 && two < one)
    // Structure alone does not see how large a change is; the picture does.
    let near = try #require(
      PairScore(base: Self.analysis(Self.base), other: Self.analysis(Self.bicycle(body: "#008800"))))
    let far = try #require(
      PairScore(base: Self.analysis(Self.base), other: Self.analysis(Self.bicycle(body: "#ff00ff"))))
    #expect(near.raster > far.raster)
  }

  @Test("dropped and added elements lower the score")
  func elements() throws {
    let dropped = Self.bicycle(saddle: false)
    let more = dropped.replacing(#"<ellipse cx="36" cy="24" rx="9" ry="8" fill="green"/>"#, with: "")
    let scores = try [Self.base, dropped, more].map { try Self.total(Self.base, $0) }
    #expect(scores[0] > scores[1] && scores[1] > scores[2], "\(scores)")
    let added = try Self.total(
      Self.base, Self.bicycle(extra: "<rect x='2' y='2' width='12' height='12' fill='blue'/>"))
    #expect(added < 1 && added > 0.5)
  }

  @Test("another drawing altogether is far below a damaged one")
  func otherDrawing() throws {
    let other = "<svg viewBox='0 0 72 72'><polygon points='36,8 64,60 8,60' fill='purple'/></svg>"
    #expect(try Self.total(Self.base, other) < 0.45)
  }

  @Test(
    "each failed gate makes 0",
    arguments: [
      ("no drawing", true, DrawingGate.extracted), (base, false, .finished),
      ("<svg viewBox='0 0 9 9'><rect", true, .finished),
      ("<svg viewBox='0 0 9 9'><rect></svg></rect>", true, .wellFormed),
      ("<svg viewBox='0 0 9 9'><script/><rect width='9' height='9'/></svg>", true, .allowed),
      ("<svg viewBox='0 0 9 9'><rect x='20' width='9' height='9'/></svg>", true, .visible),
      ("<svg viewBox='0 0 9 9'></svg>", true, .visible),
    ])
  func gates(answer: String, isFinished: Bool, gate: DrawingGate) throws {
    let other = Self.analysis(answer, isFinished: isFinished)
    #expect(other.failedGates.contains(gate), "\(other.failedGates)")
    #expect(try #require(PairScore(base: Self.analysis(Self.base), other: other)).total == 0)
    #expect(PairScore(base: other, other: Self.analysis(Self.base)) == nil)
  }

  @Test("all sub-scores lie between 0 and 1 for random drawings")
  func bounds() throws {
    var generator = SeededGenerator(seed: 11)
    func drawing() -> String {
      let shapes = (0..<Int.random(in: 1...6, using: &generator)).map { _ -> String in
        func n() -> Int { Int.random(in: 0...70, using: &generator) }
        let colour = ["red", "blue", "#abc", "white"].randomElement(using: &generator) ?? "red"
        return [
          "<circle cx='\(n())' cy='\(n())' r='\(n() + 1)' fill='\(colour)'/>",
          "<rect x='\(n())' y='\(n())' width='\(n() + 1)' height='\(n() + 1)' stroke='\(colour)' fill='none'/>",
          "<g transform='rotate(\(n()))'><path d='M\(n()) \(n())q\(n()) \(n()) \(n()) \(n())z' fill='\(colour)'/></g>",
        ].randomElement(using: &generator) ?? ""
      }
      return "<svg viewBox='0 0 72 72'>\(shapes.joined())<circle cx='36' cy='36' r='3'/></svg>"
    }
    for _ in 0..<6 {
      let (a, b) = (Self.analysis(drawing()), Self.analysis(drawing()))
      let score = try #require(PairScore(base: a, other: b))
      for value in [
        score.agreement, score.parts, score.tree, score.boxes, score.outlines, score.luminance,
        score.colours,
        score.edges, score.total,
      ] { #expect((0...1).contains(value)) }
      let back = try #require(PairScore(base: b, other: a))
      #expect(abs(back.total - score.total) < 1e-9, "the score is symmetric")
    }
  }
}
