internal import ReferenceRuntime

/// What a measurement takes, as it is said before it starts.
public struct MeasuringCost: Codable, Hashable, Sendable {
  /// Compressed weights of one model.
  public struct Compressed: Codable, Hashable, Sendable {
    /// Compressed files.
    public var files: Int
    /// Their bytes on disk.
    public var storedBytes: Int
    /// Bytes that are read of them in all.
    public var readBytes: Int
    /// Bytes that are inflated in all.
    public var inflatedBytes: Int
    /// Files that are inflated more than once for a group, since the order of their tensors is not that of layers.
    public var repeatedFiles: Int
    /// The file that is inflated most often for a group.
    public var worstFile: String
    /// How often that is.
    public var worstCount: Int
  }

  /// layers: groups of windows layer by layer; windows: each window through all layers.
  public var schedule: String
  /// Windows.
  public var windows: Int
  /// Windows of a group; 1 where they go one by one.
  public var groupSize: Int
  /// Groups of windows.
  public var groups: Int
  /// Bytes of weights that a window is multiplied with.
  public var weightBytes: Int
  /// How often these are read.
  public var readTimes: Int
  /// Bytes of weights that are read in all.
  public var readBytes: Int
  /// Bytes of files that the disk gives in all: those of compressed files as often as they are read.
  public var diskBytes: Int
  /// The most memory that it takes, weights in use included.
  public var memoryBytes: Int
  /// The memory that it may take; `nil` where nothing limits it.
  public var limitBytes: Int?
  /// The least `--max-memory` that works.
  public var leastBytes: Int
  /// The memory that windows one by one take.
  public var windowMemoryBytes: Int
  /// Bytes of weights that windows one by one read in all, in the memory allowed.
  public var windowReadBytes: Int
  /// Compressed weights, one entry for each model that has some.
  public var compressed: [Compressed]

  /// Takes the numbers of a plan.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - windowCount: Windows that it is for.
  public init(_ plan: MeasuringPlan, windowCount: Int) {
    windows = windowCount
    groups = plan.groupCount
    switch plan.schedule {
    case .windows: (schedule, groupSize) = ("windows", 1)
    case .layers(let size, _): (schedule, groupSize) = ("layers", size)
    }
    weightBytes = plan.weightByteCount
    readTimes = plan.readCount
    readBytes = plan.readByteCount
    diskBytes = plan.diskByteCount
    memoryBytes = plan.memoryByteCount
    limitBytes = plan.limitByteCount == .max ? nil : plan.limitByteCount
    leastBytes = plan.leastByteCount
    windowMemoryBytes = plan.windowMemoryByteCount
    windowReadBytes = plan.windowReadByteCount
    compressed = plan.inflations.map { inflation in
      let worst = inflation.shards.max { $0.startsPerGroup < $1.startsPerGroup }
      return Compressed(
        files: inflation.shards.count, storedBytes: inflation.shards.reduce(0) { $0 + $1.storedByteCount },
        readBytes: inflation.readByteCount, inflatedBytes: inflation.inflatedByteCount,
        repeatedFiles: inflation.shards.count { $0.startsPerGroup > 1 }, worstFile: worst?.name ?? "",
        worstCount: worst?.startsPerGroup ?? 0)
    }
  }

  /// What is said before the first window, one line, and one more for each model whose weights are compressed.
  ///
  /// - Parameter size: Writes a number of bytes.
  /// - Returns: The lines.
  public func lines(_ size: (Int) -> String) -> [String] {
    let order =
      schedule == "layers"
      ? "layer by layer, \(groupSize) window\(groupSize == 1 ? "" : "s") at a time" : "window by window"
    return [
      "\(order): reads \(size(weightBytes)) of weights \(Self.times(readTimes)), "
        + "takes at most \(size(memoryBytes)) of memory"
    ] + compressed.map { $0.line(isLayered: schedule == "layers", size) }
  }

  static func times(_ count: Int) -> String { count == 1 ? "once" : "\(count) times" }
}

extension MeasuringCost.Compressed {
  fileprivate func line(isLayered: Bool, _ size: (Int) -> String) -> String {
    let names = files == 1 ? worstFile : "\(files) files of weights"
    var text = "\(names) compressed, \(size(storedBytes)): "
    guard isLayered else { return text + "\(size(inflatedBytes)) are inflated into memory" }
    text += "\(size(inflatedBytes)) are inflated in all, \(size(readBytes)) of the files read"
    guard repeatedFiles > 0 else { return text }
    let times = "inflated \(MeasuringCost.times(worstCount)) for each group"
    if files == 1 {
      text += "; its tensors are not in the order of layers: it is \(times)"
    } else {
      text +=
        "; \(repeatedFiles) \(repeatedFiles == 1 ? "has" : "have") tensors in another order than that of layers: "
      text += "\(worstFile) is \(times)" + (repeatedFiles == 1 ? "" : ", the others no more often")
    }
    return text + "; zstd -d saves that"
  }
}
