/// The names nearest to `wanted` by edit distance, best first; ties keep the given order.
///
/// Underscores count only between names that are equally far without them.
///
/// - Parameters:
///   - wanted: What was typed.
///   - names: What exists.
///   - count: How many to return at most.
///   - limit: Names further away than this are left out, and those that differ in more than half the letters typed.
/// - Returns: Some of `names`.
func nearestNames(to wanted: String, among names: [String], count: Int, limit: Int) -> [String] {
  func plain(_ text: String) -> [UInt8] { text.utf8.filter { $0 != UInt8(ascii: "_") } }
  let scored = names.enumerated().map { (index, name) in
    (
      distance: editDistance(plain(wanted), plain(name), anywhere: false),
      exact: editDistance(Array(wanted.utf8), Array(name.utf8), anywhere: false), index: index
    )
  }
  let limit = min(limit, wanted.utf8.count / 2)
  return scored.filter { $0.distance <= limit }
    .sorted { ($0.distance, $0.exact, $0.index) < ($1.distance, $1.exact, $1.index) }
    .prefix(count).map { names[$0.index] }
}

/// The tensor names that come nearest to containing the literal text of `pattern`.
///
/// Names that differ only in numbers count as one, and its first is shown.
func nearestTensorNames(toPattern pattern: String, among names: [String], count: Int) -> [String] {
  let literal = Array(pattern.utf8.filter { !"\\^$*+?()[]{}|".utf8.contains($0) })
  var seen = Set<[UInt8]>()
  var scored: [(distance: Int, length: Int, name: String)] = []
  for name in names {
    let stem = name.utf8.filter { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard seen.insert(stem).inserted else { continue }
    let distance = editDistance(literal, Array(name.utf8.prefix(128)), anywhere: true)
    scored.append((distance, name.utf8.count, name))
  }
  return scored.sorted { ($0.distance, $0.length, $0.name) < ($1.distance, $1.length, $1.name) }
    .prefix(count).map(\.name)
}

/// The Levenshtein distance; with `anywhere`, between `a` and the part of `b` that is nearest to it
/// (Sellers' variant of the algorithm).
private func editDistance(_ a: [UInt8], _ b: [UInt8], anywhere: Bool) -> Int {
  var previous = (0...b.count).map { anywhere ? 0 : $0 }
  for i in 0..<a.count {
    var current = [i + 1]
    current.reserveCapacity(b.count + 1)
    for j in 0..<b.count {
      let substitution = previous[j] + (a[i] == b[j] ? 0 : 1)
      current.append(min(substitution, previous[j + 1] + 1, current[j] + 1))
    }
    previous = current
  }
  return anywhere ? previous.min() ?? a.count : previous[b.count]
}
