extension RopeParameters {
  /// The pairs of a head that llama.cpp leaves unturned in text when `sections` shares them out among the positions in
  /// time, height and width: those that fall to the fourth position, which is 0 in text.
  ///
  /// - Parameter dimensions: The rotated dimensions per head.
  /// - Returns: The pairs; `nil` when no section has a pair, which llama.cpp does not survive.
  package func unturnedPairs(dimensions: Int) -> [Int]? {
    guard let sections else { return [] }
    let padded = Array((sections + [0, 0, 0, 0]).prefix(4))
    guard padded.prefix(3).contains(where: { $0 > 0 }) else { return nil }
    let period = padded.reduce(0, +)
    return (0..<(dimensions / 2)).filter { pair in
      let place = pair % period
      return place >= 3 * padded[place % 3]
    }
  }

  /// The largest angle that unturned pairs would have at a position, in radians.
  ///
  /// The last pairs of a head turn by thousandths within thousands of positions, so that leaving them out changes less
  /// than rounding does.
  ///
  /// - Parameters:
  ///   - pairs: The pairs.
  ///   - dimensions: The rotated dimensions per head.
  ///   - position: The position.
  /// - Returns: The angle, 0 without pairs.
  package func largestAngle(of pairs: [Int], dimensions: Int, at position: Int) -> Double {
    pairs.map { Double(position) * exponential(-2 * Double($0) / Double(dimensions) * logarithm(theta)) }
      .max() ?? 0
  }

  /// Angles below this, in radians, make no difference to speak of.
  package static let smallAngle = 0.25
}
