import BlockQuantization

/// Quantizes rows, and says what they have become.
func roundTrip(_ values: [Float], _ type: TensorType, rowLength: Int) -> [Float] {
  guard BlockQuantizer.canQuantize(type), let rowBytes = type.rowByteCount(length: rowLength),
    values.withUnsafeBufferPointer({ FloatConversion.firstNonFinite($0) }) == nil
  else { return [] }
  print(
    type.name, type.rawValue, type.blockLength, type.blockByteCount, type.bitsPerWeight, KernelLevel.current)
  var bytes = [UInt8](repeating: 0, count: values.count / rowLength * rowBytes)
  var back = [Float](repeating: 0, count: values.count)
  bytes.withUnsafeMutableBytes { output in
    values.withUnsafeBufferPointer {
      BlockQuantizer.quantize(type, rows: $0, rowLength: rowLength, importance: nil, into: output)
    }
  }
  bytes.withUnsafeBytes { input in
    precondition(BlockQuantizer.firstInvalidBlock(type, bytes: input) == nil)
    back.withUnsafeMutableBufferPointer {
      BlockQuantizer.dequantize(type, bytes: input, rowLength: rowLength, into: $0)
    }
  }
  precondition(PlainBlockQuantizer.dequantize(type, bytes: bytes) == back)
  return back
}

/// The names of all types.
let names = TensorType.allCases.filter(\.isQuantized).map(\.name)

/// Quantizes by groups, as MLX does.
func grouped(_ values: [Float]) -> [Float] {
  guard let format = GroupFormat(bits: 4, groupSize: 64), format.fits(rowLength: values.count) else {
    return []
  }
  return PlainGroups.dequantize(
    format, type: .f16, PlainGroups.quantize(format, type: .f16, values: values))
}
