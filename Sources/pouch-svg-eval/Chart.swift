import CommandSupport
import Foundation
import ModelEvaluation
import SVGAnalysis

/// A small chart of values with intervals, one row per model, as inline SVG.
struct Chart {
  var title: String
  var note: String
  var isLogarithmic: Bool
  var places: Int
  var rows: [(label: String, estimate: Estimate)]

  /// The chart, with its numbers as a description for those who do not see it.
  var svg: String {
    let height = 26 * rows.count + 22
    let (left, right) = (122.0, 290.0)
    let described = rows.map { "\($0.label) \(Numbers.interval($0.estimate, places))" }.joined(
      separator: "; ")
    var parts = [
      "<svg viewBox=\"0 0 360 \(height)\" role=\"img\" aria-label=\"\(escape(title + ": " + described))\">"
    ]
    let (low, high) = range
    func place(_ value: Double) -> Double {
      let shown = isLogarithmic ? log10(max(value, low)) : value
      let (a, b) = isLogarithmic ? (log10(low), log10(high)) : (low, high)
      return left + (right - left) * min(max((shown - a) / max(b - a, 1e-12), 0), 1)
    }
    for tick in ticks(low, high) {
      let x = decimals(place(tick), 1)
      parts.append(
        "<path class=\"axis\" d=\"M\(x) 0V\(26 * rows.count)\"/>"
          + "<text class=\"soft\" x=\"\(x)\" y=\"\(height - 5)\" text-anchor=\"middle\">\(Self.short(tick))</text>"
      )
    }
    for (index, row) in rows.enumerated() {
      let y = 26 * index + 13
      let bar = row.estimate.interval95.map {
        "<path class=\"bar\" d=\"M\(decimals(place($0.lowerBound), 1)) \(y)H\(decimals(place($0.upperBound), 1))\"/>"
      }
      let label = row.label.count > 17 ? row.label.prefix(16) + "…" : Substring(row.label)
      parts.append(
        "<text x=\"0\" y=\"\(y + 4)\">\(escape(String(label)))</text>"
          + (bar ?? "")
          + "<circle class=\"dot\" cx=\"\(decimals(place(row.estimate.value), 1))\" cy=\"\(y)\" r=\"5\"/>"
          + "<text x=\"358\" y=\"\(y + 4)\" text-anchor=\"end\">\(Numbers.value(row.estimate, places))</text>"
      )
    }
    return parts.joined() + "</svg>"
  }

  private var range: (Double, Double) {
    let highs = rows.map { $0.estimate.interval95?.upperBound ?? $0.estimate.value }
    let lows = rows.flatMap { [$0.estimate.interval95?.lowerBound ?? $0.estimate.value, $0.estimate.value] }
    if isLogarithmic {
      let positive = lows.filter { $0 > 0 }
      let low = pow(10, floor(log10(max(positive.min() ?? 1e-5, 1e-6))))
      return (low, max(pow(10, ceil(log10(max(highs.max() ?? 1, 1e-6)))), low * 10))
    }
    let low = min(lows.min() ?? 0, 1)
    return (max(0, floor(low * 10) / 10), 1)
  }

  private func ticks(_ low: Double, _ high: Double) -> [Double] {
    guard isLogarithmic else { return [low, (low + high) / 2, high] }
    let (first, last) = (Int(log10(low).rounded()), Int(log10(high).rounded()))
    let step = last - first > 4 ? 2 : 1
    return stride(from: first, through: last, by: step).map { pow(10, Double($0)) }
  }

  private static func short(_ value: Double) -> String {
    for places in 0...9
    where abs((value * pow(10, Double(places))).rounded() / pow(10, Double(places)) - value) < 1e-9 {
      return decimals(value, places)
    }
    return "\(value)"
  }

  private func escape(_ text: String) -> String { SanitizedSVG.escaped(text) }
}
