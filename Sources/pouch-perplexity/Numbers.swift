import CommandSupport
import ModelEvaluation

/// Numbers as the tables show them.
enum Numbers {
  /// Text at the right end of a field.
  static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// A number in a field of some width.
  static func field(_ value: Double, _ width: Int, _ places: Int) -> String {
    // A value that rounds to zero keeps its sign in C's output.
    let text = plain(value, places)
    return padded(value < 0 && !text.hasPrefix("-") && value.isFinite ? "-" + text : text, width)
  }

  /// A number with its interval: `0.0123 [0.0100, 0.0150]`, or alone when it has none.
  static func estimate(
    _ estimate: Estimate, _ width: Int, _ places: Int, scale: Double = 1, unit: String = ""
  ) -> String {
    let value = field(scale * estimate.value, width, places) + unit
    guard let interval = estimate.interval95 else { return value }
    return value
      + " [\(plain(scale * interval.lowerBound, places)), \(plain(scale * interval.upperBound, places))]"
  }

  /// A number with fixed places; one with more than nine digits before the point is rounded to two and an exponent.
  private static func plain(_ value: Double, _ places: Int) -> String {
    guard abs(value) >= 1e9, value.isFinite else { return decimals(value, places) }
    var (mantissa, exponent) = (value, 0)
    while abs(mantissa) >= 9.95 {
      mantissa /= 10
      exponent += 1
    }
    return "\(decimals(mantissa, 1))e+\(exponent)"
  }
}
