internal import Foundation

/// Places of divergences on a logarithmic axis, and its marks.
struct LogAxis {
  private let low: Double
  private let high: Double

  /// How far the ends of intervals may be from the values, as a factor.
  private static let reach = 100.0

  /// An axis that holds all values with some room; values that are not above 0 have no place on it.
  ///
  /// - Parameters:
  ///   - values: What must have a place.
  ///   - ends: Ends of intervals, which stretch the axis by two decades at most.
  init(_ values: [Double], ends: [Double] = []) {
    let usable = values.filter { $0 > 0 && $0.isFinite }
    let lowest = usable.min() ?? 0.001
    let highest = max(usable.max() ?? 0.01, lowest)
    let least = min(lowest, max(ends.filter { !$0.isNaN }.min() ?? lowest, lowest / Self.reach))
    let most = max(highest, min(ends.filter { !$0.isNaN }.max() ?? highest, highest * Self.reach))
    let room = max(0.06 * log10(most / least), 0.08)
    low = log10(least) - room
    high = log10(most) + room
  }

  /// From 0 at the lower end to 1 at the upper one; `nil` for values without a place.
  func place(_ value: Double) -> Double? {
    guard value > 0, value.isFinite else { return nil }
    return (log10(value) - low) / (high - low)
  }

  /// The same for the end of an interval: the axis' own end, where it lies beyond, with `isCut`; `nil` for what is no number.
  func end(_ value: Double) -> (place: Double, isCut: Bool)? {
    guard !value.isNaN else { return nil }
    guard value > 0, log10(value) >= low else { return (0, true) }
    return log10(value) > high ? (1, true) : ((log10(value) - low) / (high - low), false)
  }

  /// Values for marks: powers of ten, with 2 and 5 between them on a short axis.
  var marks: [Double] {
    let factors: [Double] = high - low < 2.5 ? [1, 2, 5] : [1]
    return (Int(low.rounded(.down))...Int(high.rounded(.up))).flatMap { exponent in
      factors.map { $0 * pow(10, Double(exponent)) }
    }.filter { log10($0) >= low && log10($0) <= high }
  }

  /// A mark's text, such as `0.002`; `2e-6` and `1e6` where digits would be too many for the edge of a chart.
  static func label(_ value: Double) -> String {
    // 0.001 has a logarithm just below -3 on some machines.
    let exponent = Int((log10(value) + 1e-9).rounded(.down))
    guard (-5...5).contains(exponent) else {
      return "\(Figures.fixed(value / pow(10, Double(exponent)), 0))e\(exponent)"
    }
    return Figures.fixed(value, max(0, -exponent))
  }
}

/// Places of sizes on an axis, and its marks.
struct SizeAxis {
  private let low: Double
  private let high: Double

  /// An axis that holds all sizes with some room.
  init(_ sizes: [Int]) {
    let least = Double(sizes.min() ?? 0)
    let most = max(Double(sizes.max() ?? 1), least + 1)
    let room = 0.04 * (most - least) + 0.002 * most
    low = max(0, least - room)
    high = most + room
  }

  /// From 0 at the left end to 1 at the right one.
  func place(_ size: Int) -> Double { (Double(size) - low) / (high - low) }

  /// Round sizes, about as many as wanted.
  func marks(_ count: Int) -> [Int] {
    let rough = (high - low) / Double(count)
    let power = pow(10, log10(rough).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
    return stride(from: (low / step).rounded(.up) * step, through: high, by: step).map { Int($0.rounded()) }
  }

  /// A mark's text, with no more decimals than the marks need.
  static func label(_ size: Int) -> String {
    for (unit, factor) in [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where Double(size) >= factor {
      var text = Figures.fixed(Double(size) / factor, 2)
      while text.hasSuffix("0") { text.removeLast() }
      if text.hasSuffix(".") { text.removeLast() }
      return text + " " + unit
    }
    return "\(size) B"
  }
}
