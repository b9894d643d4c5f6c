#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The standard streams: results go to output, everything else to error.
public enum Standard {
  /// Writes a line to standard output.
  public static func output(_ line: String) { write(line.hasSuffix("\n") ? line : line + "\n", to: 1) }

  /// Writes a line to standard error.
  public static func error(_ line: String) { write(line.hasSuffix("\n") ? line : line + "\n", to: 2) }

  /// Writes text without a line end to standard error.
  public static func errorText(_ text: String) { write(text, to: 2) }

  /// Whether standard error is a terminal.
  public static var errorIsTerminal: Bool { isatty(2) == 1 }

  /// The columns of the terminal on standard error, 80 when unknown.
  public static var terminalWidth: Int {
    var size = winsize()
    return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count, let base = bytes.baseAddress {
        #if canImport(Glibc)
          let put = Glibc.write(descriptor, base + done, bytes.count - done)
        #else
          let put = Darwin.write(descriptor, base + done, bytes.count - done)
        #endif
        if put < 0 {
          if errno == EINTR { continue }
          return
        }
        done += put
      }
    }
  }
}
