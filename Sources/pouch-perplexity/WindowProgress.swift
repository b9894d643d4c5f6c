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

  /// Creates progress.
  ///
  /// - Parameters:
  ///   - total: Windows of all parts.
  ///   - state: What an earlier run made.
  ///   - streams: Whether values stay on one line of standard output.
  init(total: Int, state: RunState?, streams: Bool = false) {
    self.total = total
    self.state = state
    progress = CountProgress(
      isEnabled: true, unit: "windows",
      place: streams && Standard.outputIsTerminal ? .behindOutput : .line)
    progress.update(done: 0, total: total)
  }

  /// Counts a window, and prints what belongs to it.
  ///
  /// - Parameters:
  ///   - part: The number of the model in the state.
  ///   - window: Windows of this part that are done.
  ///   - note: What is being done.
  ///   - print: Writes to standard output.
  func windowDone(part: Int = 0, _ window: Int, note: String = "", print: () -> Void = {}) {
    done += 1
    if state?.isRecorded(part: part, window: window - 1) == true { resumed += 1 }
    progress.clear()
    print()
    if done < total {
      progress.update(
        done: done, total: total, resumed: resumed,
        resumable: (state?.resumedWindowCount ?? 0) - resumed, note: note, column: column)
    }
  }

  /// Removes the text from a terminal.
  func clear() { progress.clear() }
}
