internal import ReferenceRuntime

/// How much of the arithmetic of a measurement is done, where windows go in groups, and how long the rest takes.
package struct GroupProgress {
  /// What is known after the first layer.
  package struct Outlook: Hashable, Sendable {
    /// The share of all work that is done.
    package var share: Double
    /// Seconds of arithmetic in all.
    package var arithmeticSeconds: Double
    /// Seconds of reading in all, which goes on beside it.
    package var readingSeconds: Double

    /// Seconds to go: reading and arithmetic are done at the same time.
    package var secondsLeft: Double { max(arithmeticSeconds, readingSeconds) * (1 - share) }
  }

  private struct Pass: Hashable {
    var model: String
    var firstWindow: Int
  }

  private struct Spent {
    var work = 0.0
    var seconds = 0.0
    var loadSeconds = 0.0
    var byteCount = 0
  }

  private let work: Double
  private let byteCount: Int
  private var passes: [Pass: Spent] = [:]
  private var others = Spent()

  /// Creates progress.
  ///
  /// - Parameters:
  ///   - work: All work, as `LoadedModel.work(tokens:logits:mode:)` counts it; 0 where windows go one by one.
  ///   - byteCount: Bytes of files that are read for it, each time they are.
  package init(work: Double, byteCount: Int) {
    self.work = work
    self.byteCount = byteCount
  }

  /// Whether windows go in groups.
  package var isUsed: Bool { work > 0 }

  /// Adds work that is no part of a pass through the layers.
  package mutating func add(_ work: Double, seconds: Double) {
    others.work += work
    others.seconds += seconds
  }

  /// Takes a step of a pass.
  ///
  /// - Returns: What is known now; `nil` within the first layer.
  package mutating func outlook(after step: GroupStep) -> Outlook? {
    let now = step.step
    passes[Pass(model: step.model.source, firstWindow: step.windows.lowerBound)] = Spent(
      work: now.work, seconds: now.seconds - now.waitSeconds, loadSeconds: now.loadSeconds,
      byteCount: now.loadedByteCount)
    guard isUsed, now.layer > 0 || passes.count > 1 else { return nil }
    var sum = others
    var loads: [String: Spent] = [:]
    for (pass, spent) in passes {
      sum.work += spent.work
      sum.seconds += spent.seconds
      // Loads are counted over all passes of a model.
      if spent.byteCount > loads[pass.model]?.byteCount ?? -1 { loads[pass.model] = spent }
    }
    for spent in loads.values {
      sum.loadSeconds += spent.loadSeconds
      sum.byteCount += spent.byteCount
    }
    guard sum.work > 0, sum.byteCount > 0 else { return nil }
    return Outlook(
      share: min(1, sum.work / work), arithmeticSeconds: sum.seconds / sum.work * work,
      readingSeconds: sum.loadSeconds / Double(sum.byteCount) * Double(byteCount))
  }
}

extension GroupStep {
  /// Where the work is, in words; windows count from 1.
  package func text(of windowCount: Int) -> String {
    "layer \(step.layer + 1) of \(step.layerCount) of \(model.source), "
      + (windows.count == 1
        ? "window \(windows.lowerBound + 1)" : "windows \(windows.lowerBound + 1) to \(windows.upperBound)")
      + " of \(windowCount)"
  }
}
