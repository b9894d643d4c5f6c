internal import FileBytes

/// What an importance matrix has for a tensor.
package enum ImportanceLookup: Sendable {
  /// An entry that fits: `columnCount` weights for each of `matrixCount` matrices (experts).
  case found(columnCount: Int, matrixCount: Int)
  /// Nothing: the tensor is quantized without weights.
  case absent
  /// An entry of the wrong length for a token embedding, which is ignored: it counts tokens, not columns.
  case ignored(found: Int, expected: Int)
}

extension ImportanceMatrix {
  /// Looks up the weights for a tensor that is about to be quantized, see ``entry(serving:)``.
  ///
  /// - Parameters:
  ///   - tensor: The name in the output.
  ///   - storedName: The name in this data, when layers were pruned and renumbered; otherwise `tensor`.
  ///   - ggmlShape: The shape, fastest dimension first.
  /// - Returns: The weights, or why there are none.
  /// - Throws: ``ImportanceError`` with `sizeMismatch` when an entry does not have one weight per column and
  ///   matrix (`ne0 * ne2`), except for token embeddings.
  package func lookup(
    tensor: String, storedName: String? = nil, ggmlShape: [Int]
  ) throws -> ImportanceLookup {
    guard let entry = entry(serving: storedName ?? tensor) else { return .absent }
    let columns = ggmlShape.first ?? 1
    let matrices = ggmlShape.count > 2 ? ggmlShape[2] : 1
    let (expected, overflow) = columns.multipliedReportingOverflow(by: matrices)
    if !overflow, columns > 0, matrices > 0, entry.valueCount == expected {
      return .found(columnCount: columns, matrixCount: matrices)
    }
    if tensor == "token_embd.weight" || tensor == "per_layer_token_embd.weight" {
      return .ignored(found: entry.valueCount, expected: expected)
    }
    throw ImportanceError(
      .sizeMismatch,
      Fault(
        file: path, subject: entry.name,
        expected: overflow
          ? "one weight per column" : "\(expected) weights (\(matrices) times \(columns) columns)",
        found: "\(entry.valueCount)",
        remedy: "the data was collected from another model; collect it from this one"))
  }
}
