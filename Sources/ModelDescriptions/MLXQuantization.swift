internal import FileBytes
internal import TensorTypes

/// Recognises checkpoints that MLX quantized, which are not read yet.
enum MLXQuantization {
  /// Refuses tensors that MLX packed: matrices of 32-bit words with scales beside them.
  ///
  /// What a configuration says of a quantization that the tensors do not show is ``SourceQuantization``'s to judge.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported`.
  static func check(_ config: ModelConfig, _ tensors: [SourceTensor]) throws {
    let scales = tensors.filter { $0.name.hasSuffix(".scales") }
    guard !scales.isEmpty else { return }
    let words = Set(tensors.lazy.filter { $0.elementType == .u32 }.map(\.name))
    let packed = scales.map { String($0.name.dropLast("scales".count)) + "weight" }.filter(words.contains)
    if let first = packed.first { throw refusal(config, packed: packed.count, first: first) }
  }

  /// Refuses a configuration that stands for quantized tensors when no tensor is at hand.
  ///
  /// - Throws: ``DescriptionError`` with `notSupported`.
  static func check(withoutTensors config: ModelConfig) throws {
    if words(config) != nil { throw refusal(config, packed: 0, first: "quantization") }
  }

  /// The quantization in words; `nil` when the configuration has none.
  private static func words(_ config: ModelConfig) -> String? {
    guard let table = config.document["quantization"] ?? config["quantization"],
      table["bits"] != nil || table["mode"] != nil
    else { return nil }
    let parts = [
      table["bits"]?.integer.map { "\($0) bits" }, table["mode"]?.text,
      table["group_size"]?.integer.map { "groups of \($0)" },
    ]
    return parts.compactMap(\.self).joined(separator: ", ")
  }

  private static func refusal(_ config: ModelConfig, packed: Int, first: String) -> DescriptionError {
    let what = words(config).map { " (\($0))" } ?? ""
    return DescriptionError(
      .notSupported,
      Fault(
        file: config.file, subject: first, expected: "a checkpoint of 16-bit or 32-bit weights",
        found: "one that MLX quantized\(what)"
          + (packed > 0 ? ": \(packed) matrices are packed in 32-bit words, with scales beside them" : ""),
        remedy:
          "convert the 16-bit checkpoint that it was made from; if there is none, mlx_lm.convert --dequantize "
          + "writes 16-bit weights that can be converted, with the loss of both quantizations"))
  }
}
