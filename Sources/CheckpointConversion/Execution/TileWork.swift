internal import BlockQuantization
internal import FileBytes
internal import TensorAssembly
internal import TensorTypes

/// A tile in one form, with what the plans say of it.
struct TileWork {
  var tile: Tile
  var form: Int
  var tensor: PlannedTensor
  var feed: TensorFeed
  var run: RowRun
  var origin: PlannedSource
  /// The path of the source file.
  var file: String
  /// Whether single tensors can be given other types.
  var takesRules: Bool
  var importance: (any ImportanceSource)?
  /// The 16-bit type that values are rounded to before they are stored; `nil` when they have it already.
  var rounding: TensorType?
  /// Whether the stored type may not hold what the source holds.
  var mayLose: Bool
  /// Where the form's bytes are put.
  var stored: UnsafeMutableRawBufferPointer

  init(
    _ union: WorkUnion, tile: Tile, demand: Tile.Demand, feed: TensorFeed,
    stored: UnsafeMutableRawBufferPointer
  ) {
    let planned = union.form(demand, of: tile.tensor)
    self.tile = tile
    form = demand.form
    tensor = planned.planned
    importance = planned.importance
    self.feed = feed
    self.stored = stored
    run = feed.runs[tile.run]
    origin = union.sources[run.source]
    file = union.sourceFiles[origin.file].path
    takesRules = planned.takesRules
    // What an operation makes need not have the type that its source has.
    let isChanged = feed.operation != .identity
    switch planned.rounding {
    case .bf16 where isChanged || origin.encoding != .element(.bf16): rounding = .bf16
    case .f16 where isChanged || origin.encoding != .element(.f16): rounding = .f16
    default: rounding = nil
    }
    let isCopy: Bool =
      switch tensor.type {
      case .bf16: origin.encoding == .element(.bf16)
      case .f16: origin.encoding == .element(.f16)
      default: tensor.type == .f32
      }
    mayLose = !isCopy || tensor.groups != nil || feed.operation != .identity && tensor.type != .f32
  }
}

extension TileWork {
  /// Refuses blocks whose scales are not finite.
  ///
  /// - Parameters:
  ///   - bytes: The bytes of whole rows.
  ///   - firstRow: The first row, counted from that of the tile.
  /// - Throws: ``ConversionError`` with `scaleOverflow`, naming the first one.
  func checkBlocks(_ bytes: UnsafeRawBufferPointer, firstRow: Int = 0) throws {
    let type = tensor.type
    guard let block = BlockQuantizer.firstInvalidBlock(type, bytes: bytes) else { return }
    let blocksPerRow = max(1, tensor.rowLength / type.blockLength)
    throw ConversionError(
      .scaleOverflow,
      Fault(
        file: file,
        subject: Wording(place(row: firstRow + block / blocksPerRow)),
        expected: "block scales within the range of f16 (65504)",
        found: "block \(block % blocksPerRow) of the row with a scale that is not finite as \(type.name)",
        remedy:
          "the weights are too large or damaged; store this tensor as bf16 or f32 with \(.tensorTypeRules)"))
  }

  /// The error for a value that is not finite, in the rows from `row` on.
  func refusal(of bad: BadValue, row: Int) -> ConversionError {
    let remedy: Wording =
      "the checkpoint is damaged; fetch this shard again or report it to the model's authors"
    switch bad.origin {
    case .source:
      return ConversionError(
        .nonFiniteWeight,
        Fault(
          file: file,
          subject: "\(origin.name) -> \(place(row: row + bad.row))",
          expected: "finite weights", found: "\(bad.value) in \(sourcePlace(of: bad, row: row))",
          remedy: remedy))
    case .operation:
      return outOfRange(
        bad.value, row: row + bad.row, column: bad.column, type: .f32, remedy: remedy)
    }
  }

  /// Where a bad value is in the source, as far as the row of the output does not say it.
  private func sourcePlace(of bad: BadValue, row: Int) -> String {
    guard case .columns = run.order else { return "column \(bad.column)" }
    let place = run.sourcePlace(
      row: tile.offsetInRun + row + bad.row, column: bad.column, rowLength: tensor.rowLength)
    return "row \(place.row), column \(place.column) of \(origin.name)"
  }

  /// The error for a value that a type cannot hold.
  func outOfRange(
    _ value: Float, row: Int, column: Int, type: TensorType, remedy: Wording
  ) -> ConversionError {
    let limit = type == .f16 ? "65504" : "3.4e38"
    return ConversionError(
      .valueOutOfRange,
      Fault(
        file: file,
        subject: "\(origin.name) -> \(place(row: row))",
        expected: "weights of at most \(limit), the largest \(type.name)",
        found: "\(value) in column \(column)",
        remedy: remedy))
  }

  /// The name of a tensor's row, counted from the first one of the tile.
  func place(row: Int) -> String {
    let row = tile.firstRow + row
    guard tensor.ggmlShape.count > 2 else { return "\(tensor.name), row \(row)" }
    return "\(tensor.name), expert \(row / tensor.rowsPerMatrix), row \(row % tensor.rowsPerMatrix)"
  }
}
