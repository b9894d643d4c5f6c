internal import FileBytes
package import ModelEvaluation

/// What is asked of runs that measure a model.
package struct MeasuringOptions: Hashable, Sendable {
  /// Tokens per window.
  package var windowLength = 512
  /// Windows; `nil` for as many as ``usualTokenCount`` tokens fill.
  package var windowCount: Int?
  /// The memory of the machine they run on, and what is allowed of it.
  ///
  /// What the process holds is foretold, not looked at.
  package var limits = MeasuringPlan.Limits()
  /// Bytes per second that the disk gives; `nil` when it is not known.
  package var diskBytesPerSecond: Double?

  /// Creates options with the defaults of the measuring commands.
  package init() {}

  /// Tokens of the test text of WikiText-2, by the tokenizers of today's models.
  package static let usualTokenCount = 300_000

  /// Windows that are measured.
  var count: Int { windowCount ?? max(2, Self.usualTokenCount / windowLength) }

  /// Checks ranges.
  ///
  /// - Throws: ``EstimationError`` with `badOption`.
  func check() throws {
    func require(_ condition: Bool, _ setting: Setting, _ expected: Wording, _ found: Int) throws {
      guard !condition else { return }
      throw EstimationError(
        .badOption, Fault(subject: Wording(setting), expected: expected, found: "\(found)"))
    }
    try require(4...(1 << 24) ~= windowLength, .windowLength, "4 to \(1 << 24) tokens", windowLength)
    try require(1...(1 << 32) ~= count, .windowCount, "1 to \(1 << 32) windows", count)
  }
}
