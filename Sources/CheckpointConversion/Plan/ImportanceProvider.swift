internal import FileBytes
internal import ImportanceData
internal import QuantRecipes
internal import TensorTypes

/// Importance data opened for one conversion.
///
/// Weights are read from the file when a tile needs them; what is held are names, counts and, under
/// ``BlindExpertPolicy/layerMean``, one row per tensor with blind experts.
struct ImportanceProvider: ImportanceSource {
  private let matrix: ImportanceMatrix
  private let policy: BlindExpertPolicy
  /// For tensors with blind experts, the row that those get instead of ones.
  private var means: [String: [Float]] = [:]
  /// A hash of the file, the filters and the policy.
  let fingerprint: String
  /// A hash of the file: XXH64 of each mebibyte, seeded with that of the one before.
  let fileHash: UInt64

  /// Experts that fewer tokens than this reached are worth a notice.
  private static let thinTokenCount: Int64 = 32

  /// Opens and filters a file.
  ///
  /// - Throws: `ImportanceError` for bad data, `FileError` when it cannot be read, ``ConversionError`` with
  ///   `badOption` for a policy that needs counts per expert where the file has none.
  init(path: String, include: [String], exclude: [String], blindExperts: BlindExpertPolicy) throws {
    matrix = try ImportanceMatrix(path: path).filtered(including: include, excluding: exclude)
    policy = blindExperts
    guard policy == .ones || matrix.hasExpertCounts else {
      throw ConversionError(
        .badOption,
        Fault(
          file: path, subject: "--blind-experts \(policy.rawValue)",
          expected: "importance data with counts per expert", found: "a legacy file, which has none",
          remedy: "collect the data in the GGUF form, or leave the flag out"))
    }
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
    guard let entry = matrix.entry(tensor) else { return nil }
    if let mean = means[tensor], let counts = entry.counts, index < counts.count, counts[index] == 0 {
      return mean
    }
    return try matrix.weights(of: entry, matrix: index, columnCount: rowLength)
  }

  /// Completes a plan: notices, blind and thin experts, and what the policy makes of them.
  ///
  /// - Throws: ``ConversionError`` with `blindExperts` under ``BlindExpertPolicy/error``; errors of reading.
  mutating func settle(_ plan: inout ConversionPlan) throws {
    var users: [String: PlannedTensor] = [:]
    for tensor in plan.tensors { if let name = tensor.importanceName { users[name] = tensor } }
    let coverage = matrix.coverage(thinBelow: Self.thinTokenCount).filter { users[$0.tensor] != nil }
    let importance = PlannedImportance(
      file: matrix.path, entries: matrix.entries.count, blindExperts: policy,
      hasExpertCounts: matrix.hasExpertCounts, thinBelow: Self.thinTokenCount,
      layers: LayerCoverage.byLayer(coverage))
    plan.importance = importance
    plan.notices += notices(for: plan)
    if policy == .error { try refuseBlind(importance) }
    guard policy == .layerMean else { return }
    for item in coverage where !item.blind.isEmpty && item.matrixCount > 1 {
      guard let entry = matrix.entry(item.tensor), let tensor = users[item.tensor],
        entry.valueCount == tensor.rowLength * item.matrixCount
      else { continue }
      means[item.tensor] = try matrix.layerMean(of: entry, columnCount: tensor.rowLength)
    }
  }

  private func refuseBlind(_ importance: PlannedImportance) throws {
    let blind = importance.layers.filter { !$0.blind.isEmpty }
    guard !blind.isEmpty else { return }
    let shown = blind.prefix(8).map { layer in
      layer.expertCount > 1
        ? "\(layer.title): experts \(LayerCoverage.list(layer.blind))" : "\(layer.title): no tokens at all"
    }
    let others = blind.count > 8 ? "; and \(blind.count - 8) more layers" : ""
    throw ConversionError(
      .blindExperts,
      Fault(
        file: matrix.path, subject: "--blind-experts error", expected: "calibration tokens for every expert",
        found: "none for \(importance.blindCount); " + shown.joined(separator: "; ") + others,
        remedy: "calibrate with more text, or choose ones or layer-mean"))
  }

  /// Quantized tensors without data, experts without tokens, entries that no tensor uses.
  private func notices(for plan: ConversionPlan) -> [ConversionPlan.Notice] {
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
    if let importance = plan.importance, !importance.layers.isEmpty {
      notices.append(
        ConversionPlan.Notice(
          subject: importance.file,
          text:
            "\(importance.blindCount) blind experts without calibration tokens (\(importance.blindOutcome)), "
            + "\(importance.thinCount) thin ones with fewer than \(importance.thinBelow)"))
    }
    return notices
  }
}
