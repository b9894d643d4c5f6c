internal import Dispatch
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

extension Standard {
  /// Whether standard output is a terminal.
  package static var outputIsTerminal: Bool { isatty(1) == 1 }
}

/// How many of a number of equal pieces of work are done, with the time to go, on standard error.
///
/// On a terminal one line that is redrawn and never wraps; elsewhere a line after the first piece and at every tenth.
package final class CountProgress: Sendable {
  /// Where the text is drawn on a terminal.
  package enum Place: Sendable {
    /// A line of its own, with a bar.
    case line
    /// Behind what standard output has on the same line, which is written over it.
    case behindOutput
  }

  private struct State {
    var lastDraw: UInt64 = 0
    var lastTenth = -1
    var isVisible = false
  }

  private let start = DispatchTime.now().uptimeNanoseconds
  private let isEnabled: Bool
  private let place: Place
  private let unit: String
  private let state = Mutex(State())

  /// Creates progress; nothing is printed before the first update.
  ///
  /// - Parameters:
  ///   - isEnabled: Whether anything is printed.
  ///   - unit: What is counted, in the plural.
  ///   - place: Where the text is drawn on a terminal.
  package init(isEnabled: Bool, unit: String = "", place: Place = .line) {
    self.isEnabled = isEnabled
    self.unit = unit.isEmpty ? "" : " " + unit
    self.place = place
  }

  /// Seconds since the progress was created.
  package var elapsedSeconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }

  /// Shows the state of the work.
  ///
  /// - Parameters:
  ///   - done: Pieces that are done.
  ///   - total: All pieces.
  ///   - resumed: Of those done, the ones that an earlier run made.
  ///   - resumable: Of those that are left, the ones that an earlier run made.
  ///   - note: What is being done.
  ///   - column: How far standard output has come on the line, for text behind it.
  package func update(
    done: Int, total: Int, resumed: Int = 0, resumable: Int = 0, note: String = "", column: Int = 0
  ) {
    guard isEnabled, total > 0 else { return }
    let made = done - resumed
    let left = made > 0 ? elapsedSeconds / Double(made) * Double(total - done - resumable) : nil
    let earlier = resumed > 0 ? "\(resumed) from an earlier run" : ""
    func text(_ notes: String...) -> String {
      Self.text(
        "\(done) of \(total)\(unit)", left, notes.filter { !$0.isEmpty }.joined(separator: "; "))
    }
    show(
      Double(done) / Double(total), hasBegun: done > 0, left: left, texts: [text(note), text()],
      line: text(earlier, note), column: column)
  }

  /// Shows the state of work that has no pieces of one size.
  ///
  /// - Parameters:
  ///   - share: The share that is done, 0 to 1.
  ///   - left: Seconds to go.
  ///   - note: What is being done.
  ///   - column: How far standard output has come on the line, for text behind it.
  package func update(share: Double, left: Double, note: String, column: Int = 0) {
    guard isEnabled else { return }
    let done = "\(decimals(100 * share, 1)) %"
    let text = Self.text(done, left, note)
    show(
      share, hasBegun: share > 0, left: left, texts: [text, Self.text(done, left, "")], line: text,
      column: column)
  }

  private func show(
    _ share: Double, hasBegun: Bool, left: Double?, texts: [String], line: String, column: Int
  ) {
    let now = DispatchTime.now().uptimeNanoseconds
    state.withLock { state in
      let tenth = Int(10 * share)
      if Standard.errorIsTerminal {
        guard now - state.lastDraw >= 100_000_000 || share >= 1 || !state.isVisible else { return }
        state.lastDraw = now
        // The longest that has room.
        let texts = texts + (left.map { ["\(ProgressBar.duration($0)) left"] } ?? [])
        state.isVisible = draw(texts, share, column)
      } else if hasBegun, tenth > state.lastTenth {
        state.lastTenth = tenth
        Standard.error(line)
      }
    }
  }

  /// Removes the text from a terminal.
  package func clear() {
    state.withLock { state in
      if state.isVisible { Standard.errorText(place == .line ? "\r\u{1B}[K" : "\u{1B}[K") }
      state.isVisible = false
    }
  }

  private static func text(_ done: String, _ left: Double?, _ note: String) -> String {
    done + (left.map { ", \(ProgressBar.duration($0)) left" } ?? "")
      + (note.isEmpty ? "" : ": \(note)")
  }

  /// A text cut to the width of a terminal, with a bar in front of it when there is room.
  static func fitted(_ text: String, share: Double, width: Int) -> String {
    let room = min(30, width - text.count - 4)
    guard room >= 8 else { return String(text.prefix(max(1, width - 1))) }
    let filled = min(room, Int(share * Double(room)))
    return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled) + "] "
      + text
  }

  /// Draws one of several texts, and says whether there was room for any.
  private func draw(_ texts: [String], _ share: Double, _ column: Int) -> Bool {
    let width = Standard.terminalWidth
    switch place {
    case .line:
      let text = texts[0]
      Standard.errorText("\r" + Self.fitted(text, share: share, width: width) + "\u{1B}[K")
      return true
    case .behindOutput:
      // The next output goes on where it stopped; where the text has no room the line stays as it is.
      let used = column % width + 2
      guard column % width > 0, let text = texts.first(where: { used + $0.count < width }) else {
        return false
      }
      Standard.errorText("\u{1B}7  " + text + "\u{1B}[K\u{1B}8")
      return true
    }
  }
}
