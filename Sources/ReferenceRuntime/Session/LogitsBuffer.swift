/// Which tokens' logits are wanted.
public enum LogitsSelection: Hashable, Sendable {
  case none
  /// The last token's alone.
  case last
  case all
  /// Those of a range of the tokens given.
  case range(Range<Int>)

  /// The indices among `count` tokens.
  func range(count: Int) -> Range<Int> {
    switch self {
    case .none: count..<count
    case .last: (count - 1)..<count
    case .all: 0..<count
    case .range(let range): range.clamped(to: 0..<count)
    }
  }
}

/// Logits of consecutive tokens.
public struct LogitsBuffer: Sendable {
  /// Values per row.
  public let vocabularySize: Int
  /// All values, row after row.
  public private(set) var values: [Float] = []

  init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

  /// Rows.
  public var rowCount: Int { values.count / vocabularySize }

  /// The logits of one token.
  public func row(_ index: Int) -> ArraySlice<Float> {
    values[(index * vocabularySize)..<((index + 1) * vocabularySize)]
  }

  mutating func append(_ rows: UnsafeBufferPointer<Float>) { values.append(contentsOf: rows) }
}
