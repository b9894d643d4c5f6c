/// Suggestions for names that are almost right.
enum NearestName {
  /// The candidate with the smallest edit distance to `name`, if that is at most a third of its length.
  static func find(_ name: String, in candidates: [String]) -> String? {
    let wanted = Array(name.utf8)
    var best: (distance: Int, name: String)?
    for candidate in candidates {
      let limit = (best?.distance ?? max(wanted.count / 3, 2) + 1) - 1
      let other = Array(candidate.utf8)
      guard limit >= 0, abs(other.count - wanted.count) <= limit else { continue }
      let distance = editDistance(wanted, other)
      if distance <= limit { best = (distance, candidate) }
    }
    return best?.name
  }

  /// The number of insertions, deletions and replacements (Levenshtein) between two byte strings.
  static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, right) in b.enumerated() {
        let replaced = diagonal + (left == right ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
