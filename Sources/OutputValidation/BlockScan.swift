internal import BlockQuantization
internal import FileBytes
internal import GGUFFormat
internal import Synchronization
internal import TensorTypes

/// What a pass over the blocks of one tensor found.
public struct TensorScan: Codable, Hashable, Sendable {
  /// The tensor.
  public var name: String
  /// Its type.
  public var type: String
  /// Blocks in it; 32 values each for float types.
  public var blocks: Int
  /// The largest effective sub-scale of the middle block, in f32, rounded down to a quarter of an octave.
  public var medianScale: Double
  /// The largest effective sub-scale of all blocks; for float types the largest magnitude.
  public var largestScale: Double
  /// Where that block is.
  public var largestAt: String
  /// Experts (matrices) that hold zeros alone.
  public var zeroExperts: [Int]
  /// Blocks with a scale or value that is not finite.
  public var nonFiniteBlocks: Int
}

/// A pass over all blocks of a model: scales and values finite, no empty experts, no scale out of line.
struct BlockScan {
  /// A block is reported whose scales reach this many times farther than those of the next one.
  ///
  /// Flipped exponent bits look like that.
  static let isolation: Float = 16
  /// How many times farther than those of the middle block they must reach besides.
  static let distance: Float = 64
  /// Reported even if it is not alone.
  static let farDistance: Float = 65536

  /// Rows of one matrix that are read and checked together.
  private struct Piece {
    var tensor: Int
    var matrix: Int
    /// The first block, counted from the start of the tensor.
    var firstBlock: Int
    var position: Int
    var byteCount: Int
  }

  /// What is known of a tensor so far.
  private struct State {
    var histogram = [UInt32](repeating: 0, count: 1024)
    var largest: Float = -1
    var largestBlock = 0
    var second: Float = -1
    var nonFinite: [Int] = []
    var nonFiniteCount = 0
    /// Matrices in which something is not zero.
    var alive: Set<Int> = []
  }

  /// What the pass saw.
  struct Result {
    var scans: [TensorScan]
    /// Matrices of zeros, which ``ZeroCheck`` grades.
    var zeros: [ZeroWeights]
    var findings: [Finding]
  }

  let set: GGUFSplitSet
  let threadCount: Int
  let onProgress: (@Sendable (_ done: Int, _ total: Int) -> Void)?
  let isCancelled: @Sendable () -> Bool

  /// A piece of this many bytes stays in the second-level cache.
  private static let pieceByteCount = 512 << 10

  /// Bytes of all tensors.
  var totalByteCount: Int { self.set.tensors.reduce(0) { $0 + $1.info.byteCount } }

  /// Makes the pass.
  ///
  /// - Throws: `FileError`, ``ValidationError`` with `interrupted`.
  func run() throws -> Result {
    let pieces = cut()
    let states = set.tensors.map { _ in MutexBox(State()) }
    let done = Atomic<Int>(0)
    let total = totalByteCount
    let largest = pieces.map(\.byteCount).max() ?? 0
    // Consecutive pieces go to one thread, so that it reads ahead of itself.
    try parallelForEach(
      count: pieces.count, threadCount: threadCount, batch: 4, isCancelled: isCancelled,
      context: {
        (
          buffer: ScratchBuffer(byteCount: largest),
          reach: ScratchBuffer(byteCount: (largest / 16 + 1) * MemoryLayout<Float>.stride)
        )
      }
    ) { index, scratch in
      let piece = pieces[index]
      try check(
        piece, buffer: scratch.buffer.bytes, reach: scratch.reach.bytes.bindMemory(to: Float.self),
        state: states[piece.tensor])
      onProgress?(done.wrappingAdd(piece.byteCount, ordering: .relaxed).newValue, total)
    }
    if isCancelled() {
      throw ValidationError(.interrupted, Fault(expected: "to finish", found: "an interruption"))
    }
    return try summary(states.map { $0.value.withLock { $0 } })
  }

  private func cut() -> [Piece] {
    var pieces: [Piece] = []
    for (index, tensor) in set.tensors.enumerated() {
      let info = tensor.info
      guard info.byteCount > 0, info.type.isKnown else { continue }
      let matrices = matrixCount(info)
      let matrixBytes = info.byteCount / matrices
      let block = pieceUnit(info.type)
      let step = max(1, Self.pieceByteCount / block) * block
      for matrix in 0..<matrices {
        var offset = 0
        while offset < matrixBytes {
          let count = min(step, matrixBytes - offset)
          pieces.append(
            Piece(
              tensor: index, matrix: matrix, firstBlock: (matrix * matrixBytes + offset) / block,
              position: tensor.position + matrix * matrixBytes + offset, byteCount: count))
          offset += count
        }
      }
    }
    return pieces
  }

