internal import Dispatch
internal import Synchronization

/// One line on a terminal that shows bytes, rate and time left; silent elsewhere.
public final class ProgressBar: Sendable {
  private struct State {
    var lastDraw: UInt64 = 0
    var isVisible = false
  }

  private let start: UInt64
  private let isEnabled: Bool
  private let state = Mutex(State())

  /// Creates a bar; nothing is drawn before the first update.
  public init(isEnabled: Bool) {
    start = DispatchTime.now().uptimeNanoseconds
    self.isEnabled = isEnabled && Standard.errorIsTerminal
  }

  /// Seconds since the bar was created.
  public var elapsedSeconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }

  /// Draws at most ten times a second.
  public func update(done: Int, total: Int, alreadyDone: Int) {
    guard isEnabled else { return }
    let now = DispatchTime.now().uptimeNanoseconds
    state.withLock { state in
      guard now - state.lastDraw >= 100_000_000 || done == total else { return }
      state.lastDraw = now
      state.isVisible = true
      let seconds = Double(now - start) / 1e9
      let rate = seconds > 0 ? Double(done - alreadyDone) / seconds : 0
      let left = rate > 0 ? Double(total - done) / rate : 0
      let share = total > 0 ? Double(done) / Double(total) : 1
      let text =
        " \(decimals(share * 100, 1)) %  \(ByteSize.text(done)) of \(ByteSize.text(total))"
        + "  \(ByteSize.text(Int(rate)))/s  \(Self.duration(left)) left"
      let room = max(10, min(40, Standard.terminalWidth - text.count - 3))
      let filled = min(room, Int(share * Double(room)))
      let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled)
      Standard.errorText("\r[\(bar)]\(text)\u{1B}[K")
    }
  }

  /// Prints a line above the bar.
  public func line(_ text: String) {
    state.withLock { state in
      Standard.error((state.isVisible ? "\r\u{1B}[K" : "") + text)
    }
  }

  /// Removes the bar.
  public func clear() {
    state.withLock { state in
      if state.isVisible { Standard.errorText("\r\u{1B}[K") }
      state.isVisible = false
    }
  }

  /// Seconds as `1:02:03` or `2:03`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }
}
