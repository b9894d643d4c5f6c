import CheckpointConversion
import FileBytes
import QuantRecipes
import Synchronization
import TensorTypes
import TestSupport
import Testing

@Suite("Conversion of rows that are columns of their source")
struct ColumnFeedTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let storages: [(ElementType, Int?)] = [
    (.bf16, nil), (.f16, nil), (.f32, nil), (.f64, nil), (.f8E4M3, nil), (.f8E4M3, 128), (.f8E4M3, 40),
    (.f8E5M2, 128),
  ]

  private func bytes(_ plan: ConversionPlan, _ options: ExecutionOptions) throws -> [UInt8] {
    var options = options
    options.force = true
    let summary = try ColumnPlan.run(plan, options)
    #expect(summary.bufferByteCount <= options.maxMemory)
    return try contents(plan.files[0].path)
  }

  @Test("the bytes are those of the same values in rows", arguments: storages, [false, true])
  func bytesOfRows(storage: (type: ElementType, blockSize: Int?), isCompressed: Bool) throws {
    let made = try ColumnPlan(
      .init(type: storage.type, blockSize: storage.blockSize, isCompressed: isCompressed), in: folder)
    let expected = try bytes(made.rows, ExecutionOptions(threadCount: 2))
    // Tiles of all columns, of some, and of one.
    for (threads, memory) in [(1, 512 << 20), (3, 512 << 20), (2, 2 << 20), (1, 1_100_000)] {
      let found = try bytes(made.columns, ExecutionOptions(threadCount: threads, maxMemory: memory))
      #expect(found == expected, "\(threads) threads, \(memory) bytes")
    }
    let smallest = try smallestLimit(made.columns)
    #expect(try bytes(made.columns, ExecutionOptions(threadCount: 1, maxMemory: smallest)) == expected)
  }

  /// The limit that an executor asks for.
  private func smallestLimit(_ plan: ConversionPlan) throws -> Int {
    let error = #expect(throws: ConversionError.self) {
      try ColumnPlan.run(plan, ExecutionOptions(threadCount: 1, maxMemory: 1000, force: true))
    }
    #expect(error?.code == .memoryLimitTooSmall)
    let digits = error?.fault.expected.description.split(separator: " ").compactMap { Int($0) }.first
    return try #require(digits)
  }

  @Test("source rows of a compressed file that are kept are part of the memory")
  func keptRows() throws {
    let plain = try smallestLimit(try ColumnPlan(.init(), in: folder).columns)
    let compressed = try smallestLimit(try ColumnPlan(.init(isCompressed: true), in: folder).columns)
    // The largest source of one matrix: 256 rows of 256 columns and those around them.
    #expect(compressed - plain >= 256 * 256 * 2)
  }

  @Test("16-bit values keep their type and bits", arguments: [StockMix.bf16, .f16, .f32, .q8_0])
  func plainTypes(mix: StockMix) throws {
    let made = try ColumnPlan(.init(type: .bf16), mix: mix, in: folder)
    #expect(
      try bytes(made.columns, ExecutionOptions(threadCount: 2))
        == bytes(made.rows, ExecutionOptions(threadCount: 2)))
  }

  @Test("a run that is stopped again and again gives the same bytes", arguments: [false, true])
  func resumed(isCompressed: Bool) throws {
    let made = try ColumnPlan(
      .init(type: .f8E4M3, blockSize: 128, isCompressed: isCompressed), in: folder)
    let expected = try bytes(made.rows, ExecutionOptions(threadCount: 1))
    var resumedByteCount = 0
    for attempt in 1... {
      let tiles = Atomic<Int>(0)
      let options = ExecutionOptions(
        // Other limits cut other tiles.
        threadCount: 1, maxMemory: 700_000 + 60_000 * (attempt % 3),
        onProgress: { _ in tiles.wrappingAdd(1, ordering: .relaxed) },
        isCancelled: { tiles.load(ordering: .relaxed) >= 5 })
      do {
        resumedByteCount = try ColumnPlan.run(made.columns, options).resumedByteCount
        break
      } catch let error as ConversionError {
        #expect(error.code == .interrupted)
      } catch let error as ResumeLogError {
        // A process that another test starts holds the lock until it runs its program.
        #expect(error.code == .inUse)
      }
      try #require(attempt < 200)
    }
    #expect(resumedByteCount > 0)
    #expect(try contents(made.columns.files[0].path) == expected)
  }

  @Test("a comparison with the source sees the same values", arguments: [false, true])
  func streamedRows(isCompressed: Bool) throws {
    let made = try ColumnPlan(.init(type: .f16, isCompressed: isCompressed), in: folder)
    func values(_ plan: ConversionPlan) throws -> [[UInt8]] {
      let rows = try PlanRows(plan: plan) { _ in false }
      let found = Mutex(
        plan.tensors.map { [UInt8](repeating: 0, count: $0.elementCount * 4) })
      let requests = plan.tensors.indices.map {
        PlanRows.Request(tensor: $0, rows: 0..<plan.tensors[$0].rowCount)
      }
      try rows.stream(requests, threadCount: 2, isCancelled: { false }) { _, tensor, firstRow, bytes in
        let start = firstRow * plan.tensors[tensor].rowLength * 4
        let copy = Array(bytes)
        found.withLock { $0[tensor].replaceSubrange(start..<(start + copy.count), with: copy) }
      }
      #expect(rows.bufferByteCount(threadCount: 2) < 50 << 20)
      return found.withLock { $0 }
    }
    #expect(try values(made.columns) == values(made.rows))
  }

  @Test("a bad value is named with its place in the source")
  func badValue() throws {
    // Row 5 of matrix 1 is column 5 of the tensor's columns; its value 17 is source row 256 + 17.
    let name = "blk.0.ffn_down_exps.weight"
    let first = try #require(try ColumnPlan(.init(), in: folder).firstElements[name])
    let element = (256 + 17) * first.stride + first.element + 5
    let made = try ColumnPlan(.init(), poison: (name, element, [0x80, 0x7F]), in: folder)
    let error = #expect(throws: ConversionError.self) {
      try ColumnPlan.run(made.columns, ExecutionOptions(threadCount: 2, force: true))
    }
    #expect(error?.code == .nonFiniteWeight)
    #expect(error?.fault.subject == "\(name) in columns -> \(name), expert 1, row 5")
    #expect(
      error?.fault.found
        == "inf in row \(256 + 17), column \(first.element + 5) of \(name) in columns")
    #expect(error?.fault.file.hasSuffix("columns.bin") == true)
  }

  @Test("a weight outside of its type is named with its place in the output")
  func outOfRange() throws {
    let name = "blk.0.ffn_down_exps.weight"
    let first = try #require(try ColumnPlan(.init(), in: folder).firstElements[name])
    let element = (256 + 17) * first.stride + first.element + 5
    let made = try ColumnPlan(.init(), mix: .f16, poison: (name, element, [0x80, 0x49]), in: folder)
    let error = #expect(throws: ConversionError.self) {
      try ColumnPlan.run(made.columns, ExecutionOptions(threadCount: 2, force: true))
    }
    #expect(error?.code == .valueOutOfRange)
    #expect(error?.fault.subject.hasSuffix("\(name), expert 1, row 5") == true)
    #expect(error?.fault.found == "1048576.0 in column 17")
  }

  @Test("a journal of other columns is of another job")
  func fingerprint() throws {
    let made = try ColumnPlan(.init(), in: folder)
    var other = made.columns
    let index = try #require(other.tensors.firstIndex { $0.name == "blk.0.attn_v.weight" })
    guard case .feed(var feed) = other.tensors[index].content,
      case .columns(let first, let stride, _) = feed.runs[0].order
    else {
      Issue.record("no feed of columns")
      return
    }
    let before = ColumnPlan.fingerprint(made.columns)
    feed.runs[0].order = .columns(firstElement: first + 1, stride: stride)
    other.tensors[index].content = .feed(feed)
    #expect(ColumnPlan.fingerprint(other) != before)
    feed.runs[0].order = .columns(firstElement: first, stride: stride + 1)
    other.tensors[index].content = .feed(feed)
    #expect(ColumnPlan.fingerprint(other) != before)
    feed.runs[0].order = .columns(firstElement: first, stride: stride)
    other.tensors[index].content = .feed(feed)
    #expect(ColumnPlan.fingerprint(other) == before)
  }
}
