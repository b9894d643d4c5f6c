internal import FileBytes
internal import TensorTypes

/// How a checkpoint is quantized, if it is: what the configuration says, judged by the tensors.
///
/// Programs that merge models often keep the configuration of a quantized base, and some that dequantize keep scales.
/// So the tensors decide where they leave no doubt: when all are 16-, 32- or 64-bit floats and none belongs to a
/// quantized weight, an entry is a leftover. Everything else that does not agree is refused.
struct SourceQuantization {
  /// The method that the configuration names; `nil` without an entry.
  let method: String?
  /// Rows and columns of a scale's block; `nil` for checkpoints of plain weights.
  private(set) var fp8Block: (rows: Int, columns: Int)?
  /// What the user should know, one sentence each.
  private(set) var notes: [String] = []

  /// Methods that replace finished weights.
  ///
  /// Of others (such as `bitnet`) 16-bit weights may be the ones from which the
  /// real ones are computed at run time.
  private static let replacingMethods: Set<String> = [
    "aqlm", "auto-round", "auto_round", "awq", "bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit",
    "compressed-tensors", "eetq", "exl2", "exl3", "fbgemm_fp8", "fp8", "fp_quant", "gptq", "gptqmodel",
    "higgs",
    "hqq", "marlin", "mlx", "modelopt", "mxfp4", "quanto", "quark", "spqr", "torchao", "vptq",
  ]

  /// Reads the entry of a configuration, without knowing the tensors.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported` for anything but fp8 in blocks.
  init(expecting config: ModelConfig) throws {
    method = Self.method(of: Self.table(config))
    if method == "fp8" {
      fp8Block = try Self.block(config)
    } else if let method {
      throw Self.notSupported(method, config, signs: [])
    }
  }

  /// Judges the entry of a configuration by the tensors.
  ///
  /// - Parameters:
  ///   - config: The configuration.
  ///   - tensors: The tensors in use, under normalised names.
  /// - Throws: ``DescriptionError`` with `notSupported` for a quantized checkpoint that cannot be read, `invalidConfig`
  ///   for scales that the configuration says nothing about.
  init(_ config: ModelConfig, tensors: [SourceTensor]) throws {
    method = Self.method(of: Self.table(config))
    let signs = tensors.filter(Self.isSign)
    guard let method else {
      if let scale = signs.first(where: { Self.isScale($0.name) }) {
        throw Self.unexplained(scale, signs, config)
      }
      return
    }
    guard !signs.isEmpty else {
      guard Self.replacingMethods.contains(method) else { throw Self.notSupported(method, config, signs: []) }
      notes.append(
        "config.json has a quantization entry (\(method)), but every tensor holds 16- or 32-bit numbers and none "
          + "holds scales; the entry is taken as left over from another checkpoint and ignored")
      return
    }
    guard method == "fp8" else { throw Self.notSupported(method, config, signs: signs) }
    fp8Block = try Self.block(config)
  }

  /// True for scales of activations and caches, which weights have no use for.
  static func isActivationScale(_ name: String) -> Bool {
    ["activation_scale", "input_scale", ".k_scale", ".v_scale"].contains(where: name.hasSuffix)
  }

  /// The shape of the scales of a weight of `shape`.
  func scaleShape(of shape: [Int]) -> [Int]? {
    guard let block = fp8Block, shape.count >= 2 else { return nil }
    var result = shape
    result[shape.count - 1] = (shape[shape.count - 1] + block.columns - 1) / block.columns
    result[shape.count - 2] = (shape[shape.count - 2] + block.rows - 1) / block.rows
    return result
  }

  // MARK: - The configuration

  private static func table(_ config: ModelConfig) -> JSONValue? {
    for key in ["quantization_config", "compression_config", "quantization"] {
      if let table = config[key] ?? config.document[key], table.members?.isEmpty == false { return table }
    }
    return nil
  }

  private static func method(of table: JSONValue?) -> String? {
    guard let table else { return nil }
    if let name = table["quant_method"]?.text { return name.lowercased() }
    // mlx-lm names no method.
    if table["group_size"] != nil, table["bits"] != nil { return "mlx" }
    return table["quant_algo"]?.text.map { "modelopt \($0)" } ?? "of an unnamed method"
  }

  private static func block(_ config: ModelConfig) throws -> (rows: Int, columns: Int) {
    let key = "quantization_config.weight_block_size"
    guard let size = table(config)?["weight_block_size"]?.elements else {
      throw DescriptionError(
        .notSupported,
        Fault(
          file: config.file, subject: key, expected: "rows and columns of a block, such as [128, 128]",
          found: "no such key", remedy: "convert the original checkpoint instead"))
    }
    guard size.count == 2, let rows = size[0].integer, let columns = size[1].integer,
      rows > 0, columns > 0, rows <= 1 << 20, columns <= 1 << 20
    else {
      throw DescriptionError(
        .invalidConfig,
        Fault(
          file: config.file, subject: key, expected: "two whole numbers above 0",
          found: table(config)?["weight_block_size"]?.summary ?? ""))
    }
    return (rows, columns)
  }

  // MARK: - The tensors

  /// True for tensors that only a quantized checkpoint has.
  private static func isSign(_ tensor: SourceTensor) -> Bool {
    switch tensor.elementType {
    case .f16, .bf16, .f32, .f64: isScale(tensor.name)
    // Counters and masks of 64 bits or of truth values are buffers of the model's code.
    case .i64, .u64, .bool: isScale(tensor.name)
    default: true
    }
  }

  /// True for the names of scales, zero points and tables of quantized weights.
  private static func isScale(_ name: String) -> Bool {
    // Nearly all names end like this, and there may be tens of thousands.
    if name.utf8.suffix(7).elementsEqual(".weight".utf8) { return false }
    guard !isActivationScale(name) else { return false }
    if name.hasSuffix("_scale_inv") || name.hasSuffix("weight_scale") || name.contains(".quant_state.") {
      return true
    }
    return [
      "SCB", "absmax", "biases", "g_idx", "nested_absmax", "nested_quant_map", "qscale_weight", "quant_map",
      "qweight", "qzeros", "scales", "weight_g_idx", "weight_global_scale", "weight_packed", "weight_scale_2",
      "weight_shape", "weight_zero_point",
    ].contains { name.hasSuffix("." + $0) }
  }

  private static func list(_ signs: [SourceTensor]) -> String {
    guard let first = signs.first else { return "" }
    let others = signs.count > 1 ? " and \(signs.count - 1) more" : ""
    return "\(first.name) (\(first.elementType.rawValue))\(others)"
  }

  private static func notSupported(
    _ method: String, _ config: ModelConfig, signs: [SourceTensor]
  ) -> DescriptionError {
    DescriptionError(
      .notSupported,
      Fault(
        file: config.file, subject: "quantization_config",
        expected: "a checkpoint of 16-bit or 32-bit weights, or fp8 in blocks",
        found: "\(method)" + (signs.isEmpty ? "" : ", with \(list(signs))"),
        remedy: "convert the original checkpoint instead"))
  }

  private static func unexplained(
    _ scale: SourceTensor, _ signs: [SourceTensor], _ config: ModelConfig
  ) -> DescriptionError {
    DescriptionError(
      .invalidConfig,
      Fault(
        file: config.file, subject: "quantization_config",
        expected: "an entry that says how to use the scales of the checkpoint",
        found: "none, but \(list([scale] + signs.filter { $0 != scale }))",
        remedy:
          "restore config.json of the original; if the weights are no longer quantized, remove the scales"))
  }
}
