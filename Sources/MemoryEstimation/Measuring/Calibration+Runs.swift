internal import FileBytes
internal import ReferenceRuntime
internal import TensorCompute
internal import TensorTypes

extension Calibration {
  /// Measures what bounds measuring runs: products of the runtime, and reading of a file.
  ///
  /// - Parameters:
  ///   - path: A file of weights, part of which is read; `nil` without one.
  ///   - seconds: Time for each, roughly.
  /// - Throws: `FileError` for a file that cannot be mapped, `ComputeError`.
  mutating func measureRuns(reading path: String?, seconds: Double = 0.5) throws {
    operationsPerSecond = try Self.productSpeed(threads: threads, seconds: seconds)
    diskBytesPerSecond = try path.flatMap { try Self.diskSpeed(of: $0, seconds: seconds) }
  }

  /// Operations per second with 16-bit weights: a matrix of the usual size, rows as a group of windows has them.
  private static func productSpeed(threads: Int, seconds: Double) throws -> Double {
    let (columns, rowCount, tokens) = (2048, 2048, 256)
    // One, as bf16.
    let weights = [UInt16](repeating: 0x3F80, count: columns * rowCount)
    let x = [Float](repeating: 0.5, count: tokens * columns)
    var y = [Float](repeating: 0, count: tokens * rowCount)
    let engine = MatrixEngine(mode: .fast, pool: WorkerPool(threadCount: threads))
    return try weights.withUnsafeBytes { bytes in
      let matrix = try WeightMatrix(
        type: .bf16, columns: columns, rows: rowCount, bytes: bytes, owner: nil)
      return x.withUnsafeBufferPointer { x in
        y.withUnsafeMutableBufferPointer { y in
          guard let input = x.baseAddress, let output = y.baseAddress else { return 0 }
          engine.multiply(matrix, x: input, tokens: tokens, into: output)
          var count = 0
          let start = now()
          repeat {
            engine.multiply(matrix, x: input, tokens: tokens, into: output)
            count += 1
          } while now() - start < seconds
          return 2 * Double(count) * Double(columns * rowCount) * Double(tokens) / (now() - start)
        }
      }
    }
  }

  /// Bytes per second of a file whose pages are given back before, so that they come from the disk.
  ///
  /// Where the system keeps pages all the same, it is the speed of memory.
  private static func diskSpeed(of path: String, seconds: Double) throws -> Double? {
    let file = try MappedFile(path: path)
    let step = 16 << 20
    // Small files come from the disk in one go, and tell nothing.
    guard file.bytes.count >= 4 * step else { return nil }
    var done = 0
    var spent = 0.0
    for start in stride(from: 0, to: file.bytes.count - step, by: step) where spent < seconds {
      file.giveBack(start..<(start + step))
      let begin = now()
      file.readIn([start..<(start + step)])
      spent += now() - begin
      done += step
      file.giveBack(start..<(start + step))
    }
    return spent > 0 ? Double(done) / spent : nil
  }
}
