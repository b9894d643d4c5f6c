internal import Foundation

/// A number with three significant figures.
func figures(_ value: Double) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  return String(format: "%.3g", value)
}

/// A share as a percentage.
func percent(_ part: Int, of whole: Int) -> String {
  whole > 0 ? String(format: "%.3g %%", 100 * Double(part) / Double(whole)) : "0 %"
}
