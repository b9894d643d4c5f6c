internal import Foundation

extension StoredCheckpoint {
  /// Stores every projection as 8-bit floats with a scale for each block, as DeepSeek and Qwen publish theirs.
  ///
  /// - Parameters:
  ///   - blockRows: Rows that share a scale.
  ///   - blockColumns: Columns that share a scale.
  public mutating func storeAsFP8(blockRows: Int = 128, blockColumns: Int = 128) {
    for name in tensors.keys.sorted() where Self.isProjection(name) {
      guard let tensor = tensors[name], tensor.type == "BF16", tensor.shape.count >= 2 else { continue }
      let columns = tensor.shape[tensor.shape.count - 1]
      let rows = tensor.shape[tensor.shape.count - 2]
      let matrixCount = tensor.shape.dropLast(2).reduce(1, *)
      let blocks = ((rows + blockRows - 1) / blockRows, (columns + blockColumns - 1) / blockColumns)
      let values = Self.floats(tensor)
      var largest = [Float](repeating: 0, count: matrixCount * blocks.0 * blocks.1)
      func block(_ index: Int) -> Int {
        let (row, column) = (index / columns, index % columns)
        return (row / rows * blocks.0 + row % rows / blockRows) * blocks.1 + column / blockColumns
      }
      for (index, value) in values.enumerated() {
        largest[block(index)] = max(largest[block(index)], value.magnitude)
      }
      let scales = largest.map { $0 > 0 ? $0 / 448 : 1 }
      let bytes = values.enumerated().map { Self.nearestE4M3($0.element / scales[block($0.offset)]) }
      tensors[name] = TinyCheckpoint.Tensor(type: "F8_E4M3", shape: tensor.shape, bytes: bytes)
      tensors[name + "_scale_inv"] = TinyCheckpoint.Tensor(
        type: "F32", shape: tensor.shape.dropLast(2) + [blocks.0, blocks.1],
        bytes: scales.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
    }
    configChanges["quantization_config"] = [
      "quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [blockRows, blockColumns],
    ]
  }

  /// Stores everything in 64 bits, with digits that 32 bits have no room for.
  public mutating func storeAsF64() {
    for (name, tensor) in tensors where tensor.type == "BF16" {
      tensors[name] = TinyCheckpoint.Tensor(
        type: "F64", shape: tensor.shape,
        bytes: Self.floats(tensor).flatMap { value in
          withUnsafeBytes(of: (Double(value) * 1.000_000_03).bitPattern.littleEndian, Array.init)
        })
    }
  }

  static func isProjection(_ name: String) -> Bool {
    ["_proj.weight", ".w1.weight", ".w2.weight", ".w3.weight", "experts.gate_up_proj", "experts.down_proj"]
      .contains(where: name.hasSuffix) || name.contains(".in_proj_")
  }

  /// The values of a bf16 tensor.
  static func floats(_ tensor: TinyCheckpoint.Tensor) -> [Float] {
    stride(from: 0, to: tensor.bytes.count, by: 2).map { index in
      Float(bitPattern: UInt32(tensor.bytes[index]) << 16 | UInt32(tensor.bytes[index + 1]) << 24)
    }
  }

  /// The magnitudes of E4M3, one for each code from 0 to 126: four bits of exponent with bias 7, three of fraction.
  private static let magnitudes: [Float] = (0..<127).map { code in
    let (exponent, fraction) = (code >> 3, Float(code & 7) / 8)
    return exponent == 0
      ? fraction * Float(sign: .plus, exponent: -6, significand: 1)
      : Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction)
  }

  static func nearestE4M3(_ value: Float) -> UInt8 {
    let above = magnitudes.partitioningIndex { $0 >= value.magnitude }
    let code =
      if above == magnitudes.count {
        above - 1
      } else if above > 0, value.magnitude - magnitudes[above - 1] < magnitudes[above] - value.magnitude {
        above - 1
      } else {
        above
      }
    return UInt8(code) | (value < 0 ? 0x80 : 0)
  }
}

extension Array {
  /// The first index where `belongs` holds, of a list in which it holds from some index on.
  fileprivate func partitioningIndex(_ belongs: (Element) -> Bool) -> Int {
    var range = startIndex..<endIndex
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = belongs(self[middle]) ? range.lowerBound..<middle : (middle + 1)..<range.upperBound
    }
    return range.lowerBound
  }
}
