internal import TensorTypes

/// A form of quantized weights, with the numbers that its codes and scales stand for.
public enum StoredForm: String, CaseIterable, Sendable {
  case fp8Tensor, fp8Rows, int8Rows, int4Groups, int8Words, nvfp4, modelOptNVFP4, mxfp4

  private var bits: Int {
    switch self {
    case .fp8Tensor, .fp8Rows, .int8Rows, .int8Words: 8
    default: 4
    }
  }

  /// Values that share a scale, of a row with `columns` values; the last ones of a row may be fewer.
  private func group(_ columns: Int) -> Int {
    switch self {
    case .fp8Tensor, .fp8Rows, .int8Rows: columns
    case .int4Groups, .mxfp4: 32
    case .int8Words: 24
    case .nvfp4, .modelOptNVFP4: 16
    }
  }

  /// The entry of the configuration.
  var entry: [String: Any] {
    func compressed(_ format: String, _ weights: [String: Any]) -> [String: Any] {
      [
        "quant_method": "compressed-tensors", "format": format,
        "config_groups": ["group_0": ["weights": weights]],
      ]
    }
    return switch self {
    case .fp8Tensor: ["quant_method": "fp8"]
    case .fp8Rows: compressed("float-quantized", ["num_bits": 8, "type": "float", "strategy": "channel"])
    case .int8Rows: compressed("int-quantized", ["num_bits": 8, "type": "int", "strategy": "channel"])
    case .int4Groups: compressed("pack-quantized", ["num_bits": 4, "type": "int", "group_size": 32])
    case .int8Words: compressed("pack-quantized", ["num_bits": 8, "type": "int", "group_size": 24])
    case .nvfp4: compressed("nvfp4-pack-quantized", ["num_bits": 4, "type": "float"])
    case .modelOptNVFP4: ["quant_method": "modelopt", "quant_algo": "NVFP4"]
    case .mxfp4: compressed("mxfp4-pack-quantized", ["num_bits": 4, "type": "float", "group_size": 32])
    }
  }

  /// The largest value of a code.
  private var largest: Float {
    switch self {
    case .fp8Tensor, .fp8Rows: 448
    case .int8Rows, .int8Words: 127
    case .int4Groups: 7
    case .nvfp4, .modelOptNVFP4, .mxfp4: 6
    }
  }

  /// A scale for values up to `most`, as its bytes and its value.
  private func scale(_ most: Float, whole: Float) -> (bytes: [UInt8], value: Float) {
    switch self {
    case .mxfp4:
      let exponent = most > 0 ? Int(most.exponent) - 2 : 0
      return ([UInt8(exponent + 127)], Float(sign: .plus, exponent: exponent, significand: 1))
    case .nvfp4, .modelOptNVFP4:
      let code = max(1, StoredCheckpoint.nearestE4M3(most / 6 / whole))
      return ([code], ElementCodes.value(.f8E4M3, [code]))
    case .fp8Tensor:
      let value = most > 0 ? most / largest : 1
      return (ElementCodes.f32(value), value)
    default:
      // bf16, rounded up so that no value is beyond the codes.
      let bits = UInt16(truncatingIfNeeded: (most > 0 ? most / largest : 1).bitPattern >> 16) + 1
      return (withUnsafeBytes(of: bits.littleEndian, Array.init), Float(bitPattern: UInt32(bits) << 16))
    }
  }

  /// The nearest code and its value.
  private func code(_ value: Float) -> (code: UInt8, value: Float) {
    switch self {
    case .fp8Tensor, .fp8Rows:
      let code = StoredCheckpoint.nearestE4M3(value)
      return (code, ElementCodes.value(.f8E4M3, [code]))
    case .int8Rows:
      let rounded = max(-128, min(127, value.rounded()))
      return (UInt8(bitPattern: Int8(rounded)), rounded)
    case .int8Words, .int4Groups:
      let rounded = max(-largest - 1, min(largest, value.rounded()))
      return (UInt8(rounded + largest + 1), rounded)
    case .nvfp4, .modelOptNVFP4, .mxfp4:
      let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
      let nearest = magnitudes.indices.min {
        (magnitudes[$0] - value.magnitude).magnitude < (magnitudes[$1] - value.magnitude).magnitude
      }
      let code = nearest ?? 0
      return (UInt8(code) | (value < 0 ? 8 : 0), value < 0 ? -magnitudes[code] : magnitudes[code])
    }
  }

