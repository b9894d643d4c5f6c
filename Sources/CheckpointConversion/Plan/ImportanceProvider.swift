internal import BlockQuantization
internal import FileBytes
internal import ImportanceData
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// Importance data opened for one conversion.
///
/// Weights are read from the file when a tile needs them.
struct ImportanceProvider: ImportanceSource {
  private let matrix: ImportanceMatrix
  private let policy: BlindExpertPolicy
  /// The rows for the tensors of the plan, once it is settled.
  private var rows: ImportanceRows?
  /// A hash of the file, the filters and the policy.
  let fingerprint: String
  /// A hash of the file: XXH64 of each mebibyte, seeded with that of the one before.
  let fileHash: UInt64

  /// Experts that fewer tokens than this reached are worth a notice.
  private static let thinTokenCount: Int64 = 32

  /// Opens and filters a file.
  ///
  /// - Throws: `ImportanceError` for bad data, `FileError` when it cannot be read.
  init(path: String, include: [String], exclude: [String], blindExperts: BlindExpertPolicy) throws {
    matrix = try ImportanceMatrix(path: path).filtered(including: include, excluding: exclude)
    policy = blindExperts
    fileHash = try Self.hash(path)
    fingerprint =
      "\(fileHash) +\(include.joined(separator: ",")) -\(exclude.joined(separator: ",")) "
      + policy.rawValue
  }

  /// A hash of a file, read a mebibyte at a time.
  static func hash(_ path: String) throws -> UInt64 {
    let file = try ReadableFile(path: path)
    let step = 1 << 20
    var result: UInt64 = 0
    for offset in stride(from: 0, to: file.byteCount, by: step) {
      let bytes = try file.bytes(at: offset, count: min(step, file.byteCount - offset))
      result = bytes.withUnsafeBytes { XXHash64.hash($0, seed: result) }
    }
    return result
  }

  var identity: String { fingerprint }
  var isEmpty: Bool { !matrix.isSupplied }
  var metadata: [MetadataEntry] { matrix.quantizeMetadata }

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
    try rows?.weights(tensor: tensor, matrix: index, columnCount: rowLength)
  }

  /// Completes a plan: notices, blind and thin experts, and what the policy makes of them.
  ///
  /// Reads the data of the tensors that use it once more, row by row.
  ///
  /// - Throws: ``ConversionError`` with `blindExperts` under ``BlindExpertPolicy/error``, with `badOption` for a
  ///   policy that needs to know which experts are blind where nothing in the file says so; errors of reading.
  mutating func settle(_ plan: inout ConversionPlan) throws {
    let uses = plan.tensors.compactMap { tensor in
      tensor.importanceName.map {
        ImportanceUse(
          tensor: $0, columnCount: tensor.rowLength,
          matrixCount: tensor.rowCount / max(1, tensor.rowsPerMatrix),
          zeroGroup: BlockQuantizer.columnsErasedTogether(tensor.type))
      }
    }
    let rows = try ImportanceRows(matrix, policy: policy, uses: uses, thinBelow: Self.thinTokenCount)
    self.rows = rows
    guard policy == .ones || matrix.hasExpertCounts || rows.coverage.contains(where: { !$0.blind.isEmpty })
    else {
      throw ConversionError(
        .badOption,
        Fault(
          file: matrix.path, subject: "\(.blindExperts) \(policy.rawValue)",
          expected: "importance data with counts per expert", found: "a legacy file, which has none",
          remedy: "collect the data in the GGUF form, or leave it out"))
    }
    let importance = PlannedImportance(
      file: matrix.path, entries: matrix.entries.count, blindExperts: policy,
      hasExpertCounts: matrix.hasExpertCounts, thinBelow: Self.thinTokenCount,
      layers: LayerCoverage.byLayer(rows.coverage), shared: sharedData(plan))
    plan.importance = importance
    plan.notices += notices(for: plan) + rows.coverage.compactMap(Self.emptyColumnsNotice)
    if policy == .error { try refuseBlind(importance) }
  }

  /// The tensors that use the data of another one, with its name.
  private func sharedData(_ plan: ConversionPlan) -> [PlannedImportance.Shared] {
    plan.tensors.compactMap { tensor in
      guard let name = tensor.importanceName, let entry = matrix.entry(serving: name), entry.name != name
      else { return nil }
      return PlannedImportance.Shared(tensor: tensor.name, source: entry.name)
    }
  }

  private static func emptyColumnsNotice(_ coverage: ExpertCoverage) -> ConversionPlan.Notice? {
    guard let empty = coverage.emptyColumns else { return nil }
    let experts =
      coverage.matrixCount > 1
      ? " of expert \(empty.firstMatrix)"
        + (empty.matrixCount > 1 ? " and \(empty.matrixCount - 1) more" : "")
      : ""
    let columns = empty.firstColumns
    return ConversionPlan.Notice(
      subject: coverage.tensor,
      text:
        "importance is zero in \(empty.count) columns\(experts), first in \(columns.lowerBound) to "
        + "\(columns.upperBound - 1); their weights become zeros, as llama-quantize has it")
  }

  private func refuseBlind(_ importance: PlannedImportance) throws {
    let blind = importance.layers.filter { !$0.blind.isEmpty }
    guard !blind.isEmpty else { return }
    let shown = blind.prefix(8).map { layer in
      layer.expertCount > 1
        ? "\(layer.title): experts \(LayerCoverage.list(layer.blind))"
        : "\(layer.matrixTitle): \(layer.allZero.isEmpty ? "no tokens at all" : "zero in every column")"
    }
    let others = blind.count > 8 ? "; and \(blind.count - 8) more layers" : ""
    throw ConversionError(
      .blindExperts,
      Fault(
        file: matrix.path, subject: "\(.blindExperts) error", expected: "calibration data for every expert",
        found: "none for \(importance.blindCount); \(shown.joined(separator: "; "))\(others)",
        remedy: "calibrate with more text, or choose ones or layer-mean"))
  }

  /// Quantized tensors without data, experts without tokens, entries that no tensor uses.
  private func notices(for plan: ConversionPlan) -> [ConversionPlan.Notice] {
    var notices: [ConversionPlan.Notice] = []
    let uncovered = plan.tensors.filter {
      $0.type.isQuantized && $0.type != $0.sourceType && $0.importanceName == nil
        && ![.tokenEmbedding, .output].contains($0.purpose.slot)
    }
    if let first = uncovered.first {
      let others = uncovered.count > 1 ? " and \(uncovered.count - 1) more" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: first.name + others, text: "no importance data; quantized with equal weights"))
    }
    var known = Set(plan.tensors.compactMap { matrix.entry(serving: $0.importanceKey)?.name })
    for tensor in plan.tensors { known.insert(tensor.importanceKey) }
    // Data of pruned layers is no surprise.
    for tensor in plan.skipped { known.insert(tensor.name) }
    let unused = matrix.entries.map(\.name).filter { !known.contains($0) }
    if let first = unused.first {
      let others = unused.count > 1 ? " and \(unused.count - 1) more" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: first + others, text: "importance data for a tensor that the model lacks"))
    }
    if let importance = plan.importance, !importance.layers.isEmpty {
      let matrices =
        importance.blindMatrixCount > 0 ? ", \(importance.blindMatrixCount) of them whole matrices" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: importance.file,
          text:
            "\(importance.blindCount) blind experts without calibration data\(matrices) (\(importance.blindOutcome)), "
            + "\(importance.thinCount) thin ones with fewer than \(importance.thinBelow) tokens"))
    }
    return notices
  }
}
