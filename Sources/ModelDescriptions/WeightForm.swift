internal import TensorTypes

/// One way in which a checkpoint stores a quantized matrix: which tensors stand for it, and what they hold.
struct WeightForm: Hashable, Sendable {
  /// What the values are made of.
  enum Codes: Hashable, Sendable {
    /// 8-bit floats.
    case float8
    /// Signed bytes.
    case int8
    /// Integers in words of 32 bits.
    case words(PackedCodes)
    /// Two E2M1 codes in a byte, rows as they are.
    case pairs
    /// The same with the bytes of 32 values as a dimension of their own.
    case blocks
    /// Codes of MLX in words of 32 bits, across the words.
    case string(PackedCodes)
  }

  /// Which values share a scale.
  enum Extent: Hashable, Sendable {
    case tensor
    case row
    case block(rows: Int, columns: Int)
    case group(Int)
  }

  /// A scale of the scales.
  struct Common: Hashable, Sendable {
    /// What follows the weight's name in that of its tensor.
    var ending: String
    var divides: Bool
  }

  var codes: Codes
  var extent: Extent
  /// What follows the weight's name in that of the codes.
  var codesEnding = ""
  /// What follows the weight's name in that of the scales.
  var scaleEnding = "_scale"
  /// The types that scales may have; bytes are exponents of two.
  var scaleTypes: Set<ElementType> = [.f32, .bf16, .f16]
  var common: Common?
  /// What follows the weight's name, without its own ending, in that of the biases; `nil` without.
  var biasEnding: String?
  /// What scales are that are stored as bytes.
  var byteScales = ElementType.f8E8M0
  /// Whether the names of scales and biases have their endings in place of `.weight`.
  var replacesWeightEnding = false

  /// The forms of MLX.
  ///
  /// Shapes tell bits and groups, so that what a configuration says of single modules is not needed.
  static let mlx: [WeightForm] = GroupFormat.all.map { format in
    var form = WeightForm(
      codes: .string(format.mode == .affine ? .integers(bits: format.bits) : .e2m1),
      extent: .group(format.groupSize), scaleEnding: ".scales")
    form.replacesWeightEnding = true
    switch format.mode {
    case .affine: form.biasEnding = ".biases"
    case .mxfp4: form.scaleTypes = [.u8]
    case .nvfp4:
      form.scaleTypes = [.u8]
      form.byteScales = .f8E4M3
    }
    return form
  }

  static let scaleTypesOfBlocks: Set<ElementType> = [.f32, .bf16, .f16, .f8E8M0]

  /// 8-bit floats; scales are multipliers, whatever their name.
  static func float8(_ extent: Extent, _ scaleEnding: String = "_scale") -> WeightForm {
    WeightForm(codes: .float8, extent: extent, scaleEnding: scaleEnding, scaleTypes: scaleTypesOfBlocks)
  }

  static func nvfp4(codesEnding: String, common: Common) -> WeightForm {
    WeightForm(
      codes: .pairs, extent: .group(16), codesEnding: codesEnding, scaleTypes: [.f8E4M3], common: common)
  }

  /// Whether the type of a tensor can be that of the codes.
  func holds(_ type: ElementType) -> Bool {
    switch codes {
    case .float8: type == .f8E4M3 || type == .f8E5M2
    case .int8: type == .i8
    case .words: type == .i32
    case .pairs, .blocks: type == .u8
    case .string: type == .u32
    }
  }

  /// The type of the codes where no tensor tells.
  var codesType: ElementType {
    switch codes {
    case .float8: .f8E4M3
    case .int8: .i8
    case .words: .i32
    case .pairs, .blocks: .u8
    case .string: .u32
    }
  }

  /// How the bytes of the codes encode values; `nil` for what the header of a checkpoint says.
  var encoding: SourceEncoding? {
    switch codes {
    case .float8, .int8: nil
    case .words(let packed), .string(let packed): .codes(packed)
    case .pairs, .blocks: .codes(.e2m1)
    }
  }

