/// Who gives scratch rows: a context that has memory, or a counter that only adds up.
///
/// Blocks ask for all their rows in one initializer, so that what a run takes and what is foretold are the same lines.
protocol ScratchSource: AnyObject {
  /// Scratch rows under a name; the same name gives the same memory.
  func scratch(_ name: String, _ count: Int, _ width: Int) throws -> FloatRows
}

/// Adds up scratch memory without having any.
final class ScratchCounter: ScratchSource {
  /// Values under each name.
  private(set) var counts: [String: Int] = [:]
  /// Stands for all rows, which nobody reads.
  private let nothing = UnsafeMutablePointer<Float>.allocate(capacity: 1)

  deinit { nothing.deallocate() }

  func scratch(_ name: String, _ count: Int, _ width: Int) -> FloatRows {
    let (values, overflow) = count.multipliedReportingOverflow(by: width)
    counts[name] = max(counts[name] ?? 0, overflow ? .max : values)
    return FloatRows(base: nothing, count: count, width: width)
  }
}
