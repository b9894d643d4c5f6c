internal import ReferenceRuntime

/// What a measurement takes, as it is said before it starts.
package struct MeasuringCost: Codable, Hashable, Sendable {
  /// Compressed weights of one model.
  package struct Compressed: Codable, Hashable, Sendable {
    /// Compressed files.
    package var files: Int
    /// Their bytes on disk.
    package var storedBytes: Int
    /// Bytes that are read of them in all.
    package var readBytes: Int
    /// Bytes that are inflated in all.
    package var inflatedBytes: Int
    /// Files that are inflated more than once for a group, since the order of their tensors is not that of layers.
    package var repeatedFiles: Int
    /// The file that is inflated most often for a group.
    package var worstFile: String
    /// How often that is.
    package var worstCount: Int
  }

  /// layers: groups of windows layer by layer; windows: each window through all layers.
  package var schedule: String
  /// Windows.
  package var windows: Int
  /// Windows of a group; 1 where they go one by one.
  package var groupSize: Int
  /// Groups of windows.
  package var groups: Int
  /// Bytes of weights that a window is multiplied with.
  package var weightBytes: Int
  /// How often these are read.
  package var readTimes: Int
  /// Bytes of weights that are read in all.
  package var readBytes: Int
  /// Bytes of files that the disk gives in all: those of compressed files as often as they are read.
  package var diskBytes: Int
  /// The most memory that it takes, weights in use included.
  package var memoryBytes: Int
  /// The memory that it may take; `nil` where nothing limits it.
  package var limitBytes: Int?
  /// The least `--max-memory` that works.
  package var leastBytes: Int
  /// The memory that windows one by one take.
  package var windowMemoryBytes: Int
  /// Bytes of weights that windows one by one read in all, in the memory allowed.
  package var windowReadBytes: Int
  /// Compressed weights, one entry for each model that has some.
  package var compressed: [Compressed]

  /// Takes the numbers of a plan.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - windowCount: Windows that it is for.
  package init(_ plan: MeasuringPlan, windowCount: Int) {
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
  package func lines(_ size: (Int) -> String) -> [String] {
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
