internal import FileBytes
internal import TensorTypes
internal import TextTokenizers

/// The entry of a configuration that says how weights are quantized, read into the forms that they may have.
///
/// Which weights are quantized at all is told by lists of names and patterns, which are not read: the tensors of a
/// weight show its form, and one that has none of those named here is refused.
struct QuantizationEntry {
  /// What cannot be read, and where the configuration says so.
  struct Refusal: Error {
    /// The key, with those around it.
    var key: String
    /// What would be read.
    var expected: String
    /// What the key says.
    var found: String
    /// Whether the value makes no sense, rather than one that is not read yet.
    var isInvalid = false
  }

  /// The method, such as `fp8` or `compressed-tensors`.
  let method: String
  private let table: JSONValue
  private let key: String

  /// Finds the entry of a configuration; `nil` without one.
  init?(_ config: ModelConfig) {
    for key in ["quantization_config", "compression_config", "quantization"] {
      guard let table = config[key] ?? config.document[key], table.members?.isEmpty == false else { continue }
      self.table = table
      self.key = key
      method = Self.method(of: table)
      return
    }
    return nil
  }

  private static func method(of table: JSONValue) -> String {
    if let name = table["quant_method"]?.text { return name.lowercased() }
    // mlx-lm names no method.
    if table["group_size"] != nil, table["bits"] != nil { return "mlx" }
    return table["quant_algo"]?.text == nil ? "of an unnamed method" : "modelopt"
  }

  /// The forms that quantized weights may have; `nil` for a method that is not read.
  ///
  /// - Throws: ``Refusal`` for a variant that is not read.
  func forms() throws(Refusal) -> [WeightForm]? {
    switch method {
    case "fp8": try fp8()
    case "compressed-tensors": try compressedTensors()
    case "modelopt": try modelOpt()
    case "mxfp4":
      [
        WeightForm(
          codes: .blocks, extent: .group(32), codesEnding: "_blocks", scaleEnding: "_scales",
          scaleTypes: [.u8, .f8E8M0])
      ]
    case "mlx": try mlx()
    default: nil
    }
  }

  // MARK: - MLX

  private func mlx() throws(Refusal) -> [WeightForm] {
    let known = GroupFormat.Mode.allCases.map(\.rawValue)
    for (name, module) in [("", table)] + (table.members ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let mode = module["mode"], mode.text.map(known.contains) != true else { continue }
      throw refusal(
        (name.isEmpty ? "" : name + ".") + "mode", expected: known.joined(separator: ", "), found: mode)
    }
    return WeightForm.mlx
  }

  /// What to say of weights that MLX quantized.
  var noteOnMLX: String {
    let parts = [
      table["mode"]?.text ?? "affine", table["bits"]?.integer.map { "\($0) bits" },
      table["group_size"]?.integer.map { "groups of \($0)" },
    ]
    return
      "the weights were quantized by MLX (\(parts.compactMap(\.self).joined(separator: ", "))) and are decoded; "
      + "quantizing them again adds a second rounding to the first"
  }

  // MARK: - fp8

  private func fp8() throws(Refusal) -> [WeightForm] {
    let extents: [WeightForm.Extent]
    if let size = table["weight_block_size"] {
      extents = [try block(size, key: "weight_block_size")]
    } else {
      extents = [.tensor, .row]
    }
    return ["_scale_inv", "_scale"].flatMap { ending in extents.map { .float8($0, ending) } }
  }

  private func block(_ size: JSONValue, key: String) throws(Refusal) -> WeightForm.Extent {
    guard let numbers = size.elements, numbers.count == 2, let rows = numbers[0].integer,
      let columns = numbers[1].integer, rows > 0, columns > 0, rows <= 1 << 20, columns <= 1 << 20
    else {
      throw refusal(key, expected: "two whole numbers above 0", found: size, isInvalid: true)
    }
    return .block(rows: rows, columns: columns)
  }

  // MARK: - compressed-tensors

  private func compressedTensors() throws(Refusal) -> [WeightForm] {
    if let sparsity = table["sparsity_config"]?["format"], sparsity.text != "dense" {
      throw refusal("sparsity_config.format", expected: "dense", found: sparsity)
    }
    if let transforms = table["transform_config"], transforms.members?.isEmpty == false {
      throw refusal("transform_config", expected: "weights that are not rotated", found: transforms)
    }
    guard let groups = table["config_groups"]?.members, !groups.isEmpty else {
      throw refusal(
        "config_groups", expected: "how weights are quantized", found: table["config_groups"])
    }
    var forms: [WeightForm] = []
    for (name, group) in groups.sorted(by: { $0.key < $1.key }) {
      // Others are of activations alone.
      guard let weights = group["weights"] else { continue }
      let own = group["format"]
      let key = own == nil ? "format" : "config_groups.\(name).format"
      for form in try compressed(
        own ?? table["format"], formatKey: key, weights, key: "config_groups.\(name).weights")
      where !forms.contains(form) { forms.append(form) }
    }
    return forms
  }

