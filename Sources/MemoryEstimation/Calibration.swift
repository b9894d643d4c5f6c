internal import BlockQuantization
internal import Dispatch
internal import FileBytes
internal import TensorCompute
package import TensorTypes

/// How fast this machine is, measured in about a second.
package struct Calibration: Codable, Hashable, Sendable {
  /// Weights per second and thread, by type name.
  package var weightsPerSecond: [String: Double]
  /// Bytes per second that all threads together copy through memory: a stand-in for reading a cached file.
  package var readBytesPerSecond: Double
  /// Bytes per second that all threads read from memory.
  package var memoryBytesPerSecond: Double
  /// Threads.
  package var threads: Int
  /// Multiplications and additions per second of the runtime's products, all threads together; `nil` unless measuring
  /// runs are priced.
  package var operationsPerSecond: Double?
  /// Bytes per second that were read of a file of the source; `nil` without such a file, and as above.
  package var diskBytesPerSecond: Double?

  /// The speed for a type; types not measured count as the slowest.
  func weightsPerSecond(_ type: TensorType) -> Double {
    weightsPerSecond[type.name] ?? weightsPerSecond.values.min() ?? 1e7
  }

  /// Measures the quantizers of `types` and memory.
  ///
  /// - Parameters:
  ///   - types: What is quantized to.
  ///   - threads: Threads for the memory's part.
  ///   - seconds: Time for everything, roughly.
  /// - Returns: The speeds.
  package static func measure(types: [TensorType], threads: Int, seconds: Double = 1) -> Calibration {
    let wanted = Set(types.filter { BlockQuantizer.canQuantize($0) })
    let share = seconds * 0.6 / Double(max(1, wanted.count))
    var speeds: [String: Double] = [:]
    for type in wanted { speeds[type.name] = quantizeSpeed(type, seconds: share) }
    let memory = readSpeed(threads: threads, seconds: seconds * 0.4)
    return Calibration(
      weightsPerSecond: speeds, readBytesPerSecond: memory / 2, memoryBytesPerSecond: memory, threads: threads
    )
  }

  static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  /// One thread's weights per second on rows of plausible weights.
  private static func quantizeSpeed(_ type: TensorType, seconds: Double) -> Double {
    let rowLength = 2048
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    let values = (0..<(8 * rowLength)).map { _ -> Float in
      // A sum of four uniform draws is near enough to what weights look like.
      var sum: Float = 0
      for _ in 0..<4 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        sum += Float(state >> 40) / Float(1 << 24) - 0.5
      }
      return sum * 0.03
    }
    guard let rowBytes = type.rowByteCount(length: rowLength) else { return 1e7 }
    var output = [UInt8](repeating: 0, count: 8 * rowBytes)
    var done = 0
    let start = now()
    repeat {
      values.withUnsafeBufferPointer { rows in
        output.withUnsafeMutableBytes { bytes in
          BlockQuantizer.quantize(type, rows: rows, rowLength: rowLength, importance: nil, into: bytes)
        }
      }
      done += values.count
    } while now() - start < seconds
    return Double(done) / (now() - start)
  }

  /// Bytes per second that `threads` read from a block larger than the caches.
  ///
  /// Servers have hundreds of megabytes of them; less is read where memory is small. The best pass counts, since it is
  /// to be a bound.
  private static func readSpeed(threads: Int, seconds: Double) -> Double {
    let words = max(8 << 20, min(64 << 20, (MachineMemory.totalByteCount ?? 0) / 256))
    let memory = [UInt64](repeating: 1, count: words)
    let pool = WorkerPool(threadCount: max(1, threads))
    var best = Double.infinity
    let start = now()
    repeat {
      let begin = now()
      _ = memory.withUnsafeBytes { MemoryReading.read($0, pool) }
      best = min(best, now() - begin)
    } while now() - start < seconds
    return Double(words) * 8 / best
  }
}
