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
}
