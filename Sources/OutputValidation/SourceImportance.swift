internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ImportanceData
internal import TensorTypes

/// The importance data for quantizing the source again, filtered as the file says that it was.
struct SourceImportance {
  private let matrix: ImportanceMatrix
  private let usesMeans: Bool
  /// For tensors with blind experts, the row that those get instead of ones.
  private var means: [String: [Float]] = [:]

  /// Opens a file.
  ///
  /// - Throws: `ImportanceError`, `FileError`.
  init(path: String, record: ProvenanceRecord?) throws {
    let flags = record.flatMap { $0.describesFile ? $0 : nil }
    matrix = try ImportanceMatrix(path: path).filtered(
      including: flags?.values(of: "--include-weights") ?? [],
      excluding: flags?.values(of: "--exclude-weights") ?? [])
    usesMeans = flags?.values(of: "--blind-experts").first == BlindExpertPolicy.layerMean.rawValue
  }

  /// Makes the rows for experts without data.
  ///
  /// - Throws: Errors of reading.
  mutating func settle(_ pairs: [SourcePlan.Pair], plan: ConversionPlan) throws {
    guard usesMeans else { return }
    for pair in pairs where uses(pair, plan) {
      let planned = plan.tensors[pair.planned]
      guard let entry = matrix.entry(planned.name), let counts = entry.counts, counts.contains(0),
        counts.count > 1, entry.valueCount % counts.count == 0,
        entry.valueCount / counts.count == planned.rowLength
      else { continue }
      means[planned.name] = try matrix.layerMean(of: entry, columnCount: planned.rowLength)
    }
  }

  /// Whether quantizing a tensor again takes data of this file.
  ///
  /// - Throws: `ImportanceError` for an entry that does not fit the tensor.
  func covers(_ pair: SourcePlan.Pair, _ plan: ConversionPlan) throws -> Bool {
    let planned = plan.tensors[pair.planned]
    guard uses(pair, plan),
      case .found = try matrix.lookup(tensor: planned.name, ggmlShape: planned.ggmlShape)
    else { return false }
    return true
  }

  private func uses(_ pair: SourcePlan.Pair, _ plan: ConversionPlan) -> Bool {
    let type = pair.tensor.info.type
    return type.isQuantized && type != plan.tensors[pair.planned].sourceType
  }

  /// The weights of the columns of one matrix.
  ///
  /// - Throws: Errors of reading.
  func weights(tensor: String, matrix index: Int, rowLength: Int) throws -> [Float]? {
    guard let entry = matrix.entry(tensor) else { return nil }
    if let mean = means[tensor], let counts = entry.counts, index < counts.count, counts[index] == 0 {
      return mean
    }
    return try matrix.weights(of: entry, matrix: index, columnCount: rowLength)
  }
}
