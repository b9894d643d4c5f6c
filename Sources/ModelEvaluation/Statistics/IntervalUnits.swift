/// The independent units of a measurement on text, in words.
struct IntervalUnits {
  /// Units.
  var count: Int
  /// Windows per unit.
  var windowsPerUnit: Int

  /// What intervals are over, or why there are none.
  var text: String {
    let isStretch = windowsPerUnit > 1
    if count < 2 {
      return isStretch
        ? "there are no intervals, since they come from the spread between stretches of \(windowsPerUnit) overlapping "
          + "windows, and there is one; measure at least two"
        : "there are no intervals, since they come from the spread between windows, and there is one; measure at least two"
    }
    let units =
      isStretch ? "\(count) stretches of \(windowsPerUnit) overlapping windows" : "\(count) windows"
    // Seen on the sample's text: windows with most of the divergence are missing from small samples altogether.
    return "brackets: 95 % intervals over \(units)"
      + (count < 8 ? "; with so few they are too short where windows are very uneven" : "")
  }
}

extension Array where Element: UnitSums {
  /// The sums of every so many neighbours; the last group may be smaller.
  func grouped(by size: Int) -> [Element] {
    guard size > 1 else { return self }
    return stride(from: 0, to: count, by: size).map { start in
      self[start..<Swift.min(start + size, count)].reduce(into: Element()) { $0.add($1) }
    }
  }
}