  /// Stores a matrix; returns its tensors by what their names end with, and the values that they stand for.
  func store(_ values: [Float], rows: Int, columns: Int) -> (
    parts: [String: TinyCheckpoint.Tensor], values: [Float]
  ) {
    let group = group(columns)
    let most = values.reduce(Float(0)) { max($0, $1.magnitude) }
    let whole = most > 0 ? most / (448 * 6) : 1
    // What is stored of it decides, not what it was computed from.
    let common = self == .nvfp4 ? 1 / whole : whole
    var (codes, scales, decoded): ([UInt8], [UInt8], [Float]) = ([], [], [])
    for row in 0..<rows {
      for first in stride(from: 0, to: columns, by: group) {
        let part = values[(row * columns + first)..<(row * columns + min(first + group, columns))]
        let (bytes, stored) = scale(
          self == .fp8Tensor ? most : part.reduce(Float(0)) { max($0, $1.magnitude) }, whole: whole)
        if self != .fp8Tensor || scales.isEmpty { scales += bytes }
        let factor: Float =
          switch self {
          case .nvfp4: stored / common
          case .modelOptNVFP4: stored * common
          default: stored
          }
        for value in part {
          let (code, number) = code(value / factor)
          codes.append(code)
          decoded.append(number * factor)
        }
      }
    }
    if bits == 4 {
      codes = stride(from: 0, to: codes.count, by: 2).map { codes[$0] | codes[$0 + 1] << 4 }
    }
    let groups = (columns + group - 1) / group
    func tensor(_ type: String, _ shape: [Int], _ bytes: [UInt8]) -> TinyCheckpoint.Tensor {
      TinyCheckpoint.Tensor(type: type, shape: shape, bytes: bytes)
    }
    let shape = [rows, columns].flatMap { withUnsafeBytes(of: Int32($0).littleEndian, Array.init) }
    let whole32 = tensor("F32", [1], ElementCodes.f32(common))
    switch self {
    case .fp8Tensor:
      return (
        ["": tensor("F8_E4M3", [rows, columns], codes), "_scale_inv": tensor("F32", [], scales)], decoded
      )
    case .fp8Rows:
      return (
        ["": tensor("F8_E4M3", [rows, columns], codes), "_scale": tensor("BF16", [rows, 1], scales)], decoded
      )
    case .int8Rows:
      return (
        ["": tensor("I8", [rows, columns], codes), "_scale": tensor("BF16", [rows, 1], scales)], decoded
      )
    case .int4Groups, .int8Words:
      return (
        [
          "_packed": tensor("I32", [rows, columns * bits / 32], codes),
          "_scale": tensor("BF16", [rows, groups], scales), "_shape": tensor("I32", [2], shape),
        ], decoded
      )
    case .nvfp4:
      return (
        [
          "_packed": tensor("U8", [rows, columns / 2], codes),
          "_scale": tensor("F8_E4M3", [rows, groups], scales), "_global_scale": whole32,
        ], decoded
      )
    case .modelOptNVFP4:
      return (
        [
          "": tensor("U8", [rows, columns / 2], codes), "_scale": tensor("F8_E4M3", [rows, groups], scales),
          "_scale_2": whole32,
        ], decoded
      )
    case .mxfp4:
      return (
        [
          "_packed": tensor("U8", [rows, columns / 2], codes),
          "_scale": tensor("U8", [rows, groups], scales),
        ], decoded
      )
    }
  }
}

extension StoredCheckpoint {
  /// Stores every projection in a form.
  ///
  /// - Returns: The same checkpoint with the values that codes and scales stand for, in f32.
  public mutating func store(as form: StoredForm) -> StoredCheckpoint {
    var plain = self
    for name in tensors.keys.sorted() where Self.isProjection(name) && name.hasSuffix(".weight") {
      guard let tensor = tensors[name], tensor.type == "BF16", tensor.shape.count == 2,
        tensor.shape[1] % 8 == 0
      else { continue }
      let (parts, values) = form.store(Self.floats(tensor), rows: tensor.shape[0], columns: tensor.shape[1])
      tensors[name] = nil
      for (ending, part) in parts { tensors[name + ending] = part }
      plain.tensors[name] = TinyCheckpoint.Tensor(
        type: "F32", shape: tensor.shape, bytes: values.flatMap(ElementCodes.f32))
    }
    configChanges["quantization_config"] = form.entry
    return plain
  }

  /// Stores fused experts as blocks of MXFP4 codes with their exponents.
  ///
  /// - Returns: The same checkpoint with the values that they stand for, in f32.
  public mutating func storeExpertsAsBlocks() -> StoredCheckpoint {
    var plain = self
    for name in tensors.keys.sorted() where name.contains(".experts.") {
      guard let tensor = tensors[name], tensor.type == "BF16", tensor.shape.count == 3,
        tensor.shape[2] % 32 == 0
      else { continue }
      let rows = tensor.shape[0] * tensor.shape[1]
      let (parts, values) = StoredForm.mxfp4.store(
        Self.floats(tensor), rows: rows, columns: tensor.shape[2])
      let groups = tensor.shape.dropLast() + [tensor.shape[2] / 32]
      tensors[name] = nil
      tensors[name + "_blocks"] = TinyCheckpoint.Tensor(
        type: "U8", shape: groups + [16], bytes: parts["_packed"]?.bytes ?? [])
      tensors[name + "_scales"] = TinyCheckpoint.Tensor(
        type: "U8", shape: Array(groups), bytes: parts["_scale"]?.bytes ?? [])
      plain.tensors[name] = TinyCheckpoint.Tensor(
        type: "F32", shape: tensor.shape, bytes: values.flatMap(ElementCodes.f32))
    }
    configChanges["quantization_config"] = ["quant_method": "mxfp4"]
    return plain
  }
}
