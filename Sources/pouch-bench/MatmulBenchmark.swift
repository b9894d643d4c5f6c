import ArgumentParser
import BlockQuantization
import CommandSupport
import FileBytes
import Foundation
import TensorCompute
import TensorTypes

/// `pouch-bench matmul`: speed of products of stored weights with activations.
struct MatmulBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "matmul",
    abstract: "Measures matrix products, in billion multiply-adds per second.",
    discussion: """
      Weights are enough copies of one matrix (a stack of experts with --experts) to exceed the caches, taken in \
      turn. The two numbers of a line are the median and the best repetition; for one token, the second line of \
      interest is gigabytes of weights per second.
      """)

  @Option(help: "Weight types, separated by commas.")
  var types = "q4_K,q6_K,q8_0,f16"

  @Option(help: "Tokens per product, separated by commas.")
  var tokens = "1,16,128,512"

  @Option(help: "Input features.")
  var columns = 2048

  @Option(help: "Output features (per expert).")
  var rows = 768

  @Option(help: "Experts in a stack; 0 measures a plain matrix.")
  var experts = 0

  @Option(help: "Experts per token.")
  var used = 8

  @Option(help: "Threads.")
  var threads = Processor.threadCount

  @Option(help: "exact or fast.")
  var mode = ComputeMode.fast.rawValue

  @Option(help: "Repetitions.")
  var repetitions = 7

  @Flag(help: "Print JSON.")
  var json = false

  /// Weights are repeated up to this size.
  private static let weightBytes = 256 << 20

  mutating func validate() throws {
    guard columns > 0, columns % 256 == 0, columns <= 1 << 16 else {
      throw ValidationError("--columns must be a multiple of 256, at most 65536")
    }
    guard (1...1 << 18).contains(rows) else { throw ValidationError("--rows must be 1 to 262144") }
    guard (0...1024).contains(experts), used > 0, experts == 0 || used <= experts else {
      throw ValidationError("--experts must be 0 to 1024 and --used at most as many")
    }
    guard columns * rows * max(1, experts) <= 1 << 30 else {
      throw ValidationError("a matrix of more than 2^30 weights is too large to measure")
    }
    guard (1...1024).contains(threads) else { throw ValidationError("--threads must be 1 to 1024") }
    guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000") }
    _ = try chosenTypes()
    _ = try chosenTokens()
    _ = try chosenMode()
  }

  private func chosenMode() throws -> ComputeMode {
    guard let chosen = ComputeMode(rawValue: mode) else {
      throw ValidationError("--mode must be exact or fast")
    }
    return chosen
  }

  private func chosenTypes() throws -> [TensorType] {
    try types.split(separator: ",").map { name in
      guard let type = TensorType(name: String(name)), WeightMatrix.supportedTypes.contains(type) else {
        throw ValidationError("no product kernels for \(name)")
      }
      return type
    }
  }

  private func chosenTokens() throws -> [Int] {
    try tokens.split(separator: ",").map { text in
      guard let count = Int(text), (1...4096).contains(count) else {
        throw ValidationError("--tokens must be numbers from 1 to 4096")
      }
      return count
    }
  }

  mutating func run() throws {
    let engine = MatrixEngine(mode: try chosenMode(), pool: WorkerPool(threadCount: threads))
    var results: [Product] = []
    for type in try chosenTypes() {
      let weights = try BenchmarkWeights(
        type: type, columns: columns, rows: rows * max(1, experts), byteCount: Self.weightBytes)
      for count in try chosenTokens() {
        let result = measure(engine, weights, tokens: count)
        results.append(result)
        if !json { Standard.output(result.line) }
      }
    }
    if json {
      let report = ProductReport(
        machine: MachineDescription(), mode: mode, threads: threads, columns: columns, rows: rows,
        experts: experts, used: used, repetitions: repetitions, products: results)
      try JSONSchema.productBenchmark.print(report)
    }
  }

  private func measure(_ engine: MatrixEngine, _ weights: BenchmarkWeights, tokens: Int) -> Product {
    let x = BenchmarkInput.rows(count: tokens * columns)
    let slots = experts == 0 ? tokens : tokens * used
    var y = [Float](repeating: 0, count: slots * rows)
    let assignments = experts == 0 ? nil : Self.assignments(tokens: tokens, experts: experts, used: used)
    let stacks = experts == 0 ? [] : weights.copies.map { $0.groups(experts) }
    let copies = tokens < 16 ? weights.copies.count : 1
    var seconds: [Double] = []
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        guard let input = x.baseAddress, let output = y.baseAddress else { return }
        for _ in 0..<repetitions {
          let start = ContinuousClock.now
          for copy in 0..<copies {
            if let assignments {
              engine.multiplyExperts(
                [stacks[copy]], assignments, x: input, input: .tokens, into: [output])
            } else {
              engine.multiply(weights.copies[copy], x: input, tokens: tokens, into: output)
            }
          }
          seconds.append((ContinuousClock.now - start).seconds / Double(copies))
        }
      }
    }
    seconds.sort()
    let work = Double(slots) * Double(rows) * Double(columns) * 1e-9
    let touched = experts == 0 ? 1 : min(1, Double(slots) / Double(experts))
    let bytes = Double(weights.copies[0].bytes.count) * touched * 1e-9
    let median = seconds[seconds.count / 2]
    return Product(
      type: weights.copies[0].type.name, tokens: tokens, billionMultiplyAddsPerSecond: work / median,
      bestBillionMultiplyAddsPerSecond: work / seconds[0], weightGigabytesPerSecond: bytes / median)
  }

  /// Every token uses `used` different experts, and all experts are used alike.
  private static func assignments(tokens: Int, experts: Int, used: Int) -> ExpertAssignments {
    let selected = (0..<tokens * used).map { Int32(($0 / used * 7 + $0 % used) % experts) }
    return ExpertAssignments(expertCount: experts, usedPerToken: used, selected: selected)
  }
}