  /// The shape of the matrix whose codes have a shape; `nil` when there is none.
  func shape(ofCodes stored: [Int]) -> [Int]? {
    guard let last = stored.last else { return nil }
    var outer = Array(stored.dropLast())
    var count = last
    switch codes {
    case .float8, .int8: return stored
    case .words, .pairs: break
    case .string(let packed):
      let (bits, overflow) = last.multipliedReportingOverflow(by: 32)
      return overflow || bits % packed.bitCount != 0 ? nil : outer + [bits / packed.bitCount]
    case .blocks:
      guard last == Self.bytesPerBlock, let blocks = outer.popLast() else { return nil }
      count = blocks
    }
    // A header may claim any size where another dimension is 0.
    let (columns, overflow) = count.multipliedReportingOverflow(by: codesPerUnit)
    return overflow ? nil : outer + [columns]
  }

  /// Values in an element of the last dimension of the codes, or in a block.
  private var codesPerUnit: Int {
    switch codes {
    case .float8, .int8: 1
    case .words(let packed), .string(let packed): 32 / packed.bitCount
    case .pairs: 2
    case .blocks: 2 * Self.bytesPerBlock
    }
  }

  /// The shape of the codes of a matrix; `nil` where its rows do not end with a word, byte or block.
  func shapeOfCodes(of shape: [Int]) -> [Int]? {
    if case .string(let packed) = codes {
      guard let last = shape.last, last * packed.bitCount % 32 == 0 else { return nil }
      return Array(shape.dropLast()) + [last * packed.bitCount / 32]
    }
    guard let last = shape.last, last % codesPerUnit == 0 else { return nil }
    let codesOfRows = Array(shape.dropLast()) + [last / codesPerUnit]
    return codes == .blocks ? codesOfRows + [Self.bytesPerBlock] : codesOfRows
  }

  private static let bytesPerBlock = 16

  /// The shapes that the scales of a matrix, or of a stack of such, may have, the usual one first.
  func scaleShapes(of shape: [Int]) -> [[Int]] {
    guard shape.count >= 2 else { return [] }
    let outer = Array(shape.dropLast(2))
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    func parts(_ count: Int, of size: Int) -> Int { (count + size - 1) / size }
    switch extent {
    case .tensor:
      // One value for a matrix, in as many dimensions as one likes; of a stack each matrix has its own, or all share one.
      let single = [1, 0, 2].map { [Int](repeating: 1, count: $0) }
      guard !outer.isEmpty else { return single }
      return [outer + [1, 1], outer + [1], outer] + single + [[Int](repeating: 1, count: shape.count)]
    case .row: return [outer + [rows, 1], outer + [rows]]
    case .block(let height, let width):
      return [outer + [parts(rows, of: height), parts(columns, of: width)]]
    case .group(let size): return [outer + [rows, parts(columns, of: size)]]
    }
  }

  /// How scales of one of these shapes belong to a matrix.
  ///
  /// - Parameters:
  ///   - source: The index of the scales.
  ///   - stored: Their shape.
  ///   - shape: That of the matrix or the stack.
  ///   - common: The scale of the scales.
  ///   - bias: The index of the biases.
  /// - Returns: The reference.
  func scale(source: Int, stored: [Int], of shape: [Int], common: BlockScale.Common?, bias: Int? = nil)
    -> BlockScale
  {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    func scale(_ blockRows: Int, _ blockColumns: Int, matrixRows: Int) -> BlockScale {
      BlockScale(
        source: source, blockRows: blockRows, blockColumns: blockColumns, matrixRows: matrixRows,
        common: common, bias: bias)
    }
    switch extent {
    case .tensor:
      let all = shape.dropLast().reduce(1, *)
      let matrixRows = stored.reduce(1, *) == 1 ? all : rows
      return scale(matrixRows, columns, matrixRows: matrixRows)
    case .row: return scale(1, columns, matrixRows: rows)
    case .block(let height, let width): return scale(height, width, matrixRows: rows)
    case .group(let size): return scale(1, size, matrixRows: rows)
    }
  }
}
