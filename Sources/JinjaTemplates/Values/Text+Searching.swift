/// Finding, splitting and replacing, as Python's string methods do.
extension Text {
  /// Where `needle` begins at or after the byte `start`, in time proportional to the lengths.
  func firstByte(of needle: Text, from start: Int = 0) -> Int? {
    let pattern = needle.utf8
    guard start + pattern.count <= utf8.count else { return nil }
    guard pattern.count > 1 else {
      guard let byte = pattern.first else { return start }
      return utf8[start...].firstIndex(of: byte)
    }
    let table = Self.failures(pattern)
    var matched = 0
    for index in start..<utf8.count {
      while matched > 0, utf8[index] != pattern[matched] { matched = table[matched - 1] }
      if utf8[index] == pattern[matched] { matched += 1 }
      if matched == pattern.count { return index + 1 - matched }
    }
    return nil
  }

  /// How much of the pattern still matches after a mismatch behind each byte (Knuth, Morris and Pratt).
  private static func failures(_ pattern: [UInt8]) -> [Int] {
    var table = [Int](repeating: 0, count: pattern.count)
    var length = 0
    for index in 1..<pattern.count {
      while length > 0, pattern[index] != pattern[length] { length = table[length - 1] }
      if pattern[index] == pattern[length] { length += 1 }
      table[index] = length
    }
    return table
  }

  func contains(_ needle: Text) -> Bool { firstByte(of: needle) != nil }

  /// All places of `needle` without overlaps, from the left.
  func places(of needle: Text, limit: Int = .max) -> [Int] {
    let pattern = needle.utf8
    var result: [Int] = []
    guard pattern.count > 1 else {
      guard let byte = pattern.first else { return [] }
      for (index, other) in utf8.enumerated() where other == byte {
        if result.count == limit { break }
        result.append(index)
      }
      return result
    }
    let table = Self.failures(pattern)
    var matched = 0
    for index in utf8.indices {
      if result.count == limit { break }
      while matched > 0, utf8[index] != pattern[matched] { matched = table[matched - 1] }
      if utf8[index] == pattern[matched] { matched += 1 }
      if matched == pattern.count {
        result.append(index + 1 - matched)
        matched = 0
      }
    }
    return result
  }

  /// All places of `needle` without overlaps, found from the right, in descending order.
  private func placesFromRight(of needle: Text, limit: Int) -> [Int] {
    let backwards = Text(utf8: utf8.reversed())
    let places = backwards.places(of: Text(utf8: needle.utf8.reversed()), limit: limit)
    return places.map { utf8.count - $0 - needle.utf8.count }
  }

  /// Where `needle` begins last.
  func lastByte(of needle: Text) -> Int? {
    if needle.isEmpty { return utf8.count }
    return placesFromRight(of: needle, limit: 1).first
  }

  private func part(_ range: Range<Int>) -> Text { Text(utf8: Array(utf8[range])) }

  /// `split(separator, limit)`; the separator is not empty.
  func split(by separator: Text, limit: Int) -> [Text] {
    pieces(places(of: separator, limit: limit < 0 ? .max : limit), separator.utf8.count)
  }

  /// `rsplit(separator, limit)`.
  func splitFromRight(by separator: Text, limit: Int) -> [Text] {
    pieces(
      placesFromRight(of: separator, limit: limit < 0 ? .max : limit).reversed(), separator.utf8.count)
  }

  private func pieces(_ places: [Int], _ width: Int) -> [Text] {
    var result: [Text] = []
    var start = 0
    for place in places {
      result.append(part(start..<place))
      start = place + width
    }
    result.append(part(start..<utf8.count))
    return result
  }

  /// `split()`: by runs of white space.
  func splitBySpace(limit: Int) -> [Text] {
    var result: [Text] = []
    var rest = scalars[...]
    while true {
      rest = rest.drop(while: \.isPythonSpace)
      if rest.isEmpty { return result }
      if limit >= 0, result.count == limit {
        result.append(Text(rest))
        return result
      }
      let word = rest.prefix { !$0.isPythonSpace }
      result.append(Text(word))
      rest = rest[word.endIndex...]
    }
  }

  /// `rsplit()`: by runs of white space, from the right.
  func splitBySpaceFromRight(limit: Int) -> [Text] {
    Text(scalars.reversed()).splitBySpace(limit: limit).reversed().map { Text($0.scalars.reversed()) }
  }

  /// `splitlines()`.
  func lines(keepEnds: Bool) -> [Text] {
    var result: [Text] = []
    var line = Text(utf8: [])
    let scalars = self.scalars
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      guard scalar.endsLine else {
        line.append(scalar)
        continue
      }
      if keepEnds { line.append(scalar) }
      if scalar == "\r", index < scalars.count, scalars[index] == "\n" {
        if keepEnds { line.append("\n") }
        index += 1
      }
      result.append(line)
      line = Text(utf8: [])
    }
    if !line.isEmpty { result.append(line) }
    return result
  }

  /// `replace(old, new, limit)`; an empty `old` stands between all code points.
  func replacing(_ old: Text, with new: Text, limit: Int) -> Text {
    if limit == 0 { return self }
    var result = Text(utf8: [])
    if old.isEmpty {
      var left = limit < 0 ? Int.max : limit
      for scalar in scalars {
        if left > 0 {
          result.append(new)
          left -= 1
        }
        result.append(scalar)
      }
      if left > 0 { result.append(new) }
      return result
    }
    var start = 0
    for place in places(of: old, limit: limit < 0 ? .max : limit) {
      result.utf8.append(contentsOf: utf8[start..<place])
      result.append(new)
      start = place + old.utf8.count
    }
    result.utf8.append(contentsOf: utf8[start...])
    return result
  }

  /// The text without what `drops` says at its start, its end or both.
  func trimmed(start: Bool, end: Bool, _ drops: (Unicode.Scalar) -> Bool) -> Text {
    var rest = string.unicodeScalars[...]
    if start { rest = rest.drop(while: drops) }
    while end, let last = rest.last, drops(last) { rest.removeLast() }
    return Text(utf8: Array(String(rest).utf8), isMarkup: isMarkup)
  }

  /// `strip(characters)`; white space without them.
  func stripped(start: Bool = true, end: Bool = true, of characters: Text? = nil) -> Text {
    guard let characters else { return trimmed(start: start, end: end, \.isPythonSpace) }
    let set = Set(characters.scalars)
    return trimmed(start: start, end: end) { set.contains($0) }
  }

  /// The text so often.
  func repeated(_ count: Int) -> Text {
    var result = Text(utf8: [])
    result.utf8.reserveCapacity(utf8.count * max(count, 0))
    for _ in 0..<max(count, 0) { result.append(self) }
    return result
  }

  /// The number of code points before a byte.
  func position(ofByte index: Int) -> Int { Text(utf8: Array(utf8[..<index])).count }
}

extension Unicode.Scalar {
  /// White space by Python's definition (`str.isspace`, `\s`).
  var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      true
    default: false
    }
  }

  /// Whether `splitlines` ends a line here.
  var endsLine: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }
}
