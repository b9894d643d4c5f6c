/// Names of the models of one page, short enough for a chart.
package enum ShortNames {
  private static let marks: Set<Character> = ["-", "."]

  /// The names without `.gguf`, and without what all of them begin with up to a mark between words.
  ///
  /// - Parameter names: Names of files and folders.
  /// - Returns: As many names; those given, without the ending, where one would be left empty.
  package static func of(_ names: [String]) -> [String] {
    let plain = names.map { $0.hasSuffix(".gguf") ? String($0.dropLast(5)) : $0 }
    guard let first = plain.first, plain.count > 1 else { return plain }
    let common = plain.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
    guard let mark = common.lastIndex(where: marks.contains) else { return plain }
    let length = common[...mark].count
    guard plain.allSatisfy({ $0.count > length }) else { return plain }
    return plain.map { String($0.dropFirst(length)) }
  }
}

extension String {
  fileprivate func commonPrefix(with other: String) -> String {
    String(zip(self, other).prefix { $0 == $1 }.map(\.0))
  }
}
