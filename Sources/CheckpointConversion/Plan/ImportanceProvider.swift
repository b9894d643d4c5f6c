internal import FileBytes
internal import ImportanceData
internal import QuantRecipes
internal import TensorTypes

/// Importance data opened for one conversion.
struct ImportanceProvider: ImportanceSource {
  private let matrix: ImportanceMatrix
  /// A hash of the file and of the filters.
  let fingerprint: String
  /// A hash of the file.
  let fileHash: UInt64

  /// Experts that fewer tokens than this reached are worth a notice.
  private static let thinTokenCount: Int64 = 32

  /// Opens and filters a file.
  ///
  /// - Throws: `ImportanceError` for bad data, `FileError` when it cannot be read.
  init(path: String, include: [String], exclude: [String]) throws {
    matrix = try ImportanceMatrix(path: path).filtered(including: include, excluding: exclude)
    let file = try ReadableFile(path: path)
    let hash = try file.bytes(at: 0, count: file.byteCount).withUnsafeBytes { XXHash64.hash($0) }
    fileHash = hash
    fingerprint = "\(hash) +\(include.joined(separator: ",")) -\(exclude.joined(separator: ","))"
  }

  var isEmpty: Bool { !matrix.isSupplied }
  var metadata: [MetadataEntry] { matrix.quantizeMetadata }
  var names: Set<String> { Set(matrix.entries.map(\.name)) }

  /// Checks that every entry fits its tensor.
  ///
  /// - Returns: The names that are covered.
  func coveredNames(_ tensors: [PlanDraft.Tensor]) throws -> Set<String> {
    var covered: Set<String> = []
    for tensor in tensors {
      if case .found = try matrix.lookup(
        tensor: tensor.name, storedName: tensor.importanceName, ggmlShape: tensor.ggmlShape)
      {
        covered.insert(tensor.importanceName)
      }
    }
    return covered
  }

  func weights(tensor: String, matrix index: Int, rowLength: Int) throws -> [Float]? {
    guard let entry = matrix.entry(tensor), entry.values.count >= (index + 1) * rowLength else { return nil }
    return Array(entry.values[(index * rowLength)..<((index + 1) * rowLength)])
  }

  /// Quantized tensors without data, experts without tokens, entries that no tensor uses.
  func notices(for plan: ConversionPlan) -> [ConversionPlan.Notice] {
    var notices: [ConversionPlan.Notice] = []
    let uncovered = plan.tensors.filter {
      $0.type.isQuantized && $0.type != $0.sourceType && $0.importanceName == nil
        && !["token_embd.weight", "output.weight"].contains($0.name)
    }
    if let first = uncovered.first {
      let others = uncovered.count > 1 ? " and \(uncovered.count - 1) more" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: first.name + others, text: "no importance data; quantized with equal weights"))
    }
    let known = Set(plan.tensors.map { $0.importanceName ?? $0.name })
    let unused = matrix.entries.map(\.name).filter { !known.contains($0) }
    if let first = unused.first {
      let others = unused.count > 1 ? " and \(unused.count - 1) more" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: first + others, text: "importance data for a tensor that the model lacks"))
    }
    for coverage in matrix.coverage(thinBelow: Self.thinTokenCount) where known.contains(coverage.tensor) {
      notices.append(
        ConversionPlan.Notice(
          subject: coverage.tensor,
          text: "\(coverage.blind.count) of \(coverage.matrixCount) experts without calibration tokens "
            + "(weights 1)\(Self.list(coverage.blind)), \(coverage.thin.count) with fewer than "
            + "\(Self.thinTokenCount)\(Self.list(coverage.thin))"))
    }
    return notices
  }

  private static func list(_ experts: [Int]) -> String {
    guard !experts.isEmpty else { return "" }
    let shown = experts.prefix(8).map(String.init).joined(separator: ", ")
    return " [\(shown)\(experts.count > 8 ? ", …" : "")]"
  }
}
