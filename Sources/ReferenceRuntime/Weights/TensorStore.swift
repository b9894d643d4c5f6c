internal import FileBytes
package import TensorCompute

/// Where a model's weights come from, under GGUF names and in GGUF layout.
///
/// Norms are stored as they are multiplied with, rotary pairs and delta-net heads are in the architecture's order;
/// a store over a checkpoint does what a conversion would have done.
package protocol TensorStore: Sendable {
  /// The file or folder, for messages.
  var source: String { get }
  /// The names of all tensors.
  var names: [String] { get }
  /// The shape of a tensor, fastest dimension first; `nil` when there is no such tensor.
  func ggmlShape(of name: String) -> [Int]?
  /// The name of the tensor in the file that has the rows of `name`: another one where several are kept as one.
  func storedName(of name: String) -> String
  /// A matrix of any type; a vector counts as one row.
  func matrix(_ name: String) throws -> WeightMatrix
  /// A stack of matrices, the third dimension being the expert.
  func experts(_ name: String) throws -> ExpertStack
  /// Bytes held in memory apart from the map, by matrices handed out so far.
  var materializedByteCount: Int { get }
  /// Bytes of the mapped files.
  var mappedByteCount: Int { get }
  /// Makes weights ready to be multiplied with: copies that are made late, and pages of files if `readsPages`.
  func load(_ weights: [WeightMatrix], readsPages: Bool) throws
  /// Gives back the memory of weights that are not needed for a while; ``load(_:readsPages:)`` makes them ready again.
  func release(_ weights: [WeightMatrix])
  /// Whether reading a part of a layer costs as much as reading all of it: compressed files are read front to back.
  var readsInOrder: Bool { get }
  /// What making weights ready takes.
  func footprint(of weights: [WeightMatrix]) -> WeightFootprint
  /// All values of a small tensor in f32, row by row.
  func values(_ name: String) throws -> [Float]
}

/// What weights take when they are ready, in bytes.
package struct WeightFootprint: Hashable, Sendable {
  /// Memory: pages of files, and copies.
  package var memoryByteCount: Int
  /// Bytes of files that are read.
  package var readByteCount: Int
  /// Bytes of these that are inflated from compressed files.
  package var inflatedByteCount: Int

  /// Creates a footprint.
  package init(memoryByteCount: Int = 0, readByteCount: Int = 0, inflatedByteCount: Int = 0) {
    self.memoryByteCount = memoryByteCount
    self.readByteCount = readByteCount
    self.inflatedByteCount = inflatedByteCount
  }
}

extension TensorStore {
  /// The name itself, where no tensors are kept together.
  package func storedName(of name: String) -> String { name }

  /// Nothing, where weights are in memory.
  package func load(_ weights: [WeightMatrix], readsPages: Bool) throws {}

  /// Nothing, where weights are in memory.
  package func release(_ weights: [WeightMatrix]) {}

  /// No: any part can be read.
  package var readsInOrder: Bool { false }

  /// The bytes of the weights.
  package func footprint(of weights: [WeightMatrix]) -> WeightFootprint {
    let bytes = weights.reduce(0) { $0 + $1.bytes.count }
    return WeightFootprint(memoryByteCount: bytes, readByteCount: bytes)
  }

  /// A tensor whose absence is an error.
  ///
  /// - Throws: ``RuntimeError`` with `missingTensor` or `wrongShape`.
  func check(_ name: String, _ shape: [Int]) throws {
    guard let found = ggmlShape(of: name) else { throw missing(name, shape) }
    // Trailing dimensions of 1 may be there or not.
    var trimmed = found
    while trimmed.count > 1, trimmed.last == 1 { trimmed.removeLast() }
    var wanted = shape
    while wanted.count > 1, wanted.last == 1 { wanted.removeLast() }
    guard trimmed == wanted else {
      throw RuntimeError(
        .wrongShape,
        Fault(
          file: source, subject: name, expected: "shape \(wanted) (fastest dimension first)",
          found: "\(found)",
          remedy: "the file does not fit its metadata; make it again"))
    }
  }

  /// All values, decoded from the matrix.
  ///
  /// - Throws: As ``matrix(_:)``.
  package func values(_ name: String) throws -> [Float] { try decodedValues(name) }

  /// All values in f32, row by row.
  ///
  /// - Throws: As ``matrix(_:)``.
  func decodedValues(_ name: String) throws -> [Float] {
    let matrix = try matrix(name)
    try load([matrix], readsPages: false)
    let engine = MatrixEngine(mode: .exact, pool: WorkerPool(threadCount: 1))
    // Decoding writes whole blocks of 16 values at the most, whatever the columns.
    let stride = (matrix.columns + 15) / 16 * 16
    var values: [Float] = []
    withUnsafeTemporaryAllocation(of: Float.self, capacity: stride) { row in
      guard let base = row.baseAddress else { return }
      for index in 0..<matrix.rows {
        engine.copyRow(matrix, row: index, into: base)
        values.append(contentsOf: UnsafeBufferPointer(start: base, count: matrix.columns))
      }
    }
    return values
  }

  /// Values in place of those of a tensor of which only the shape is known; ones, which are in range everywhere.
  func outlineValues(_ name: String) -> [Float] {
    Array(repeating: 1, count: ggmlShape(of: name)?.reduce(1, *) ?? 0)
  }

  /// Whether there is such a tensor.
  func has(_ name: String) -> Bool { ggmlShape(of: name) != nil }

  private func missing(_ name: String, _ shape: [Int]) -> RuntimeError {
    RuntimeError(
      .missingTensor,
      Fault(
        file: source, subject: name, expected: "a tensor of shape \(shape)", found: "no such tensor",
        remedy: "the file is incomplete or of another architecture than it says"))
  }
}
