import Foundation
import ReportPages
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Size against divergence")
struct SizeChartTests {
  private func point(_ name: String, _ bytes: Int, _ value: Double, _ range: ClosedRange<Double>? = nil)
    -> SizeChart.Point
  {
    SizeChart.Point(
      name: name, kind: .gguf, byteCount: bytes, actual: SizeChart.Measured(value, range), title: name)
  }

  private func isXML(_ text: String) -> Bool { XMLParser(data: Data(text.utf8)).parse() }

  @Test("the document is XML, whatever the names are; a point without a place is not drawn")
  func document() {
    let points = [
      point("<a> & \"b\"", 1_000_000, 0.01, 0.005...0.02), point("zero", 2_000_000, 0),
      point("odd", 3_000_000, .nan), point("Q8_0", 4_000_000, 0.0001),
    ]
    let chart = SizeChart(points, .picture, heading: "<nats>")
    #expect(chart.placedCount == 2)
    let text = chart.document(title: "a < b")
    #expect(isXML(text) && text.contains("&lt;a&gt; &amp; &quot;b&quot;"))
    #expect(text.components(separatedBy: "<circle").count == 3)
    #expect(!text.contains("nan") && !text.contains("inf"))
  }

  @Test("less loss is lower, a larger file further right")
  func places() throws {
    let text = SizeChart([point("small", 1_000_000, 0.1), point("large", 9_000_000, 0.001)], .wide).svg(
      label: "x")
    let found = text.matches(of: /cx="([\d.]+)" cy="([\d.]+)"/).compactMap { match -> (Double, Double)? in
      guard let x = Double(match.output.1), let y = Double(match.output.2) else { return nil }
      return (x, y)
    }
    try #require(found.count == 2)
    #expect(found[0].0 < found[1].0 && found[0].1 < found[1].1)
  }

  @Test("one point, and equal points, have a chart, too")
  func degenerate() {
    for points in [[point("a", 5, 0.5)], [point("a", 0, 1), point("b", 0, 1)], []] {
      let text = SizeChart(points, .narrow).document(title: "")
      #expect(isXML(text) && !text.contains("nan") && !text.contains("inf"))
    }
  }

  @Test(
    "a wide interval is cut within two decades of the values, and no label is longer than the edge has room for"
  )
  func wideIntervals() throws {
    let wide = 9.14e-15...586_026_574.0
    for size in [SizeChart.Size.wide, .narrow, .picture] {
      let text = SizeChart([point("a", 1_000_000, 0.1, wide), point("b", 2_000_000, 0.01, 0.0...0.02)], size)
        .document(title: "")
      let range = try #require(text.firstMatch(of: /class="range" d="([^"]*)"/))
      // An arrow at either end.
      #expect(range.output.1.matches(of: /M/).count == 3, "\(range.output.1)")
      let labels = text.matches(of: /text-anchor="end">([^<]*)<\/text>/).map { String($0.output.1) }
        .filter { $0 != "size of the file" }
      #expect(labels.contains("0.01") && labels.contains("0.1") && !labels.contains("1e8"), "\(labels)")
      let heights = text.matches(of: /cy="([\d.]+)"/).compactMap { Double($0.output.1) }
      // A decade between the values is at least a sixth of the height.
      #expect(abs(heights[0] - heights[1]) > 55, "\(heights)")
    }
    for exponent in [-12, -6, -5, 0, 5, 9] {
      let values = [1.0, 2].map { $0 * pow(10, Double(exponent)) }
      let text = SizeChart(values.map { point("p", 1, $0) }, .narrow).document(title: "")
      let labels = text.matches(of: /text-anchor="end">([\d.e-]+)<\/text>/).map { String($0.output.1) }
      #expect(!labels.isEmpty && labels.allSatisfy { $0.count <= 7 && Double($0) != nil }, "\(labels)")
    }
    #expect(SizeChart([point("a", 1, 0.1, -1.0...Double.infinity)], .wide).placedCount == 1)
  }
}
