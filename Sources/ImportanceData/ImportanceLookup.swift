internal import FileBytes

/// The importance of the columns of one tensor.
public struct ImportanceWeights: Sendable {
  /// All weights, matrix after matrix.
  public let values: [Float]
  /// Columns per matrix: the row length of the tensor.
  public let columnCount: Int
  /// Matrices: experts, or 1.
  public let matrixCount: Int

  /// The weights for the rows of one matrix, as many as a row has columns.
  public func weights(ofMatrix matrix: Int) -> ArraySlice<Float> {
    values[matrix * columnCount..<(matrix + 1) * columnCount]
  }
}

/// What an importance matrix has for a tensor.
public enum ImportanceLookup: Sendable {
  /// Weights that fit.
  case found(ImportanceWeights)
  /// Nothing: the tensor is quantized without weights.
  case absent
  /// An entry of the wrong length for a token embedding, which is ignored: it counts tokens, not columns.
  case ignored(found: Int, expected: Int)
}

extension ImportanceMatrix {
  /// Looks up the weights for a tensor that is about to be quantized.
  ///
  /// - Parameters:
  ///   - tensor: The name in the output.
  ///   - storedName: The name in this data, when layers were pruned and renumbered; otherwise `tensor`.
  ///   - ggmlShape: The shape, fastest dimension first.
  /// - Returns: The weights, or why there are none.
  /// - Throws: ``ImportanceError`` with `sizeMismatch` when an entry does not have one weight per column and
  ///   matrix (`ne0 * ne2`), except for token embeddings.
  public func lookup(
    tensor: String, storedName: String? = nil, ggmlShape: [Int]
  ) throws -> ImportanceLookup {
    guard let entry = entry(storedName ?? tensor) else { return .absent }
    let columns = ggmlShape.first ?? 1
    let matrices = ggmlShape.count > 2 ? ggmlShape[2] : 1
    let (expected, overflow) = columns.multipliedReportingOverflow(by: matrices)
    if !overflow, columns > 0, matrices > 0, entry.values.count == expected {
      return .found(ImportanceWeights(values: entry.values, columnCount: columns, matrixCount: matrices))
    }
    if tensor == "token_embd.weight" || tensor == "per_layer_token_embd.weight" {
      return .ignored(found: entry.values.count, expected: expected)
    }
    throw ImportanceError(
      .sizeMismatch,
      Fault(
        file: path, subject: entry.name,
        expected: overflow
          ? "one weight per column" : "\(expected) weights (\(matrices) times \(columns) columns)",
        found: "\(entry.values.count)",
        remedy: "the data was collected from another model; collect it from this one"))
  }
}
