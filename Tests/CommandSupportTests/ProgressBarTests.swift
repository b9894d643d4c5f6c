import CommandSupport
import Testing

/// The line that shows progress on a terminal.
@Suite("Progress bar")
struct ProgressBarTests {
  private let parts = ["12.3 %", "2.61 GB of 21.16 GB", "431.20 MB/s", "0:43 left"]

  @Test("the line is shorter than the terminal is wide, whatever its width", arguments: 1...200)
  func width(columns: Int) {
    for share in [0, 0.123, 1, 1.5, -1] {
      #expect(ProgressBar.picture(parts, share: share, width: columns).count < max(columns, 1))
    }
  }

  @Test("share and time to go are kept where there is no room for all")
  func narrow() {
    let narrow = ProgressBar.picture(parts, share: 0.123, width: 40)
    #expect(narrow.contains("12.3 %") && narrow.contains("0:43 left") && !narrow.contains("GB"))
    let wide = ProgressBar.picture(parts, share: 0.123, width: 120)
    #expect(wide.contains("2.61 GB of 21.16 GB") && wide.contains("[####"))
  }

  @Test("the bar is filled by the share")
  func filled() {
    let half = ProgressBar.picture(parts, share: 0.5, width: 200)
    #expect(half.hasPrefix("[" + String(repeating: "#", count: 20) + String(repeating: ".", count: 20) + "]"))
  }
}
