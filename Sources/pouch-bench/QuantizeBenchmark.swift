import ArgumentParser
import BlockQuantization
import CommandSupport
import FileBytes
import Foundation
import TensorTypes

/// `pouch-bench quantize`: weights per second of each type, with and without importance, on one thread.
struct QuantizeBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Measures quantization on one thread, in million weights per second.",
    discussion: """
      Rows are normal numbers rounded to bfloat16. Time is that of the processor, not of the clock on the wall. \
      Printed are the median of the repetitions and the best one, which is nearest to what an undisturbed core does.
      """)

  @Option(help: "Types to measure, separated by commas; all by default.")
  var types: String?

  @Option(help: "Kernel levels, separated by commas; by default the one in use.")
  var level: String?

  @Option(help: "Values per row.")
  var rowLength = 2048

  @Option(help: "Rows per call.")
  var rows = 64

  @Option(help: "Repetitions.")
  var repetitions = 21

  @Flag(help: "Print JSON.")
  var json = false

  private static let defaultTypes: [TensorType] = [
    .q4_K, .q5_K, .q6_K, .q3_K, .q2_K, .iq4_nl, .iq4_xs, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .mxfp4, .f16,
    .bf16,
  ]

  mutating func validate() throws {
    guard rowLength > 0, rowLength % 256 == 0, rowLength <= 1 << 20 else {
      throw ValidationError("--row-length must be a multiple of 256, at most 1048576")
    }
    guard rows > 0, rows <= 1 << 16, rows * rowLength <= 1 << 28 else {
      throw ValidationError("--rows times --row-length must be between 1 and 2^28")
    }
    guard (1...1000).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 1000") }
    _ = try chosenTypes()
    _ = try chosenLevels()
  }

  private func chosenTypes() throws -> [TensorType] {
    guard let types else { return Self.defaultTypes }
    return try types.split(separator: ",").map { name in
      guard let type = TensorType(name: String(name)), BlockQuantizer.canQuantize(type) else {
        throw ValidationError("no quantizer for \(name)")
      }
      return type
    }
  }

  private func chosenLevels() throws -> [KernelLevel] {
    guard let level else { return [.current] }
    return try level.split(separator: ",").map { name in
      guard let level = KernelLevel(rawValue: String(name)), level.isAvailable else {
        let names = KernelLevel.available.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("kernel level \(name) is not available here; these are: \(names)")
      }
      return level
    }
  }

  mutating func run() throws {
    let values = BenchmarkInput.rows(count: rows * rowLength)
    let importance = BenchmarkInput.importance(count: rowLength)
    var results: [Measurement] = []
    for level in try chosenLevels() {
      for type in try chosenTypes() {
        for weighted in [false, true] where !weighted || type.isQuantized {
          let speed = measure(type, level, values, weighted ? importance : nil)
          let measurement = Measurement(
            level: level.rawValue, type: type.name, weighted: weighted, millionWeightsPerSecond: speed.median,
            bestMillionWeightsPerSecond: speed.best)
          results.append(measurement)
          if !json { Standard.output(measurement.line) }
        }
      }
    }
    if json {
      let report = Report(
        machine: MachineDescription(), rowLength: rowLength, rows: rows, repetitions: repetitions,
        measurements: results)
      try JSONSchema.quantizeBenchmark.print(report)
    }
  }

  private func measure(
    _ type: TensorType, _ level: KernelLevel, _ values: [Float], _ importance: [Float]?
  ) -> (median: Double, best: Double) {
    let byteCount = rows * (type.rowByteCount(length: rowLength) ?? 0)
    var output = [UInt8](repeating: 0, count: byteCount)
    var seconds: [Double] = []
    for _ in 0..<repetitions {
      let start = ProcessorTime.seconds()
      values.withUnsafeBufferPointer { values in
        output.withUnsafeMutableBytes { bytes in
          if let importance {
            importance.withUnsafeBufferPointer {
              BlockQuantizer.quantize(
                type, rows: values, rowLength: rowLength, importance: $0, into: bytes, level: level)
            }
          } else {
            BlockQuantizer.quantize(
              type, rows: values, rowLength: rowLength, importance: nil, into: bytes, level: level)
          }
        }
      }
      // Never zero, however coarse the clock is.
      seconds.append(max(ProcessorTime.seconds() - start, 1e-7))
    }
    seconds.sort()
    let millions = Double(values.count) / 1e6
    return (millions / seconds[seconds.count / 2], millions / seconds[0])
  }
}

/// One measured speed.
struct Measurement: Encodable {
  /// The kernel level.
  var level: String
  /// The tensor type.
  var type: String
  /// Whether importance data was used.
  var weighted: Bool
  /// The median.
  var millionWeightsPerSecond: Double
  /// The best repetition.
  var bestMillionWeightsPerSecond: Double

  var line: String {
    let path = weighted ? "weighted" : "plain"
    return [pad(level, 10), pad(type, 8), pad(path, 9), pad(rounded(millionWeightsPerSecond), 8)].joined()
      + "M weights/s, best \(rounded(bestMillionWeightsPerSecond))"
  }

  private func rounded(_ speed: Double) -> String { String((speed * 10).rounded() / 10) }

  private func pad(_ text: String, _ width: Int) -> String {
    text.padding(toLength: width, withPad: " ", startingAt: 0)
  }
}

/// What `--json` prints.
struct Report: Encodable {
  /// The machine.
  var machine: MachineDescription
  /// Values per row.
  var rowLength: Int
  /// Rows per call.
  var rows: Int
  /// Repetitions.
  var repetitions: Int
  /// One entry for each type, level and kind of search.
  var measurements: [Measurement]
}

/// The machine that was measured on.
struct MachineDescription: Encodable {
  /// The name of the processor.
  var processor: String = Processor.name ?? "unknown"
  /// Processors that can be used.
  var processorCount = ProcessInfo.processInfo.activeProcessorCount
  /// Name and version of the system.
  var operatingSystem = ProcessInfo.processInfo.operatingSystemVersionString
  /// The kernel level in use.
  var kernelLevel: String = KernelLevel.current.rawValue
  /// The kernel levels that can be used here.
  var availableLevels = KernelLevel.available.map(\.rawValue)
  /// The content of POUCH_KERNEL_LEVEL, when it could not be followed.
  var rejectedLevel = KernelLevel.rejectedRequest
}

/// The time that this process has had a processor.
enum ProcessorTime {
  static func seconds() -> Double {
    var time = timespec()
    guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// Input that repeats from run to run.
enum BenchmarkInput {
  /// Normal numbers of standard deviation 0.02, rounded to bfloat16.
  static func rows(count: Int) -> [Float] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
      // Twelve uniform numbers have variance 1.
      var sum: Float = -6
      for _ in 0..<12 { sum += uniform(&state) }
      let bits = (sum * 0.02).bitPattern
      return Float(bitPattern: (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF_0000)
    }
  }

  /// Positive weights.
  static func importance(count: Int) -> [Float] {
    var state: UInt64 = 2
    return (0..<count).map { _ in uniform(&state) + 0.01 }
  }

  private static func uniform(_ state: inout UInt64) -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) * 0x1p-24
  }
}
