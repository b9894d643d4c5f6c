import ArgumentParser
import CommandSupport
import FileBytes
import Foundation
import MemoryEstimation
import ReferenceRuntime
import TensorCompute

/// `pouch-bench decode`: decoding beside reading as much memory, in turn.
struct DecodeBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Measures decoding, and which part of what memory allows it reaches.",
    discussion: """
      A token needs its weights from memory, so no engine decodes faster than that many bytes are read. After each \
      token the same threads read that many bytes of other memory as fast as they go, so that both see the same \
      machine, however busy it is. Each number is the median over all tokens; the share is that of a token's time \
      that the reads before and after it take. A model that fits in the caches can do better than 1. The context is \
      empty at first, so that keys and values hardly count.
      """)

  @Option(name: [.customShort("m"), .long], help: "A GGUF file, or the first shard of one.")
  var model: String

  @Option(name: [.customShort("t"), .long], help: "Threads; all cores by default.")
  var threads: Int?

  @Option(name: [.customShort("n"), .customLong("predict")], help: "Tokens per repetition.")
  var predict = 64

  @Option(help: "exact: f32 activations; fast: 8-bit activations, as deployed engines compute.")
  var mode = ComputeModeFlag.fast

  @Option(help: "Repetitions, each from an empty context.")
  var repetitions = 5

  @Flag(help: "Print JSON.")
  var json = false

  /// Of larger models as much is read by reading a part of this size several times: more than caches hold.
  private static let largestBlock = 512 << 20

  func validate() throws {
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be 1 to 1024") }
    guard (2...4096).contains(predict) else { throw ValidationError("--predict must be 2 to 4096") }
    guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000") }
  }

  func run() throws {
    Interrupt.watch()
    guard FileSystem.kind(of: model) != .folder else {
      throw UsageError(
        "--model", expected: "a GGUF file", found: model,
        remedy:
          "convert it with pouch-convert; a checkpoint's weights can differ in memory from what is stored")
    }
    let loaded = try LoadedModel.open(path: model)
    let byteCount = try ModelSource(model).price(EstimateRequest(mix: nil)).activeWeightByteCount
    for warning in loaded.warnings { Standard.error("Warning: \(warning)") }
    let session = try Session(
      model: loaded, contextLength: predict + 1, mode: mode.mode, threads: threads, cacheType: .f16)
    let block = MemoryBlock(byteCount: min(byteCount, Self.largestBlock))
    // Brings weights in and caches into use.
    _ = try pass(session, block, byteCount)
    var passes: [DecodePass] = []
    for _ in 0..<repetitions where !Interrupt.isRequested {
      passes.append(try pass(session, block, byteCount))
    }
    if Interrupt.isRequested { throw ExitCode(130) }
    let report = DecodeReport(
      machine: MachineDescription(), model: model, mode: mode.rawValue, threads: session.workers.threadCount,
      tokens: predict, activeWeightBytes: byteCount, passes: passes)
    if json { try JSONSchema.decodeBenchmark.print(report) } else { Standard.output(report.line) }
  }

  /// Decodes once from an empty context.
  private func pass(_ session: Session, _ block: MemoryBlock, _ byteCount: Int) throws -> DecodePass {
    session.reset()
    var pass = DecodePass()
    var options = SamplingOptions()
    options.temperature = 0
    let generation = TextGeneration(sampling: options, tokenLimit: predict + 1, stopTokens: [])
    var start = ContinuousClock.now
    _ = try generation.run(prompt: [0], session: session) { _ in
      let decoded = ContinuousClock.now
      pass.tokenSeconds.append((decoded - start).seconds)
      block.read(byteCount, session.workers)
      start = .now
      pass.readSeconds.append((start - decoded).seconds)
      return !Interrupt.isRequested
    }
    // The first token is the prompt's: nothing was read before it.
    if !pass.tokenSeconds.isEmpty { pass.tokenSeconds.removeFirst() }
    return pass
  }
}

/// The times of one repetition.
struct DecodePass {
  /// Seconds of each token.
  var tokenSeconds: [Double] = []
  /// Seconds of the reads: one before the first token, and one after each.
  var readSeconds: [Double] = []

  /// Which part of each token's time the reads around it take.
  var shares: [Double] {
    tokenSeconds.indices.map { (readSeconds[$0] + readSeconds[$0 + 1]) / 2 / tokenSeconds[$0] }
  }
}

/// Memory to be read beside weights.
private final class MemoryBlock {
  private let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = .allocate(byteCount: max(byteCount, 1), alignment: 64)
    // Written once, since untouched pages are all one page of zeros.
    bytes.initializeMemory(as: UInt8.self, repeating: 1)
  }

  deinit { bytes.deallocate() }

  /// Reads as many bytes by all threads, from the start again as often as it takes.
  func read(_ byteCount: Int, _ pool: WorkerPool) {
    var left = byteCount
    while left > 0 {
      let count = min(left, bytes.count)
      MemoryReading.read(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<count]), pool)
      left -= count
    }
  }
}

/// What `--json` prints.
struct DecodeReport: Encodable {
  /// The machine.
  var machine: MachineDescription
  /// The model's file.
  var model: String
  /// exact or fast.
  var mode: String
  /// Threads.
  var threads: Int
  /// Tokens per repetition.
  var tokens: Int
  /// Bytes of weights that a token reads.
  var activeWeightBytes: Int
  /// Tokens per second; the median over all tokens.
  var decodeTokensPerSecond: Double
  /// Tokens per second that reading the weights alone would take; the median over all reads.
  var boundTokensPerSecond: Double
  /// Bytes per second of these reads.
  var memoryBytesPerSecond: Double
  /// The part of a token's time that the reads around it take; the median over all tokens.
  var shareOfBound: Double
  /// The same for each repetition alone.
  var sharesOfRepetitions: [Double]

  init(
    machine: MachineDescription, model: String, mode: String, threads: Int, tokens: Int,
    activeWeightBytes: Int,
    passes: [DecodePass]
  ) {
    self.machine = machine
    self.model = model
    self.mode = mode
    self.threads = threads
    self.tokens = tokens
    self.activeWeightBytes = activeWeightBytes
    decodeTokensPerSecond = 1 / median(passes.flatMap(\.tokenSeconds))
    boundTokensPerSecond = 1 / median(passes.flatMap(\.readSeconds))
    memoryBytesPerSecond = boundTokensPerSecond * Double(activeWeightBytes)
    shareOfBound = median(passes.flatMap(\.shares))
    sharesOfRepetitions = passes.map { median($0.shares) }
  }

  var line: String {
    let least = sharesOfRepetitions.min() ?? shareOfBound
    let greatest = sharesOfRepetitions.max() ?? shareOfBound
    return "decoding \(decimals(decodeTokensPerSecond, 1)) tokens/s; memory, read at "
      + "\(decimals(memoryBytesPerSecond / 1e9, 1)) GB/s, allows \(decimals(boundTokensPerSecond, 1)) of "
      + "\(ByteSize.text(activeWeightBytes)) each; \(decimals(shareOfBound, 3)) of that, repetitions from "
      + "\(decimals(least, 3)) to \(decimals(greatest, 3))"
  }
}

/// The value in the middle; the upper one of two.
private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

extension Duration {
  /// As a number.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
