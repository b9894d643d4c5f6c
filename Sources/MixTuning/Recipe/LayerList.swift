/// The layers of a rule as `layers:` lists them.
///
/// A range may run over layers where the role of the rule does not occur, such as those of linear attention between two layers
/// of full attention: it catches nothing there.
struct LayerList: Hashable {
  /// The items, such as `3` or `0..2`.
  let items: [String]

  /// Writes layers as ranges.
  ///
  /// - Parameters:
  ///   - layers: The layers to catch, ascending.
  ///   - present: All layers where the rule's role occurs, ascending.
  init(_ layers: [Int], among present: [Int]) {
    let wanted = Set(layers)
    var items: [String] = []
    for run in present.split(whereSeparator: { !wanted.contains($0) }) {
      guard let first = run.first, let last = run.last else { continue }
      items.append(first == last ? "\(first)" : "\(first)..\(last)")
    }
    self.items = items
  }

  /// As YAML: one item bare, several in brackets.
  var yaml: String { items.count == 1 ? items[0] : "[" + items.joined(separator: ", ") + "]" }
}
