internal import Dispatch
internal import Synchronization

/// One line on a terminal that shows bytes, rate and time left; without a terminal, a line now and then.
package final class ProgressBar: Sendable {
  private struct State {
    var phase = ""
    var phaseStart: UInt64
    var lastDraw: UInt64
    var isVisible = false
    var hasAnnounced = false
  }

  /// Nanoseconds between two pictures on a terminal, and between two lines without one.
  private static let terminalPause: UInt64 = 100_000_000
  private static let linePause: UInt64 = 30_000_000_000

  private let start: UInt64
  private let isEnabled: Bool
  private let isTerminal: Bool
  private let state: Mutex<State>

  /// Creates a bar; nothing is drawn before the first update.
  package init(isEnabled: Bool) {
    start = DispatchTime.now().uptimeNanoseconds
    self.isEnabled = isEnabled
    isTerminal = Standard.errorIsTerminal
    // On a terminal the first picture is drawn at once; a log gets nothing of a run that ends soon.
    state = Mutex(State(phaseStart: start, lastDraw: isTerminal ? 0 : start))
  }

  /// Seconds since the bar was created.
  package var elapsedSeconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }

  /// Draws at most ten times a second on a terminal, prints every half minute elsewhere.
  ///
  /// - Parameters:
  ///   - phase: What is going on; a new phase begins with a clock of its own.
  ///   - done: Bytes that are done.
  ///   - total: Bytes in all.
  ///   - alreadyDone: The part of `done` that an earlier run did.
  package func update(phase: String = "", done: Int, total: Int, alreadyDone: Int) {
    guard isEnabled else { return }
    let now = DispatchTime.now().uptimeNanoseconds
    state.withLock { state in
      if phase != state.phase {
        state.phase = phase
        state.phaseStart = now
      }
      guard isTerminal else {
        guard now - state.lastDraw >= Self.linePause else { return }
        state.lastDraw = now
        let parts = Self.parts(
          done: done, total: total, new: done - alreadyDone, since: state.phaseStart, now)
        Standard.error("progress: " + ([phase] + parts).filter { !$0.isEmpty }.joined(separator: "  "))
        return
      }
      guard now - state.lastDraw >= Self.terminalPause || done == total else { return }
      state.lastDraw = now
      state.isVisible = true
      let parts = Self.parts(done: done, total: total, new: done - alreadyDone, since: state.phaseStart, now)
      let share = total > 0 ? Double(done) / Double(total) : 1
      Standard.errorText("\r" + Self.picture(parts, share: share, width: Standard.terminalWidth) + "\u{1B}[K")
    }
  }

  /// Share, bytes, rate and time left, the last one best kept where there is little room.
  private static func parts(done: Int, total: Int, new: Int, since start: UInt64, _ now: UInt64) -> [String] {
    let seconds = Double(now - start) / 1e9
    let rate = seconds > 0 ? Double(new) / seconds : 0
    let share = total > 0 ? Double(done) / Double(total) : 1
    return [
      "\(decimals(share * 100, 1)) %", "\(ByteSize.text(done)) of \(ByteSize.text(total))",
      "\(ByteSize.text(Int(rate)))/s",
      // A rate of the first moments says nothing.
      seconds < 0.5 || rate <= 0 ? "" : "\(duration(Double(total - done) / rate)) left",
    ]
  }

  /// The line for a terminal of `width` columns, always one column shorter.
  package static func picture(_ parts: [String], share: Double, width: Int) -> String {
    let kept = [parts, [parts[0], parts[3]], [parts[0]]].map {
      " " + $0.filter { !$0.isEmpty }.joined(separator: "  ")
    }
    guard let text = kept.first(where: { $0.count + 3 <= width - 1 }) else { return "" }
    let room = min(40, width - 1 - text.count - 2)
    guard room >= 8 else { return String(text.dropFirst()) }
    let filled = max(0, min(room, Int(share * Double(room))))
    return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled) + "]"
      + text
  }

  /// Prints a line above the bar, the first time alone, and nothing where the bar is switched off.
  package func announce(_ text: String) {
    guard isEnabled, takesAnnouncement() else { return }
    line(text)
  }

  private func takesAnnouncement() -> Bool {
    state.withLock { state in
      defer { state.hasAnnounced = true }
      return !state.hasAnnounced
    }
  }

  /// Prints a line above the bar.
  package func line(_ text: String) {
    state.withLock { state in
      Standard.error((state.isVisible ? "\r\u{1B}[K" : "") + text)
    }
  }

  /// Removes the bar.
  package func clear() {
    state.withLock { state in
      if state.isVisible { Standard.errorText("\r\u{1B}[K") }
      state.isVisible = false
    }
  }

  /// Seconds as `1:02:03` or `2:03`.
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }
}
