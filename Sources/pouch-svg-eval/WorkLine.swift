import CommandSupport
import Dispatch
import ModelEvaluation
import Synchronization

/// Progress on standard error: one line that is redrawn on a terminal, a line per tenth elsewhere.
final class WorkLine: Sendable {
  private struct State {
    var lastDraw: UInt64 = 0
    var lastTenth = 0
    var isVisible = false
  }

  private let isEnabled: Bool
  private let start = DispatchTime.now().uptimeNanoseconds
  private let state = Mutex(State())

  init(isEnabled: Bool) { self.isEnabled = isEnabled }

  func update(_ progress: SVGRunner.Progress) {
    guard isEnabled, progress.total > 0 else { return }
    let now = DispatchTime.now().uptimeNanoseconds
    state.withLock { state in
      let share = Double(progress.done) / Double(progress.total)
      if Standard.errorIsTerminal {
        guard now - state.lastDraw >= 100_000_000 else { return }
        state.lastDraw = now
        state.isVisible = true
        let seconds = Double(now - start) / 1e9
        let made = Double(progress.done - progress.resumed)
        let left = made > 1 ? seconds / made * Double(progress.total - progress.done) : .nan
        let filled = Int(share * 20)
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled)
        let text =
          "[\(bar)] \(progress.done) of \(progress.total), \(ProgressBar.duration(left)) left: \(progress.task)"
        Standard.errorText("\r" + text.prefix(max(20, Standard.terminalWidth - 1)) + "\u{1B}[K")
      } else if Int(share * 10) > state.lastTenth {
        state.lastTenth = Int(share * 10)
        let resumed = progress.resumed > 0 ? ", \(progress.resumed) from an earlier run" : ""
        Standard.error("\(progress.done) of \(progress.total)\(resumed): \(progress.task)")
      }
    }
  }

  func clear() {
    state.withLock { state in
      if state.isVisible { Standard.errorText("\r\u{1B}[K") }
      state.isVisible = false
    }
  }
}
