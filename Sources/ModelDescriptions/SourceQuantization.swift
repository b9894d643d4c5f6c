internal import FileBytes
internal import TensorTypes
internal import TextTokenizers

/// How a checkpoint is quantized, if it is.
struct SourceQuantization {
  /// Rows and columns of a scale's block; `nil` for checkpoints of plain weights.
  var fp8Block: (rows: Int, columns: Int)?

  /// Reads `quantization_config`.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported` for anything but fp8 in blocks.
  init(_ config: ModelConfig) throws {
    guard let table = config["quantization_config"] ?? config.document["quantization_config"],
      let method = table["quant_method"]?.text
    else { return }
    guard method == "fp8" else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: "quantization_config.quant_method",
          expected: "a checkpoint of 16-bit or 32-bit weights, or fp8 in blocks", found: method,
          remedy: "convert the original checkpoint instead"))
    }
    guard let size = table["weight_block_size"]?.elements else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: "quantization_config.weight_block_size",
          expected: "rows and columns of a block, such as [128, 128]", found: "no such key"))
    }
    guard size.count == 2, let rows = size[0].integer, let columns = size[1].integer,
      rows > 0, columns > 0, rows <= 1 << 20, columns <= 1 << 20
    else {
      throw DescriptionError(
        .invalidConfig,
        Fault(
          file: config.file, subject: "quantization_config.weight_block_size",
          expected: "two whole numbers above 0", found: table["weight_block_size"]?.summary ?? ""))
    }
    fp8Block = (rows, columns)
  }

  /// The shape of the scales of a weight of `shape`.
  func scaleShape(of shape: [Int]) -> [Int]? {
    guard let block = fp8Block, shape.count >= 2 else { return nil }
    var result = shape
    result[shape.count - 1] = (shape[shape.count - 1] + block.columns - 1) / block.columns
    result[shape.count - 2] = (shape[shape.count - 2] + block.rows - 1) / block.rows
    return result
  }
}
