internal import Foundation

/// Numbers in recipes and on pages.
package enum Figures {
  /// A divergence with three significant figures: `0.00212`, `0.00000340`, `1.25`, and `1.58e-10` where it would have more than nine decimals.
  package static func divergence(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    guard value != 0 else { return "0" }
    let exponent = Int(log10(value.magnitude).rounded(.down))
    guard exponent >= -7 else { return String(format: "%.2e", value) }
    return String(format: "%.\(max(2 - exponent, 0))f", value)
  }

  /// A size in decimal units with two decimals, as `pouch-convert` prints it.
  package static func bytes(_ count: Int) -> String {
    for (unit, factor) in [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where Double(count) >= factor
    {
      return String(format: "%.2f ", Double(count) / factor) + unit
    }
    return "\(count) B"
  }

  /// A number with a fixed count of decimals.
  package static func fixed(_ value: Double, _ places: Int) -> String {
    String(format: "%.\(places)f", value)
  }

  /// A whole number in groups of three digits.
  package static func grouped(_ count: Int) -> String {
    let digits = Array(String(count.magnitude))
    var text = count < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }
}
