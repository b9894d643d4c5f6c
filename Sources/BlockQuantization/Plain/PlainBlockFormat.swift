public import TensorTypes

/// A block format in its readable form: the definition that the kernels are held against.
///
/// Operations are single f32 operations in the order written; nothing is fused or
/// reassociated. Sums run over ascending indices into one accumulator.
protocol PlainBlockFormat: SendableMetatype {
  /// The tensor type that is encoded.
  static var type: TensorType { get }

  /// Encodes one block.
  ///
  /// - Parameters:
  ///   - x: The values of the block.
  ///   - importance: As many weights, or `nil` for the unweighted search.
  ///   - rowPower: The mean square of the row that the block is in; only the 32-value formats with weights use it.
  /// - Returns: The bytes of the block.
  static func encode(_ x: [Float], importance: [Float]?, rowPower: Float) -> [UInt8]

  /// Decodes one block.
  static func decode(_ bytes: [UInt8]) -> [Float]
}

/// The readable quantizer: slow, without SIMD, one block after the other.
public enum PlainBlockQuantizer {
  private static let formats: [any PlainBlockFormat.Type] = [
    PlainQ4_0.self, PlainQ4_1.self, PlainQ5_0.self, PlainQ5_1.self, PlainQ8_0.self, PlainQ2K.self,
    PlainQ3K.self,
    PlainQ4K.self, PlainQ5K.self, PlainQ6K.self, PlainIQ4NL.self, PlainIQ4XS.self, PlainMXFP4.self,
  ]

  /// Encodes whole rows of a block type.
  ///
  /// - Parameters:
  ///   - type: A type for which ``BlockQuantizer/canQuantize(_:)`` holds.
  ///   - rows: Rows of `rowLength` values, one after the other.
  ///   - rowLength: Values per row, a multiple of the block length.
  ///   - importance: `rowLength` weights, or `nil`.
  /// - Returns: The bytes of all rows.
  public static func quantize(
    _ type: TensorType, rows: [Float], rowLength: Int, importance: [Float]? = nil
  ) -> [UInt8] {
    switch type {
    case .f32: return rows.flatMap { littleEndian($0.bitPattern) }
    case .f16: return rows.flatMap { littleEndian(PlainFloats.halfBits($0)) }
    case .bf16: return rows.flatMap { littleEndian(PlainFloats.bfloatBits($0)) }
    default: break
    }
    guard let format = formats.first(where: { $0.type == type }) else {
      preconditionFailure("no encoder for \(type)")
    }
    precondition(rowLength > 0 && rows.count % rowLength == 0, "rows must be whole")
    precondition(rowLength % type.blockLength == 0, "rows must hold whole blocks")
    var bytes: [UInt8] = []
    for rowStart in stride(from: 0, to: rows.count, by: rowLength) {
      var squares: Float = 0
      for value in rows[rowStart..<rowStart + rowLength] { squares += value * value }
      for column in stride(from: 0, to: rowLength, by: type.blockLength) {
        bytes += format.encode(
          Array(rows[rowStart + column..<rowStart + column + type.blockLength]),
          importance: importance.map { Array($0[column..<column + type.blockLength]) },
          rowPower: squares / Float(rowLength))
      }
    }
    return bytes
  }

  /// Decodes whole blocks.
  public static func dequantize(_ type: TensorType, bytes: [UInt8]) -> [Float] {
    let size = type.blockByteCount
    precondition(bytes.count % size == 0, "bytes must be whole blocks")
    let blocks = stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<$0 + size]) }
    switch type {
    case .f32:
      return blocks.map {
        Float(bitPattern: UInt32($0[0]) | UInt32($0[1]) << 8 | UInt32($0[2]) << 16 | UInt32($0[3]) << 24)
      }
    case .f16: return blocks.map { PlainFloats.float(half: word($0, 0)) }
    case .bf16: return blocks.map { Float(bitPattern: UInt32(word($0, 0)) << 16) }
    default: break
    }
    guard let format = formats.first(where: { $0.type == type }) else {
      preconditionFailure("no decoder for \(type)")
    }
    return blocks.flatMap { format.decode($0) }
  }
}

/// A byte put together from parts: part k is shifted by `step * k` bits.
func byte(of count: Int, step: Int, _ part: (Int) -> UInt8) -> UInt8 {
  var byte: UInt8 = 0
  for k in 0..<count { byte |= part(k) << UInt8(step * k) }
  return byte
}

/// The bytes of an integer, lowest first.
func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
  var bytes: [UInt8] = []
  for i in 0..<T.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
  return bytes
}

/// The 16-bit word at `offset`.
func word(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
  UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
}

/// The binary16 scale at `offset`.
func halfAt(_ bytes: [UInt8], _ offset: Int) -> Float { PlainFloats.float(half: word(bytes, offset)) }

/// The two bytes of a value stored as binary16.
func halfBytes(_ value: Float) -> [UInt8] { littleEndian(PlainFloats.halfBits(value)) }
