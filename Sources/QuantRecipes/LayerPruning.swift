internal import FileBytes

/// Which layers are dropped from a model (`--prune-layers`), and what that does to names.
///
/// Layers that stay are numbered consecutively, and what the metadata say of single layers follows, unlike in
/// llama-quantize, whose files of models with such entries do not load.
package struct LayerPruning: Hashable, Sendable {
  /// The layers to drop, ascending and distinct.
  package let layers: [Int]

  /// Creates a set of layers to drop.
  package init(layers: some Sequence<Int>) { self.layers = Set(layers).sorted() }

  /// Parses a comma-separated list of layer numbers.
  ///
  /// - Throws: ``RecipeError`` with `malformedLayerList`.
  package init(parsing text: String) throws {
    let numbers = try text.split(separator: ",", omittingEmptySubsequences: false).map { part -> Int in
      guard let number = Int32(part), number >= 0 else {
        throw RecipeError(
          .malformedLayerList,
          Fault(subject: text, expected: "layer numbers divided by commas", found: "\"\(part)\""))
      }
      return Int(number)
    }
    self.init(layers: numbers)
  }

  /// The names after pruning.
  package struct Names: Hashable, Sendable {
    /// For every name given, the new name; `nil` for tensors that are dropped.
    package var names: [String?]
    /// The number of layers left, the new `block_count`.
    package var blockCount: Int
    /// For every new layer number the old one.
    package var oldLayers: [Int: Int]

    /// The name under which importance data for the tensor with the new name `name` is stored.
    package func importanceName(_ name: String) -> String {
      guard let range = blockNumber(in: name), let layer = Int(name[range]), let old = oldLayers[layer] else {
        return name
      }
      return name.replacing(range, "\(old)")
    }
  }

  /// Renames the tensors of a model.
  ///
  /// - Parameter names: All tensor names of the model, in any order.
  /// - Returns: The new names, in the order given.
  /// - Throws: ``RecipeError`` with `layerNotPrunable` when a layer does not exist or none would be left.
  package func apply(to names: [String]) throws -> Names {
    guard let firstPruned = layers.first else {
      return Names(names: names, blockCount: Set(names.compactMap { layer(of: $0) }).count, oldLayers: [:])
    }
    let present = Set(names.compactMap { layer(of: $0) })
    let absent = layers.filter { !present.contains($0) }
    guard absent.isEmpty, layers.count < present.count else {
      throw RecipeError(
        .layerNotPrunable,
        Fault(
          subject: "\(.prunedLayers)", expected: "some of the \(present.count) layers of the model",
          found: absent.isEmpty
            ? "all of them" : Wording(listed(absent.map { "layer \($0), which does not exist" }))))
    }
    var renumbered: [Int: Int?] = [:]
    var next = 0
    var result = [String?](repeating: nil, count: names.count)
    for index in TypeMixer.processingOrder(names) {
      let name = names[index]
      guard let range = blockNumber(in: name), let old = Int(name[range]) else {
        result[index] = name
        continue
      }
      if renumbered[old] == nil {
        if layers.contains(old) {
          renumbered.updateValue(nil, forKey: old)
        } else if old < firstPruned {
          renumbered[old] = .some(old)
          next = old + 1
        } else {
          renumbered[old] = .some(next)
          next += 1
        }
      }
      if let new = renumbered[old] ?? nil { result[index] = name.replacing(range, "\(new)") }
    }
    var oldLayers: [Int: Int] = [:]
    for (old, new) in renumbered { if let new { oldLayers[new] = old } }
    return Names(names: result, blockCount: next, oldLayers: oldLayers)
  }

  private func layer(of name: String) -> Int? { blockNumber(in: name).flatMap { Int(name[$0]) } }
}

/// The range of the digits in the first `blk.N.` of a name.
private func blockNumber(in name: String) -> Range<String.Index>? {
  var start = name.startIndex
  while let found = name[start...].firstRange(of: "blk.") {
    let digits = name[found.upperBound...].prefix { ("0"..."9").contains($0) }
    if !digits.isEmpty, digits.endIndex < name.endIndex, name[digits.endIndex] == "." {
      return digits.startIndex..<digits.endIndex
    }
    start = name.index(after: found.lowerBound)
  }
  return nil
}

extension String {
  /// The string with the characters in `range` exchanged for `text`.
  fileprivate func replacing(_ range: Range<String.Index>, _ text: String) -> String {
    String(self[..<range.lowerBound]) + text + self[range.upperBound...]
  }
}
