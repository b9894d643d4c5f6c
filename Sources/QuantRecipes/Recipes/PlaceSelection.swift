/// Some of the places 0 to *n* - 1: layers of a model, or tensors of a category as llama-quantize counts them.
///
/// Written as items: `3`, `0..3`, `-2..-1` (from the end), and the names in ``Item``.
package struct PlaceSelection: Hashable, Sendable {
  /// One item of a selection.
  enum Item: Hashable, Sendable {
    /// Both ends included; negative numbers count from the end, -1 is the last place.
    case range(Int, Int)
    /// The first *n* / 8, rounded down.
    case firstEighth
    /// The first *n* / 16, rounded down.
    case firstSixteenth
    /// From 7 *n* / 8, rounded down.
    case lastEighth
    /// What llama-quantize calls "more bits": the first and last eighth, and every third place between.
    case moreBits
    /// Layers of next-token prediction, which follow the model's own.
    case nextToken
  }

  /// The items with names.
  static let names: [(name: String, item: Item)] = [
    ("first-sixteenth", .firstSixteenth), ("first-eighth", .firstEighth), ("last-eighth", .lastEighth),
    ("more-bits", .moreBits), ("next-token", .nextToken),
  ]

  /// The largest number in an item.
  static let limit = 9999

  private(set) var items: [Item] = []

  /// Reads items.
  ///
  /// - Returns: `nil` and the reason, when a text is no item.
  static func parse(_ texts: [String]) -> (selection: PlaceSelection?, problem: String) {
    var selection = PlaceSelection()
    for text in texts {
      if let named = names.first(where: { $0.name == text }) {
        selection.items.append(named.item)
        continue
      }
      let ends = text.split(separator: ".", omittingEmptySubsequences: false)
      let numbers = ends.filter { !$0.isEmpty }.map { Int($0) }
      let isRange = ends.count == 3 && ends[1].isEmpty && numbers.count == 2
      guard ends.count == 1 || isRange, let first = numbers.first ?? nil, let last = numbers.last ?? nil
      else {
        let near = nearestNames(to: text, among: names.map(\.name), count: 1, limit: 3)
        return (nil, "\"\(text)\"" + (near.first.map { "; did you mean \($0)?" } ?? ""))
      }
      guard abs(first) <= limit, abs(last) <= limit else { return (nil, "\"\(text)\", beyond \(limit)") }
      guard first <= last || (first >= 0) != (last >= 0) else {
        return (nil, "\"\(text)\", which starts after its end")
      }
      selection.items.append(.range(first, last))
    }
    return (selection, "")
  }

  /// Whether place `i` of `n` is selected.
  ///
  /// - Parameters:
  ///   - i: The place.
  ///   - n: How many there are, extra ones excluded.
  ///   - isExtra: Whether the place is a layer of next-token prediction.
  /// - Returns: Whether it is.
  func contains(_ i: Int, of n: Int, isExtra: Bool = false) -> Bool {
    items.contains { item in
      switch item {
      case .range(let first, let last):
        let low = first < 0 ? n + first : first
        let high = last < 0 ? n + last : last
        return (low...max(low, high)).contains(i) && low <= high
      case .firstEighth: return i < n / 8
      case .firstSixteenth: return i < n / 16
      case .lastEighth: return i >= 7 * n / 8 && !isExtra
      case .moreBits: return !isExtra && (i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2)
      case .nextToken: return isExtra
      }
    }
  }
}