extension WeightMatrix {
  /// Equal groups of rows.
  fileprivate func groups(_ count: Int) -> [WeightMatrix] {
    let size = rows / count
    return (0..<count).map { slice(rows: $0 * size..<($0 + 1) * size) }
  }
}

/// Copies of one quantized matrix.
private final class BenchmarkWeights {
  let copies: [WeightMatrix]

  init(type: TensorType, columns: Int, rows: Int, byteCount: Int) throws {
    let size = rows * (type.rowByteCount(length: columns) ?? 0)
    let count = max(1, byteCount / max(1, size))
    let storage = Storage(byteCount: size * count)
    // One block of rows is quantized and repeated; values do not influence the speed.
    let block = BenchmarkInput.rows(count: columns * min(rows, 64))
    let blockBytes = size / rows * min(rows, 64)
    block.withUnsafeBufferPointer {
      BlockQuantizer.quantize(
        type, rows: $0, rowLength: columns, importance: nil,
        into: UnsafeMutableRawBufferPointer(rebasing: storage.bytes[0..<blockBytes]))
    }
    for offset in stride(from: blockBytes, to: storage.bytes.count, by: blockBytes) {
      let length = min(blockBytes, storage.bytes.count - offset)
      UnsafeMutableRawBufferPointer(rebasing: storage.bytes[offset..<offset + length]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: storage.bytes[0..<length]))
    }
    copies = try (0..<count).map { copy in
      try WeightMatrix(
        type: type, columns: columns, rows: rows,
        bytes: UnsafeRawBufferPointer(rebasing: storage.bytes[copy * size..<(copy + 1) * size]),
        owner: storage)
    }
  }

  private final class Storage {
    let bytes: UnsafeMutableRawBufferPointer
    init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }
    deinit { bytes.deallocate() }
  }
}

/// One measured product.
private struct Product: Encodable {
  /// The type of the weights.
  var type: String
  /// Tokens per product.
  var tokens: Int
  /// The median.
  var billionMultiplyAddsPerSecond: Double
  /// The best repetition.
  var bestBillionMultiplyAddsPerSecond: Double
  /// Gigabytes of weights read per second, at the median.
  var weightGigabytesPerSecond: Double

  var line: String {
    func rounded(_ value: Double) -> String { String((value * 10).rounded() / 10) }
    let name = type.padding(toLength: 8, withPad: " ", startingAt: 0)
    let speed = "\(rounded(billionMultiplyAddsPerSecond)) (\(rounded(bestBillionMultiplyAddsPerSecond)))"
    return
      "\(name)\(tokens) tokens: \(speed) G multiply-adds/s, \(rounded(weightGigabytesPerSecond)) GB/s of weights"
  }
}

/// What `--json` prints.
private struct ProductReport: Encodable {
  /// The machine.
  var machine: MachineDescription
  /// exact or fast.
  var mode: String
  /// Threads.
  var threads: Int
  /// Input features.
  var columns: Int
  /// Output features, of each expert.
  var rows: Int
  /// Experts in a stack; 0 for a plain matrix.
  var experts: Int
  /// Experts per token.
  var used: Int
  /// Repetitions.
  var repetitions: Int
  /// One entry for each type and number of tokens.
  var products: [Product]
}
