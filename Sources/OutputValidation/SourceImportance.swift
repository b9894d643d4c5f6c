internal import BlockQuantization
internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ImportanceData
internal import TensorTypes

/// The importance data for quantizing the source again, filtered as the file says that it was.
struct SourceImportance {
  private let matrix: ImportanceMatrix
  private let policy: BlindExpertPolicy
  private var rows: ImportanceRows?

  /// Opens a file.
  ///
  /// - Throws: `ImportanceError`, `FileError`.
  init(path: String, record: ProvenanceRecord?) throws {
    let flags = record.flatMap { $0.describesFile ? $0 : nil }
    matrix = try ImportanceMatrix(path: path).filtered(
      including: flags?.values(of: "--include-weights") ?? [],
      excluding: flags?.values(of: "--exclude-weights") ?? [])
    policy =
      flags?.values(of: "--blind-experts").first.flatMap { BlindExpertPolicy(rawValue: $0) } ?? .ones
  }

  /// Looks for experts without data, among the tensors that were quantized with it.
  ///
  /// - Throws: Errors of reading.
  mutating func settle(_ pairs: [SourcePlan.Pair], plan: ConversionPlan) throws {
    let uses = try pairs.filter { try covers($0, plan) }.map { pair in
      let planned = plan.tensors[pair.planned]
      return ImportanceUse(
        tensor: planned.importanceKey, columnCount: planned.rowLength,
        matrixCount: planned.rowCount / max(1, planned.rowsPerMatrix),
        zeroGroup: BlockQuantizer.columnsErasedTogether(pair.tensor.info.type))
    }
    rows = try ImportanceRows(matrix, policy: policy, uses: uses)
  }

  /// Whether quantizing a tensor again takes data of this file.
  ///
  /// - Throws: `ImportanceError` for an entry that does not fit the tensor.
  func covers(_ pair: SourcePlan.Pair, _ plan: ConversionPlan) throws -> Bool {
    let planned = plan.tensors[pair.planned]
    let type = pair.tensor.info.type
    guard type.isQuantized, type != planned.sourceType,
      case .found = try matrix.lookup(
        tensor: planned.name, storedName: planned.importanceKey, ggmlShape: planned.ggmlShape)
    else { return false }
    return true
  }

  /// The weights of the columns of one matrix.
  ///
  /// - Throws: Errors of reading.
  func weights(of planned: PlannedTensor, matrix index: Int) throws -> [Float]? {
    try rows?.weights(tensor: planned.importanceKey, matrix: index, columnCount: planned.rowLength)
  }
}
