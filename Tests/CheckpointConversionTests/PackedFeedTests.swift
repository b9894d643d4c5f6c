import CheckpointConversion
import FileBytes
import QuantRecipes
import TensorTypes
import TestSupport
import Testing
import ZstdStreams

/// A plan whose matrices are codes with scales by row, made by hand, with a plan of the same values in f32.
private struct PackedPlan {
  /// Codes of four bits and the scales beside them.
  enum Form: CaseIterable {
    /// Integers with bf16 scales for 32.
    case int4
    /// E2M1 with E4M3 scales for 16 and a divisor for the tensor.
    case nvfp4
    /// E2M1 with exponents for 32, the rows of each two matrices taking turns.
    case mxfp4
  }

  private(set) var packed: ConversionPlan
  private(set) var plain: ConversionPlan
  /// The MXFP4 blocks of each tensor.
  private(set) var blocks: [String: [UInt8]] = [:]
  private var generator: SeededGenerator
  private var packedBytes: [UInt8] = []
  private var plainBytes: [UInt8] = []
  private let form: Form

  init(
    _ form: Form, mix: StockMix = .q4_K_M, isCompressed: Bool = false, in folder: TemporaryFolder
  ) throws {
    self.form = form
    generator = SeededGenerator(seed: 17)
    var request = ConversionRequest(source: try TinyGGUF().write(to: folder), outputType: .mix(mix))
    request.outputPath = folder.path("packed.gguf")
    packed = try ConversionPlanner.prepareGGUF(request).plan
    request.outputPath = folder.path("plain.gguf")
    plain = try ConversionPlanner.prepareGGUF(request).plan
    for index in packed.tensors.indices where packed.tensors[index].ggmlShape.count > 1 { take(index) }
    let name = isCompressed ? "packed.bin.zst" : "packed.bin"
    packed.sourceFiles[1].path = try folder.write(
      name, isCompressed ? try ZstdWriter.compress(packedBytes) : packedBytes)
    packed.sourceFiles[1].isCompressed = isCompressed
    plain.sourceFiles[1].path = try folder.write("plain.bin", plainBytes)
  }

  private static func add(
    _ plan: inout ConversionPlan, _ encoding: SourceEncoding, _ count: Int, at offset: Int
  ) -> Int {
    if plan.sourceFiles.count == 1 { plan.sourceFiles.append(plan.sourceFiles[0]) }
    var source = plan.sources[0]
    source.name = "source \(plan.sources.count)"
    source.encoding = encoding
    source.elementCount = count
    source.file = 1
    source.offset = offset
    plan.sources.append(source)
    return plan.sources.count - 1
  }

  private mutating func take(_ index: Int) {
    let tensor = packed.tensors[index]
    let length = tensor.rowLength
    // Every second row belongs to another tensor where rows take turns.
    let step = form == .mxfp4 ? 2 : 1
    let lead = form == .mxfp4 ? index % 2 : 0
    let rows = tensor.rowCount * step
    let group = form == .nvfp4 ? 16 : 32
    let codes = (0..<(rows * length / 2)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let source = Self.add(
      &packed, .codes(form == .int4 ? .offset4 : .e2m1), rows * length, at: packedBytes.count)
    packedBytes += codes
    let count = rows * length / group
    var (type, bytes, scales): (ElementType, [UInt8], [Float]) = (.bf16, [], [])
    for _ in 0..<count {
      switch form {
      case .int4:
        let code: [UInt8] = [UInt8.random(in: 0...255, using: &generator), 0x3B]
        bytes += code
        scales.append(ElementCodes.value(.bf16, code))
      case .nvfp4:
        type = .f8E4M3
        bytes.append(UInt8.random(in: 1..<0x7F, using: &generator))
        scales.append(ElementCodes.value(.f8E4M3, bytes.suffix(1)) / 3000)
      case .mxfp4:
        type = .f8E8M0
        bytes.append(UInt8.random(in: 115...125, using: &generator))
        scales.append(Float(sign: .plus, exponent: Int(bytes[bytes.count - 1]) - 127, significand: 1))
      }
    }
    var scale = BlockScale(
      source: Self.add(&packed, .element(type), count, at: packedBytes.count), blockRows: 1,
      blockColumns: group, matrixRows: tensor.rowsPerMatrix * step)
    packedBytes += bytes
    if form == .nvfp4 {
      scale.common = BlockScale.Common(
        source: Self.add(&packed, .element(.f32), 1, at: packedBytes.count), divides: true)
      packedBytes += ElementCodes.f32(3000)
    }
    let first = tensor.rowCount / 3
    func run(_ from: Int, _ count: Int) -> RowRun {
      RowRun(
        source: source, firstRow: from * step + lead, rowCount: count,
        order: step == 1 ? .identity : .every(step: step), scale: scale)
    }
    packed.tensors[index].content = .feed(
      TensorFeed(runs: [run(0, first), run(first, tensor.rowCount - first)]))
    let e2m1: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
    func code(_ row: Int, _ column: Int) -> UInt8 {
      let value = (row * step + lead) * length + column
      return codes[value / 2] >> (value % 2 == 0 ? 0 : 4) & 15
    }
    let target = Self.add(&plain, .element(.f32), tensor.elementCount, at: plainBytes.count)
    for row in 0..<tensor.rowCount {
      for column in 0..<length {
        let nibble = Int(code(row, column))
        let value = form == .int4 ? Float(nibble) - 8 : e2m1[nibble]
        plainBytes += ElementCodes.f32(value * scales[((row * step + lead) * length + column) / group])
      }
      guard form == .mxfp4 else { continue }
      for block in 0..<(length / 32) {
        blocks[tensor.name, default: []].append(bytes[(row * step + lead) * length / 32 + block])
        for byte in 0..<16 {
          blocks[tensor.name]?.append(
            code(row, 32 * block + byte) | code(row, 32 * block + byte + 16) << 4)
        }
      }
    }
    plain.tensors[index].content = .feed(
      TensorFeed(runs: [RowRun(source: target, firstRow: 0, rowCount: tensor.rowCount)]))
  }
}

@Suite("Conversion of codes with scales by row")
struct PackedFeedTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func bytes(_ plan: ConversionPlan, _ options: ExecutionOptions) throws -> [UInt8] {
    var options = options
    options.force = true
    let summary = try ColumnPlan.run(plan, options)
    #expect(summary.bufferByteCount <= options.maxMemory)
    return try contents(plan.files[0].path)
  }