  /// Bytes of what counts as one block.
  private func pieceUnit(_ type: TensorType) -> Int {
    type.isQuantized ? type.blockByteCount : type.blockByteCount * BlockChecks.floatBlockLength
  }

  /// Matrices that are looked at one by one; 1 where they do not start at the border of a block.
  private func matrixCount(_ info: GGUFTensorInfo) -> Int {
    let count = max(1, info.ggmlShape.dropFirst(2).reduce(1, *))
    return info.byteCount / count % pieceUnit(info.type) == 0 ? count : 1
  }

  private func check(
    _ piece: Piece, buffer: UnsafeMutableRawBufferPointer, reach: UnsafeMutableBufferPointer<Float>,
    state: MutexBox<State>
  ) throws {
    let tensor = set.tensors[piece.tensor]
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<piece.byteCount])
    try set.files[tensor.shard].file.read(at: piece.position, into: bytes)
    let type = tensor.info.type
    let count = BlockChecks.blockCount(
      type, elementCount: piece.byteCount / type.blockByteCount * type.blockLength)
    let reaches = UnsafeMutableBufferPointer(rebasing: reach[0..<count])
    guard BlockChecks.reach(type, bytes: UnsafeRawBufferPointer(bytes), into: reaches) else { return }
    state.value.withLock { state in
      var largest = state.largest
      var largestBlock = state.largestBlock
      var second = state.second
      var isAlive = false
      var infinite = false
      state.histogram.withUnsafeMutableBufferPointer { histogram in
        for (index, value) in reaches.enumerated() {
          // The sign is never set: ten bits are the exponent and a quarter of an octave.
          histogram[Int(value.bitPattern >> 21) & 1023] &+= 1
          guard value > second else { continue }
          if value == .infinity {
            infinite = true
          } else if value > largest {
            second = largest
            largest = value
            largestBlock = piece.firstBlock + index
          } else if value < largest || piece.firstBlock + index != largestBlock {
            second = value
          }
        }
      }
      isAlive = infinite || largest > 0 && reaches.contains { $0 > 0 }
      state.largest = largest
      state.largestBlock = largestBlock
      state.second = second
      if isAlive { state.alive.insert(piece.matrix) }
      guard infinite else { return }
      for (index, value) in reaches.enumerated() where value == .infinity {
        state.nonFiniteCount += 1
        if state.nonFinite.count < 1000 { state.nonFinite.append(piece.firstBlock + index) }
      }
    }
  }

  /// Turns what was seen into numbers and findings.
  private func summary(_ states: [State]) throws -> Result {
    var scans: [TensorScan] = []
    var zeros: [ZeroWeights] = []
    var findings: [Finding] = []
    var unknown: Set<String> = []
    for (index, tensor) in set.tensors.enumerated() {
      let info = tensor.info
      let state = states[index]
      let blocks = state.histogram.reduce(0) { $0 + Int($1) }
      if blocks == 0 {
        if info.byteCount > 0 { unknown.insert(info.type.name) }
        continue
      }
      let median = Self.median(state.histogram, count: blocks)
      let matrices = matrixCount(info)
      let dead = (0..<matrices).filter { !state.alive.contains($0) }
      scans.append(
        TensorScan(
          name: info.name, type: info.type.name, blocks: blocks, medianScale: Double(median),
          largestScale: Double(state.largest), largestAt: Place(info).text(block: state.largestBlock),
          zeroExperts: matrices > 1 ? dead : [], nonFiniteBlocks: state.nonFiniteCount))
      findings += try nonFinite(tensor, state)
      if !dead.isEmpty {
        zeros.append(
          ZeroWeights(
            tensor: info.name, type: info.type, shape: info.ggmlShape, matrices: dead, matrixCount: matrices))
      }
      findings += outlier(info, state, median: median)
    }
    if !unknown.isEmpty {
      findings.append(
        Finding(
          .note, .notChecked, unknown.sorted().joined(separator: ", "),
          expected: "types whose scales are known here",
          found: "types whose blocks are not checked"))
    }
    return Result(scans: scans, zeros: zeros, findings: findings)
  }

  private static func median(_ histogram: [UInt32], count: Int) -> Float {
    var seen = 0
    for (bucket, number) in histogram.enumerated() {
      seen += Int(number)
      if seen * 2 >= count { return Float(bitPattern: UInt32(bucket) << 21) }
    }
    return 0
  }

  private func nonFinite(_ tensor: GGUFSplitSet.Tensor, _ state: State) throws -> [Finding] {
    guard let first = state.nonFinite.min() else { return [] }
    let info = tensor.info
    let unit = pieceUnit(info.type)
    let position = tensor.position + first * unit
    let count = min(unit, tensor.position + info.byteCount - position)
    let bytes = try set.files[tensor.shard].file.bytes(at: position, count: count)
    let more = state.nonFiniteCount > 1 ? " (and \(state.nonFiniteCount - 1) more such blocks)" : ""
    let (what, value) = NonFiniteValue.describe(info.type, bytes)
    let place =
      info.type.isQuantized
      ? Place(info).text(block: first)
      : Place(info).text(element: first * BlockChecks.floatBlockLength + value)
    return [
      Finding(
        .error, .nonFinite, info.name, place: place,
        expected: info.type.isQuantized ? "finite block scales" : "finite values", found: what + more,
        remedy: "the file is damaged or its source was; convert the model again")
    ]
  }

  private func outlier(_ info: GGUFTensorInfo, _ state: State, median: Float) -> [Finding] {
    guard info.type.isQuantized, median > 0, state.largest >= median * Self.distance else { return [] }
    let isAlone = state.largest >= state.second * Self.isolation
    guard isAlone || state.largest >= median * Self.farDistance else { return [] }
    return [
      Finding(
        .warning, .scaleOutlier, Wording(info.name), place: Place(info).text(block: state.largestBlock),
        expected: "scales of the order of the others (middle \(short(median)), next \(short(state.second)))",
        found: Wording(short(state.largest)),
        remedy:
          "a flipped bit looks like this; compare with the source (\(.source)) or a manifest (\(.manifest))")
    ]
  }

  private func short(_ value: Float) -> String { figures(Double(value)) }
}

