internal import FileBytes
internal import QuantRecipes
internal import TensorAssembly
internal import TensorTypes

/// The values that a plan's tensors have before they are quantized, streamed tile by tile.
///
/// It reads, reorders and rounds exactly as a conversion does, since it is the conversion's own code with another
/// output type: f32, or the source's own bytes where a tensor is to be compared as it is stored.
package struct PlanRows: Sendable {
  /// Rows of one tensor.
  package struct Request: Sendable {
    /// The index of the tensor in the plan.
    package var tensor: Int
    /// The rows, counted over all matrices.
    package var rows: Range<Int>

    /// Creates a request.
    package init(tensor: Int, rows: Range<Int>) {
      self.tensor = tensor
      self.rows = rows
    }
  }

  /// The plan with the types in which rows are delivered.
  package let plan: ConversionPlan
  private let union: WorkUnion
  /// Where each tensor of the plan is in the union, and its only form there.
  private let places: [Int: (tensor: Int, demand: Tile.Demand)]
  private let scales: ScaleTable

  /// Source bytes per tile; small enough that its values stay in the second-level cache.
  package static let tileByteCount = 64 << 10

  /// Source bytes per tile of rows that are columns of their source: a piece of every row should be worth reading.
  private static let columnTileByteCount = 4 << 20
  /// Bytes of compressed files that may be kept for tiles of their columns, if one matrix does not take more.
  private static let regionByteLimit = 128 << 20

  /// Prepares to read.
  ///
  /// - Parameters:
  ///   - plan: The plan of a conversion.
  ///   - asStored: Whether the rows of a tensor are delivered in the type that the source has; only for plans of
  ///     GGUF files.
  /// - Throws: ``ConversionError``, `FileError` or `ZstdError` when scales of an fp8 checkpoint cannot be read.
  package init(plan: ConversionPlan, asStored: (PlannedTensor) -> Bool) throws {
    var plan = plan
    for index in plan.tensors.indices {
      plan.tensors[index].decision.type =
        asStored(plan.tensors[index]) ? plan.tensors[index].sourceType : .f32
      plan.tensors[index].importanceName = nil
    }
    self.plan = plan
    union = WorkUnion([
      PreparedConversion(plan: plan, importance: nil, fingerprint: Fingerprint(task: "", version: ""))
    ])
    places = Self.places(in: union)
    scales = try ScaleTable(union)
  }

  /// Delivers rows in tiles, from several threads, in the order of the source files.
  ///
  /// - Parameters:
  ///   - requests: What is wanted.
  ///   - threadCount: The number of threads.
  ///   - isCancelled: Asked between tiles.
  ///   - body: Called with the number of the thread, the tensor's index, the first row and the bytes of whole rows;
  ///     the bytes are valid during the call.
  /// - Throws: What `body` throws, ``ConversionError`` for a weight that is not finite, `FileError`, `ZstdError`.
  package func stream(
    _ requests: [Request], threadCount: Int, isCancelled: @escaping @Sendable () -> Bool,
    _ body:
      @Sendable (_ thread: Int, _ tensor: Int, _ firstRow: Int, _ bytes: UnsafeRawBufferPointer) throws ->
      Void
  ) throws {
    let cutter = self.cutter
    let tiles = requests.flatMap { request -> [Tile] in
      guard let place = places[request.tensor] else { return [] }
      return cutter.cut(WorkPiece(tensor: place.tensor, rows: request.rows, demands: [place.demand]))
    }
    let sizes = cutter.largestTile()
    let queue = try TileQueue(
      tiles: tiles, sourceFiles: plan.sourceFiles,
      regionCount: regionCount(sizes, threadCount: threadCount))
    let (union, scales) = (union, scales)
    try queue.forEachTile(threadCount: max(1, min(threadCount, tiles.count)), isCancelled: isCancelled) {
      var worker = TileWorker(
        union, scales: scales, sourceByteCount: sizes.source, outputByteCount: sizes.output)
      // Files are compared with what the source holds, whether or not it fits.
      worker.refusesOverflow = false
      return worker
    } _: { thread, tile, outcomes in
      for outcome in outcomes {
        if let failure = outcome.failure { throw failure }
        for target in outcome.demand.targets {
          try body(thread, target.tensor, tile.firstRow, outcome.bytes)
        }
      }
    }
    if isCancelled() {
      throw ConversionError(
        .interrupted, Fault(expected: "to finish", found: "an interruption", remedy: "run the command again"))
    }
  }

  private var cutter: TileCutter {
    TileCutter(union, sourceByteLimit: Self.tileByteCount, columnByteLimit: Self.columnTileByteCount)
  }

  private static func places(in union: WorkUnion) -> [Int: (tensor: Int, demand: Tile.Demand)] {
    var places: [Int: (tensor: Int, demand: Tile.Demand)] = [:]
    for (index, tensor) in union.tensors.enumerated() {
      for (number, form) in tensor.forms.enumerated() {
        for target in form.targets {
          places[target.tensor] = (index, Tile.Demand(form: number, targets: [target]))
        }
      }
    }
    return places
  }

  private func regionCount(_ sizes: TileCutter.Sizes, threadCount: Int) -> Int {
    guard sizes.region > 0 else { return 0 }
    return max(1, min(Self.regionByteLimit / sizes.region, threadCount, union.compressedFileCount))
  }

  /// Bytes that the buffers of all threads take.
  package func bufferByteCount(threadCount: Int) -> Int {
    let sizes = cutter.largestTile()
    let perThread = TileWorker.byteCount(
      source: sizes.source, output: sizes.output, longestRow: union.longestRow, weightedFormCount: 0)
    return threadCount * perThread + regionCount(sizes, threadCount: threadCount) * sizes.region
      + union.keptScaleByteCount
  }
}
