extension [Range<Int>] {
  /// The same numbers as few ranges, ascending and apart.
  package func merged() -> [Range<Int>] {
    var result: [Range<Int>] = []
    for range in sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, range.lowerBound <= last.upperBound {
        result[result.count - 1] = last.lowerBound..<Swift.max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }

  /// What of these ranges is in none of `others`, which ascend and lie apart.
  package func subtracting(_ others: [Range<Int>]) -> [Range<Int>] {
    flatMap { range in
      var rest: [Range<Int>] = []
      var start = range.lowerBound
      for other in others where other.upperBound > start && other.lowerBound < range.upperBound {
        if other.lowerBound > start { rest.append(start..<other.lowerBound) }
        start = other.upperBound
      }
      if start < range.upperBound { rest.append(start..<range.upperBound) }
      return rest
    }
  }
}