/// A value behind a lock, in a class so that arrays of them can be shared.
final class MutexBox<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: sending Value) { self.value = Mutex(value) }
}

/// Words for a place in a tensor.
struct Place {
  let rowLength: Int
  let rowsPerMatrix: Int
  let hasMatrices: Bool
  let blockLength: Int
  let isVector: Bool

  init(_ info: GGUFTensorInfo) { self.init(shape: info.ggmlShape, type: info.type) }

  init(shape: [Int], type: TensorType) {
    rowLength = max(1, shape.first ?? 1)
    rowsPerMatrix = max(1, shape.count > 1 ? shape[1] : 1)
    hasMatrices = shape.dropFirst(2).contains { $0 > 1 }
    blockLength = BlockChecks.blockLength(type)
    isVector = shape.count < 2
  }

  func text(element: Int) -> String {
    text(row: element / rowLength) + (isVector ? "element " : ", column ") + "\(element % rowLength)"
  }

  /// The place of a block counted from the start of the tensor.
  func text(block: Int) -> String {
    let element = block * blockLength
    let inRow = element % rowLength / blockLength
    return isVector ? "block \(block)" : text(row: element / rowLength) + ", block \(inRow)"
  }

  func text(row: Int) -> String {
    if isVector { return "" }
    return hasMatrices ? "expert \(row / rowsPerMatrix), row \(row % rowsPerMatrix)" : "row \(row)"
  }
}

/// What is not finite in a block.
enum NonFiniteValue {
  /// Words for it, and the index of the value for float types.
  static func describe(_ type: TensorType, _ bytes: [UInt8]) -> (text: String, index: Int) {
    func half(_ offset: Int) -> UInt16 {
      offset + 1 < bytes.count ? UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8 : 0
    }
    func name(_ isNaN: Bool) -> String { isNaN ? "a NaN" : "an infinity" }
    switch type {
    case .f32:
      for index in 0..<(bytes.count / 4) {
        let bits = UInt32(half(4 * index)) | UInt32(half(4 * index + 2)) << 16
        if bits & 0x7F80_0000 == 0x7F80_0000 { return (name(bits & 0x7F_FFFF != 0), index) }
      }
    case .f16, .bf16:
      let exponent: UInt16 = type == .f16 ? 0x7C00 : 0x7F80
      for index in 0..<(bytes.count / 2) where half(2 * index) & exponent == exponent {
        return (name(half(2 * index) & (0x7FFF & ~exponent) != 0), index)
      }
    case .mxfp4: return ("the exponent 255", 0)
    default:
      let halves = Self.offsets(type)
      for (offset, what) in halves where half(offset) & 0x7C00 == 0x7C00 {
        return (name(half(offset) & 0x3FF != 0) + " for the \(what)", 0)
      }
    }
    return ("a value that is not finite", 0)
  }

  /// Where the binary16 numbers of a block are, and what they are.
  static func offsets(_ type: TensorType) -> [(offset: Int, name: String)] {
    switch type {
    case .q4_1, .q5_1, .q4_K, .q5_K: [(0, "scale"), (2, "minimum")]
    case .q2_K: [(80, "scale"), (82, "minimum")]
    case .q3_K: [(108, "scale")]
    case .q6_K: [(208, "scale")]
    case .tq1_0: [(52, "scale")]
    case .tq2_0: [(64, "scale")]
    default: [(0, "scale")]
    }
  }
}
