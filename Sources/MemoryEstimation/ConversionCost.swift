internal import CheckpointConversion
internal import TensorTypes

/// What converting takes.
public struct ConversionCost: Codable, Hashable, Sendable {
  /// Bytes of buffers, set by the plan and the limit.
  public var bufferBytes: Int
  /// Peak memory: buffers, program and plan.
  public var peakBytes: Int
  /// Disk for the output, with the margin that the conversion insists on.
  public var diskBytes: Int
  /// Bytes of the source that are read.
  public var readBytes: Int
  /// Threads that the numbers are for.
  public var threads: Int
  /// Seconds on this machine; `nil` without a calibration.
  public var seconds: Double?
}

extension PricedModel {
  /// A process with nothing read.
  private static let programByteCount = 30_000_000
  /// Plan, header and feeds per tensor and per source of rows.
  private static let bytesPerRun = 400

  /// What converting takes; `nil` for a GGUF as it is.
  ///
  /// - Throws: `ConversionError` for a limit below what one row needs.
  package func conversionCost(
    threadCount: Int, maxMemory: Int, calibration: Calibration?
  ) throws -> ConversionCost? {
    guard let prepared else { return nil }
    let plan = prepared.plan
    let buffers = try prepared.bufferByteCount(threadCount: threadCount, maxMemory: maxMemory)
    var runs = plan.tensors.count + plan.sources.count
    for tensor in plan.tensors {
      if case .feed(let feed) = tensor.content { runs += feed.runs.count }
    }
    let output = fileByteCount.upperBound
    var seconds: Double?
    if let calibration {
      var work = Double(plan.readByteCount) / calibration.readBytesPerSecond
      for tensor in plan.tensors where tensor.type != tensor.sourceType {
        work +=
          Double(tensor.elementCount) / (calibration.weightsPerSecond(tensor.type) * Double(threadCount))
      }
      seconds = work
    }
    return ConversionCost(
      bufferBytes: buffers,
      peakBytes: try Checked.sum(
        "conversion",
        [buffers, Self.programByteCount, runs * Self.bytesPerRun, 4 * headerByteCount.upperBound]),
      diskBytes: output + 1 << 20 + output / 1000, readBytes: plan.readByteCount, threads: threadCount,
      seconds: seconds)
  }
}
