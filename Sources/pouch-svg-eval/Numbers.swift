import CommandSupport
import Foundation
import ModelEvaluation

/// Numbers as tables show them.
enum Numbers {
  /// An estimate as `value [low, high]`, or the value alone when it has no interval.
  static func interval(_ estimate: Estimate, _ places: Int, scale: Double = 1) -> String {
    let range = range(estimate, places, scale: scale)
    return value(estimate, places, scale: scale) + (range.isEmpty ? "" : " [\(range)]")
  }

  /// The number of an estimate, with more places where it would round to 0.
  static func value(_ estimate: Estimate, _ places: Int, scale: Double = 1) -> String {
    text(scale * estimate.value, like: scale * estimate.value, places)
  }

  /// The ends of an interval, empty when there is none.
  static func range(_ estimate: Estimate, _ places: Int, scale: Double = 1, separator: String = ", ")
    -> String
  {
    guard let interval = estimate.interval95 else { return "" }
    return [interval.lowerBound, interval.upperBound].map {
      text(scale * $0, like: scale * estimate.value, places)
    }.joined(separator: separator)
  }

  /// A number with the places that another one needs to show a digit; very small ones with an exponent.
  private static func text(_ value: Double, like other: Double, _ places: Int) -> String {
    guard other != 0, other.isFinite, value.isFinite else { return decimals(value, places) }
    let needed = Int((-log10(abs(other))).rounded(.up)) + 1
    guard needed > 7 || abs(value) >= 1e5 else { return decimals(value, max(places, needed)) }
    guard value != 0 else { return "0" }
    let exponent = Int(log10(abs(value)).rounded(.down))
    return "\(decimals(value / pow(10, Double(exponent)), 1))e\(exponent)"
  }
}
