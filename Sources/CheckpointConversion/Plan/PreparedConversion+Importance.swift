extension PreparedConversion {
  /// The weights that the columns of a matrix get when it is quantized.
  ///
  /// - Parameters:
  ///   - tensor: A tensor of the plan.
  ///   - matrix: The number of the matrix (expert).
  /// - Returns: One number for each column; `nil` when all weigh alike.
  /// - Throws: Errors of reading importance data.
  package func importanceWeights(of tensor: PlannedTensor, matrix: Int) throws -> [Float]? {
    guard let importance, let name = tensor.importanceName else { return nil }
    return try importance.weights(tensor: name, matrix: matrix, rowLength: tensor.rowLength)
  }
}

extension ConversionPlanner {
  /// A hash of an importance matrix file, as provenance has it.
  ///
  /// - Throws: `FileError`.
  package static func importanceHash(of path: String) throws -> UInt64 { try ImportanceProvider.hash(path) }
}
