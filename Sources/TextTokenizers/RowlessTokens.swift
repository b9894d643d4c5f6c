/// Entries of a tokenizer whose ids are at or above the number of rows of the embedding.
///
/// No text that holds one can be computed, so they are left out of the vocabulary. Tokens that were added without
/// resizing the model are the usual cause.
struct RowlessTokens {
  /// The texts by id; an id that two files name has one entry.
  private var texts: [Int: String] = [:]

  /// Whether there are none.
  var isEmpty: Bool { texts.isEmpty }

  /// Notes an entry.
  mutating func add(_ text: String, _ id: Int) { texts[id] = text }

  /// The first few, such as `32000 “<pad>”`, and the number of the others.
  var list: String {
    let shown = texts.sorted { $0.key < $1.key }.prefix(5).map { "\($0.key) “\($0.value.prefix(40))”" }
    let others = texts.count > 5 ? " and \(texts.count - 5) more" : ""
    return shown.joined(separator: ", ") + others
  }

  /// The sentence for the user, if there are any.
  func notes(rowCount: Int) -> [String] {
    guard !isEmpty else { return [] }
    return [
      "\(texts.count) entr\(texts.count == 1 ? "y" : "ies") of the vocabulary without a row in the model (it has "
        + "\(rowCount)) \(texts.count == 1 ? "is" : "are") left out: \(list)"
    ]
  }
}
