extension MeasuringArguments {
  /// What is said after the first layer of the first group.
  ///
  /// - Parameters:
  ///   - reading: Seconds of reading in all.
  ///   - arithmetic: Seconds of arithmetic in all.
  /// - Returns: One line.
  package static func outlook(reading: Double, arithmetic: Double) -> String {
    "about \(approximateDuration(reading)) of disk and \(approximateDuration(arithmetic)) of arithmetic in all, "
      + "at the speed of the first layer"
  }
}

/// A length of time for people, in one or two units: `0.4 s`, `40 s`, `11 min`, `3 h 20 min`, `2 d 5 h`.
package func approximateDuration(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds >= 0, seconds < 1e10 else { return "?" }
  if seconds < 9.95 { return decimals(seconds, 1) + " s" }
  let whole = Int(seconds.rounded())
  if whole < 120 { return "\(whole) s" }
  let minutes = (whole + 30) / 60
  if minutes < 120 { return "\(minutes) min" }
  func pair(_ large: Int, _ small: Int, _ units: (String, String)) -> String {
    "\(large) \(units.0)" + (small > 0 ? " \(small) \(units.1)" : "")
  }
  if minutes < 48 * 60 { return pair(minutes / 60, minutes % 60, ("h", "min")) }
  let hours = (minutes + 30) / 60
  return pair(hours / 24, hours % 24, ("d", "h"))
}