  private func compressed(
    _ format: JSONValue?, formatKey: String, _ weights: JSONValue, key: String
  ) throws(Refusal) -> [WeightForm] {
    let bits = weights["num_bits"]?.integer ?? 8
    let type = weights["type"]?.text ?? "int"
    func require(_ condition: Bool, _ name: String, _ expected: String) throws(Refusal) {
      if !condition { throw refusal(key + "." + name, expected: expected, found: weights[name]) }
    }
    try require(weights["symmetric"]?.flag != false, "symmetric", "true")
    switch format?.text {
    case "float-quantized", "int-quantized", "naive-quantized":
      try require(bits == 8, "num_bits", "8")
      try require(type == "float" || type == "int", "type", "float or int")
      let extent = try extent(weights, key: key)
      return type == "float" ? [.float8(extent)] : [WeightForm(codes: .int8, extent: extent)]
    case "pack-quantized":
      try require(type == "int", "type", "int")
      try require(bits == 4 || bits == 8, "num_bits", "4 or 8")
      return [
        WeightForm(
          codes: .words(bits == 4 ? .offset4 : .offset8), extent: try extent(weights, key: key),
          codesEnding: "_packed")
      ]
    case "nvfp4-pack-quantized":
      try require(type == "float" && bits == 4, "type", "float of 4 bits")
      try require([nil, 16].contains(weights["group_size"]?.integer), "group_size", "16")
      return [
        .nvfp4(
          codesEnding: "_packed", common: WeightForm.Common(ending: "_global_scale", divides: true))
      ]
    case "mxfp4-pack-quantized":
      try require(type == "float" && bits == 4, "type", "float of 4 bits")
      try require([nil, 32].contains(weights["group_size"]?.integer), "group_size", "32")
      return [
        WeightForm(
          codes: .pairs, extent: .group(32), codesEnding: "_packed", scaleTypes: [.u8, .f8E8M0])
      ]
    case "dense": return []
    default:
      throw refusal(
        formatKey,
        expected: "float-quantized, int-quantized, naive-quantized, pack-quantized, nvfp4-pack-quantized or "
          + "mxfp4-pack-quantized", found: format)
    }
  }

  private func extent(_ weights: JSONValue, key: String) throws(Refusal) -> WeightForm.Extent {
    let size = weights["group_size"]?.integer
    let strategy = weights["strategy"]?.text ?? (size == nil ? "tensor" : size == -1 ? "channel" : "group")
    switch strategy {
    case "tensor": return .tensor
    case "channel": return .row
    case "block":
      let name = "\(key).block_structure"
      guard let structure = weights["block_structure"] else {
        throw refusal(name, expected: "rows and columns of a block", found: nil)
      }
      return try block(structure, key: name)
    case "group":
      guard let size, size > 0, size <= 1 << 20 else {
        throw refusal(
          "\(key).group_size", expected: "a whole number above 0", found: weights["group_size"],
          isInvalid: true)
      }
      return .group(size)
    default:
      throw refusal(
        "\(key).strategy", expected: "tensor, channel, block or group", found: weights["strategy"])
    }
  }

  // MARK: - Model Optimizer

  private func modelOpt() throws(Refusal) -> [WeightForm] {
    guard let algorithm = table["quant_algo"]?.text?.uppercased() else {
      throw refusal("quant_algo", expected: "how weights are quantized", found: table["quant_algo"])
    }
    guard algorithm == "MIXED_PRECISION" else { return try modelOpt(algorithm, table, key: "") }
    var forms: [WeightForm] = []
    let layers = table["quantized_layers"]?.members ?? [:]
    for (name, layer) in layers.sorted(by: { $0.key < $1.key }) {
      let prefix = "quantized_layers.\(name)."
      guard let algorithm = layer["quant_algo"]?.text?.uppercased() else {
        throw refusal(prefix + "quant_algo", expected: "how it is quantized", found: layer["quant_algo"])
      }
      for form in try modelOpt(algorithm, layer, key: prefix) where !forms.contains(form) {
        forms.append(form)
      }
    }
    guard !forms.isEmpty else {
      throw refusal(
        "quantized_layers", expected: "how each layer is quantized", found: table["quantized_layers"])
    }
    return forms
  }

  private func modelOpt(_ algorithm: String, _ table: JSONValue, key: String) throws(Refusal) -> [WeightForm]
  {
    switch algorithm {
    case "FP8": return [.float8(.tensor)]
    case "FP8_PER_CHANNEL_PER_TOKEN": return [.float8(.row)]
    case "NVFP4", "W4A16_NVFP4":
      if let size = table["group_size"], size.integer != 16 {
        throw refusal(key + "group_size", expected: "16", found: size)
      }
      return [.nvfp4(codesEnding: "", common: WeightForm.Common(ending: "_scale_2", divides: false))]
    default:
      throw refusal(
        key + "quant_algo",
        expected: "FP8, FP8_PER_CHANNEL_PER_TOKEN, NVFP4, W4A16_NVFP4 or MIXED_PRECISION of these",
        found: table["quant_algo"])
    }
  }

  private func refusal(_ name: String, expected: String, found: JSONValue?, isInvalid: Bool = false)
    -> Refusal
  {
    Refusal(
      key: "\(key).\(name)", expected: expected, found: found?.summary ?? "no such key", isInvalid: isInvalid)
  }
}