  @Test("the bytes are those of the values", arguments: PackedPlan.Form.allCases, [false, true])
  private func bytesOfValues(_ form: PackedPlan.Form, isCompressed: Bool) throws {
    let made = try PackedPlan(form, isCompressed: isCompressed, in: folder)
    let expected = try bytes(made.plain, ExecutionOptions(threadCount: 2))
    for (threads, memory) in [(1, 512 << 20), (3, 512 << 20), (2, 4 << 20)] {
      let found = try bytes(made.packed, ExecutionOptions(threadCount: threads, maxMemory: memory))
      #expect(found == expected, "\(threads) threads, \(memory) bytes")
    }
  }

  /// Memory that does not grow with the model is what a run needs at the least.
  private func smallestLimit(_ plan: ConversionPlan) throws -> Int {
    let error = #expect(throws: ConversionError.self) {
      try ColumnPlan.run(plan, ExecutionOptions(threadCount: 1, maxMemory: 1000, force: true))
    }
    #expect(error?.code == .memoryLimitTooSmall)
    return try #require(error?.fault.expected.description.split(separator: " ").compactMap { Int($0) }.first)
  }

  @Test("scales are read with the rows, but for those of compressed files")
  func memory() throws {
    let made = try PackedPlan(.int4, in: folder)
    let limit = try smallestLimit(made.packed)
    #expect(try bytes(made.packed, ExecutionOptions(threadCount: 1, maxMemory: limit)).count > 0)
    // The scales of all matrices, as they are stored.
    let scales = made.packed.sources.filter { $0.encoding == .element(.bf16) && $0.file == 1 }
    let compressed = try smallestLimit(try PackedPlan(.int4, isCompressed: true, in: folder).packed)
    // Those of one row are part of the buffers otherwise.
    #expect(compressed - limit >= 2 * scales.reduce(0) { $0 + $1.elementCount } - 256)
  }

  @Test("MXFP4 stays what it is, bit for bit, where the output is MXFP4", arguments: [false, true])
  func blocksAreKept(isCompressed: Bool) throws {
    let made = try PackedPlan(.mxfp4, mix: .mxfp4_MOE, isCompressed: isCompressed, in: folder)
    let file = try bytes(made.packed, ExecutionOptions(threadCount: 2))
    let kept = made.packed.tensors.filter { $0.type == .mxfp4 }
    #expect(kept.map(\.name).sorted() == ["blk.0.ffn_down_exps.weight", "blk.0.ffn_gate_exps.weight"])
    for tensor in kept {
      let expected = try #require(made.blocks[tensor.name])
      #expect(Array(file[tensor.offset..<(tensor.offset + tensor.byteCount)]) == expected, "\(tensor.name)")
    }
    // Quantizing the values would choose other exponents for some blocks.
    #expect(try bytes(made.plain, ExecutionOptions(threadCount: 2)) != file)
  }
}
