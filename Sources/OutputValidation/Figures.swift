internal import Foundation

/// A number with three significant figures.
func figures(_ value: Double) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  return String(format: "%.3g", value)
}
