import CommandSupport
import ModelEvaluation

/// Windows done over all models of a run that go one after the other, or together.
final class WindowProgress {
  private let progress: CountProgress
  private let state: RunState?
  private let total: Int
  private var done = 0
  private var resumed = 0
  /// How far standard output has come on its line.
  var column = 0
  /// The work of groups of windows, where windows go in groups.
  private var groups: GroupProgress
  private var hasSaidOutlook = false
  /// When the last piece of work was counted.
  private var lastSeconds = 0.0

  /// Creates progress.
  ///
  /// - Parameters:
  ///   - total: Windows of all parts.
  ///   - state: What an earlier run made.
  ///   - groups: The work of all windows that are left, where they go in groups.
  ///   - streams: Whether values stay on one line of standard output.
  init(total: Int, state: RunState?, groups: GroupProgress, streams: Bool = false) {
    self.total = total
    self.state = state
    self.groups = groups
    progress = CountProgress(
      isEnabled: true, unit: "windows",
      place: streams && Standard.outputIsTerminal ? .behindOutput : .line)
    if !groups.isUsed { progress.update(done: 0, total: total) }
  }

  /// Shows where the work on a group of windows is.
  func step(_ step: GroupStep) {
    lastSeconds = progress.elapsedSeconds
    guard let outlook = groups.outlook(after: step) else { return }
    if !hasSaidOutlook {
      hasSaidOutlook = true
      progress.clear()
      Standard.error(
        MeasuringArguments.outlook(reading: outlook.readingSeconds, arithmetic: outlook.arithmeticSeconds))
    }
    progress.update(
      share: outlook.share, left: outlook.secondsLeft, note: step.text(of: total), column: column)
  }

  /// Counts a window, and prints what belongs to it.
  ///
  /// - Parameters:
  ///   - part: The number of the model in the state.
  ///   - window: The number of the window in the text.
  ///   - work: The arithmetic of its logits.
  ///   - note: What is being done.
  ///   - print: Writes to standard output.
  func windowDone(
    part: Int = 0, _ window: Int, work: Double = 0, note: String = "", print: () -> Void = {}
  ) {
    done += 1
    let isRecorded = state?.isRecorded(part: part, window: window) == true
    if isRecorded { resumed += 1 }
    progress.clear()
    print()
    guard done < total else { return }
    guard !groups.isUsed else {
      let now = progress.elapsedSeconds
      if !isRecorded { groups.add(work, seconds: now - lastSeconds) }
      lastSeconds = now
      return
    }
    progress.update(
      done: done, total: total, resumed: resumed,
      resumable: (state?.resumedWindowCount ?? 0) - resumed, note: note, column: column)
  }

  /// Removes the text from a terminal.
  func clear() { progress.clear() }
}
