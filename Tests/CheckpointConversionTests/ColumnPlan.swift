import CheckpointConversion
import FileBytes
import QuantRecipes
import TensorTypes
import TestSupport
import ZstdStreams

/// A plan whose matrices are columns of their sources, made by hand, with a plan of the same values in rows.
struct ColumnPlan {
  /// How the sources store values.
  struct Storage {
    var type = ElementType.bf16
    /// Rows and columns of a block that shares a scale; `nil` for values as they are.
    var blockSize: Int?
    var isCompressed = false
  }

  /// The plan whose rows are columns; one matrix of each stack is stored in rows, as f32.
  private(set) var columns: ConversionPlan
  /// The same with all values stored in rows, as f32.
  private(set) var rows: ConversionPlan
  /// For each tensor, the place of the first value of its matrix 0 in the source of columns.
  private(set) var firstElements: [String: (element: Int, stride: Int)] = [:]

  /// Changes the element of this index in all sources of columns.
  typealias Poison = (tensor: String, element: Int, bytes: [UInt8])

  private let storage: Storage
  private var generator: SeededGenerator
  private var columnBytes: [UInt8] = []
  private var rowBytes: [UInt8] = []

  /// Writes the sources of both plans into `folder`.
  init(
    _ storage: Storage, mix: StockMix = .q4_K_M, tiny: TinyGGUF = TinyGGUF(), seed: UInt64 = 1,
    poison: Poison? = nil,
    in folder: TemporaryFolder
  ) throws {
    self.storage = storage
    generator = SeededGenerator(seed: seed)
    var request = ConversionRequest(source: try tiny.write(to: folder), outputType: .mix(mix))
    request.outputPath = folder.path("columns.gguf")
    columns = try ConversionPlanner.prepareGGUF(request).plan
    request.outputPath = folder.path("rows.gguf")
    rows = try ConversionPlanner.prepareGGUF(request).plan
    for index in columns.tensors.indices where columns.tensors[index].ggmlShape.count > 1 {
      let name = columns.tensors[index].name
      take(index, poison.flatMap { $0.tensor == name ? $0 : nil })
    }
    let name = storage.isCompressed ? "columns.bin.zst" : "columns.bin"
    columns.sourceFiles[1].path = try folder.write(
      name, storage.isCompressed ? try ZstdWriter.compress(columnBytes) : columnBytes)
    columns.sourceFiles[1].isCompressed = storage.isCompressed
    rows.sourceFiles[1].path = try folder.write("rows.bin", rowBytes)
  }

  /// Runs a plan.
  static func run(_ plan: ConversionPlan, _ options: ExecutionOptions) throws -> ExecutionSummary {
    try executor(plan).run(options)
  }

  /// What runs a plan.
  static func executor(_ plan: ConversionPlan) -> PlanExecutor {
    PreparedConversion(plan: plan, importance: nil, fingerprint: fingerprint(plan)).executor
  }

  /// The fingerprint of a plan.
  static func fingerprint(_ plan: ConversionPlan) -> Fingerprint {
    Fingerprint(plan: plan, importance: "", version: "test")
  }

  /// Adds a source to a plan, in a second file.
  private static func add(
    _ plan: inout ConversionPlan, _ name: String, _ type: ElementType, _ count: Int, at offset: Int
  ) -> Int {
    if plan.sourceFiles.count == 1 { plan.sourceFiles.append(plan.sourceFiles[0]) }
    var source = plan.sources[0]
    source.name = name
    source.encoding = .element(type)
    source.elementCount = count
    source.file = 1
    source.offset = offset
    plan.sources.append(source)
    return plan.sources.count - 1
  }

  /// Makes the sources of one tensor.
  private mutating func take(_ index: Int, _ poison: Poison?) {
    let tensor = columns.tensors[index]
    let (length, count) = (tensor.rowLength, tensor.rowsPerMatrix)
    let matrices = tensor.rowCount / count
    // Columns before and after those of the tensor, as gate and up of one source have them; some tensors take all.
    let lead = index % 3 == 0 ? 0 : index % 5 * 7
    let stride = index % 3 == 0 ? count : lead + count + index % 4 * 9
    let elements = matrices * length * stride
    var codes = (0..<elements).map { _ in ElementCodes.random(storage.type, &generator) }
    if let poison { codes[poison.element] = poison.bytes }
    firstElements[tensor.name] = (lead, stride)
    let source = Self.add(
      &columns, tensor.name + " in columns", storage.type, elements, at: columnBytes.count)
    columnBytes += codes.joined()
    var values = codes.map { ElementCodes.value(storage.type, $0) }
    var scale: BlockScale?
    if let block = storage.blockSize {
      let blocks = ((length + block - 1) / block, (stride + block - 1) / block)
      let scales = (0..<(matrices * blocks.0 * blocks.1)).map { _ in
        Float(Int.random(in: 1...64, using: &generator)) / 4096
      }
      for element in values.indices {
        let (matrix, row, column) = (
          element / (length * stride), element / stride % length, element % stride
        )
        values[element] *= scales[(matrix * blocks.0 + row / block) * blocks.1 + column / block]
      }
      let table = Self.add(&columns, tensor.name + " scales", .f32, scales.count, at: columnBytes.count)
      columnBytes += scales.flatMap(ElementCodes.f32)
      scale = BlockScale(source: table, blockRows: block, blockColumns: block, matrixRows: length)
    }
    // The plain index computation.
    let inRows = (0..<(matrices * count * length)).flatMap { value -> [UInt8] in
      let (matrix, row, column) = (value / (count * length), value / length % count, value % length)
      return ElementCodes.f32(values[(matrix * length + column) * stride + lead + row])
    }
    let plain = Self.add(&rows, tensor.name + " in rows", .f32, matrices * count * length, at: rowBytes.count)
    rowBytes += inRows
    rows.tensors[index].content = .feed(
      TensorFeed(runs: [RowRun(source: plain, firstRow: 0, rowCount: matrices * count)]))
    // The last matrix of a stack is stored in rows.
    let other = Self.add(
      &columns, tensor.name + " in rows", .f32, count * length, at: columnBytes.count)
    columnBytes += inRows.suffix(count * length * 4)
    let runs = (0..<matrices).map { matrix in
      matrix > 0 && matrix == matrices - 1
        ? RowRun(source: other, firstRow: 0, rowCount: count)
        : RowRun(
          source: source, firstRow: 0, rowCount: count,
          order: .columns(firstElement: matrix * length * stride + lead, stride: stride), scale: scale)
    }
    columns.tensors[index].content = .feed(TensorFeed(runs: runs))
  }
}
